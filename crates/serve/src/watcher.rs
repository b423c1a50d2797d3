//! The watcher: ends connections that are idle or too slow. Each worker runs one over all its connections, whatever
//! protocol they speak.
//!
//! | a connection is | for | it is ended as |
//! |---|---|---|
//! | new, or in the middle of a header | `header-seconds` | slow header |
//! | between requests | `idle-seconds` | idle |
//! | reading a response more slowly than `min-rate` | `stall-seconds` | stalled |
//!
//! A connection that can be closed gracefully (HTTP/1 through hyper, HTTP/2) is asked to close when it is idle, and
//! cut [`GOODBYE`] later.

use std::num::NonZeroU32;
use std::time::Duration;

use clearwell_metrics::EndReason;

use crate::activity::{Activity, State};
use crate::config::ServeConfig;

/// How long an idle connection that was asked to close may take for that.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long a connection may do nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLimits {
    header: Duration,
    idle: Duration,
    stall: Duration,
    /// Of an answer within `stall`.
    min_bytes: u64,
}

impl TimeLimits {
    pub(crate) fn of(config: &ServeConfig) -> Self {
        let seconds = |number: NonZeroU32| Duration::from_secs(number.get().into());
        Self {
            header: seconds(config.header_seconds),
            idle: seconds(config.idle_seconds),
            stall: seconds(config.stall_seconds),
            min_bytes: config.min_rate.bytes_per_second().saturating_mul(config.stall_seconds.get().into()).max(1),
        }
    }

    /// How long a client may take too little of an answer.
    pub(crate) const fn stall(&self) -> Duration {
        self.stall
    }
}

/// What the watcher remembers of a connection from one look to the next.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    progress: Progress,
    stage: Stage,
}

/// When the answers of a connection were last seen to advance.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    written_bytes: u64,
    /// Since the connection was opened.
    at: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    #[default]
    Open,
    /// It was asked to close at that age.
    Closing(Duration),
    Ended,
}

/// What the watcher does about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Keep,
    /// Ask it to close, and count it as idle.
    Close,
    /// Cut it; counted by the reason, unless it was counted when it was asked to close.
    End(Option<EndReason>),
}

impl Watch {
    /// Looks at a connection. `can_close` if it can be asked to close.
    pub(crate) fn look(&mut self, activity: &Activity, limits: &TimeLimits, can_close: bool) -> Action {
        self.look_at(activity.age(), activity, limits, can_close)
    }

    fn look_at(&mut self, now: Duration, activity: &Activity, limits: &TimeLimits, can_close: bool) -> Action {
        let Some(reason) = self.overdue(now, activity, limits) else { return Action::Keep };
        match self.stage {
            Stage::Ended => Action::Keep,
            Stage::Open if reason == EndReason::IdleTimeout && can_close => {
                self.stage = Stage::Closing(now);
                Action::Close
            }
            Stage::Closing(asked) if reason == EndReason::IdleTimeout && now < asked + GOODBYE => Action::Keep,
            Stage::Open => {
                self.stage = Stage::Ended;
                Action::End(Some(reason))
            }
            Stage::Closing(_) => {
                self.stage = Stage::Ended;
                Action::End(None)
            }
        }
    }

    /// Why the connection should end by now.
    fn overdue(&mut self, now: Duration, activity: &Activity, limits: &TimeLimits) -> Option<EndReason> {
        let (since, limit, reason) = match activity.state() {
            State::Handshake => return None,
            State::Header { since } => (since, limits.header, EndReason::HeaderTimeout),
            State::Idle { since, .. } => (since, limits.idle, EndReason::IdleTimeout),
            State::Answering { since, .. } => {
                let advanced = self.progress.advanced(now, since, activity.written_bytes(), limits.min_bytes);
                (advanced.max(since), limits.stall, EndReason::StallTimeout)
            }
        };
        (since + limit <= now).then_some(reason)
    }
}

impl Progress {
    /// When the answers since `since` last advanced by `min_bytes`, or began to.
    fn advanced(&mut self, now: Duration, since: Duration, written_bytes: u64, min_bytes: u64) -> Duration {
        let began = self.at < since && self.written_bytes != written_bytes;
        if began || written_bytes.saturating_sub(self.written_bytes) >= min_bytes {
            *self = Self { written_bytes, at: now };
        }
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::Framing;

    const LIMITS: TimeLimits = TimeLimits {
        header: Duration::from_secs(10),
        idle: Duration::from_secs(60),
        stall: Duration::from_secs(30),
        min_bytes: 3000,
    };

    const fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    fn in_state(state: State) -> Activity {
        let activity = Activity::new();
        activity.set(state);
        activity
    }

    /// Looks at the connection when it is that many seconds old. It cannot be asked to close.
    fn look(watched: &mut Watch, activity: &Activity, age: u64) -> Action {
        watched.look_at(seconds(age), activity, &LIMITS, false)
    }

    #[test]
    fn a_header_has_to_arrive_in_time() {
        for since in [0, 55] {
            let activity = in_state(State::Header { since: seconds(since) });
            let mut watched = Watch::default();
            assert_eq!(look(&mut watched, &activity, since), Action::Keep);
            assert_eq!(look(&mut watched, &activity, since + 9), Action::Keep);
            assert_eq!(look(&mut watched, &activity, since + 10), Action::End(Some(EndReason::HeaderTimeout)));
            assert_eq!(look(&mut watched, &activity, since + 11), Action::Keep, "ended once");
        }
    }

    #[test]
    fn a_handshake_is_not_for_the_watcher() {
        assert_eq!(look(&mut Watch::default(), &in_state(State::Handshake), 1000), Action::Keep);
    }

    #[test]
    fn idle_connections_end() {
        for framing in [Framing::Http1, Framing::Http2] {
            let activity = in_state(State::Idle { since: seconds(0), framing });
            let mut watched = Watch::default();
            assert_eq!(look(&mut watched, &activity, 59), Action::Keep);
            assert_eq!(look(&mut watched, &activity, 60), Action::End(Some(EndReason::IdleTimeout)));
        }
    }

    #[test]
    fn an_idle_connection_that_can_close_is_asked_first_and_counted_once() {
        let activity = in_state(State::Idle { since: seconds(0), framing: Framing::Http2 });
        let mut watched = Watch::default();
        let mut look = |millis: u64| watched.look_at(Duration::from_millis(millis), &activity, &LIMITS, true);
        assert_eq!(look(60_000), Action::Close);
        assert_eq!(look(60_999), Action::Keep);
        // A request that arrived meanwhile is answered.
        activity.set(State::Answering { requests: NonZeroU32::MIN, since: seconds(60), framing: Framing::Http2 });
        assert_eq!(look(62_000), Action::Keep);
        activity.set(State::Idle { since: seconds(0), framing: Framing::Http2 });
        assert_eq!(look(62_100), Action::End(None));
        assert_eq!(look(62_200), Action::Keep);
    }

    #[test]
    fn a_connection_that_is_slow_is_cut_even_if_it_could_close() {
        let header = in_state(State::Header { since: seconds(0) });
        let action = Watch::default().look_at(seconds(10), &header, &LIMITS, true);
        assert_eq!(action, Action::End(Some(EndReason::HeaderTimeout)));
    }

    #[test]
    fn an_answer_has_to_advance() {
        let (requests, framing) = (NonZeroU32::MIN, Framing::Http1);
        let activity = in_state(State::Answering { requests, since: seconds(100), framing });
        let mut watched = Watch::default();
        assert_eq!(look(&mut watched, &activity, 129), Action::Keep, "time before the request does not count");
        activity.wrote(1);
        assert_eq!(look(&mut watched, &activity, 129), Action::Keep);
        assert_eq!(look(&mut watched, &activity, 150), Action::Keep, "the first bytes of an answer are progress");
        activity.wrote(3000);
        assert_eq!(look(&mut watched, &activity, 155), Action::Keep);
        activity.wrote(2999);
        assert_eq!(look(&mut watched, &activity, 184), Action::Keep);
        assert_eq!(look(&mut watched, &activity, 185), Action::End(Some(EndReason::StallTimeout)), "too few bytes");
    }

    #[test]
    fn bytes_of_earlier_answers_are_not_progress() {
        let activity = Activity::new();
        activity.wrote(10_000);
        activity.set(State::Answering { requests: NonZeroU32::MIN, since: seconds(100), framing: Framing::Http1 });
        let mut watched = Watch::default();
        // Seen once, as a beginning: the watcher did not look before.
        assert_eq!(look(&mut watched, &activity, 101), Action::Keep);
        assert_eq!(look(&mut watched, &activity, 130), Action::Keep);
        assert_eq!(look(&mut watched, &activity, 131), Action::End(Some(EndReason::StallTimeout)));
    }
}

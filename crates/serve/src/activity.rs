//! What a connection is doing, and since when. The task of the connection writes it, the watcher of its worker reads
//! it.
//!
//! ```text
//!      accept        TLS
//!        |    .----> Handshake
//!        v    v      |
//!       Header <-----'      first byte of the next request (HTTP/1)
//!        |   ^-------------------------------.
//!        | request                           |
//!        v                last answer        |
//!       Answering(1..) -------------------> Idle
//!           ^------------ request ------------'
//! ```
//!
//! On HTTP/2 a byte between requests does not begin a header: there the first request ends the time for headers, and
//! frames that are not requests are bounded by the idle time.
//!
//! Always true: the state is one atomic word, so a reader never sees half of a transition.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The activity of one connection.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    /// A [`State`], packed.
    state: AtomicU64,
    /// Bytes of answers that left the connection so far.
    written_bytes: AtomicU64,
}

/// What a connection is doing. Times are since it was opened, in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A TLS handshake, which has its own time limit.
    Handshake,
    /// A request header is awaited on a new connection, or is incomplete.
    Header { since: Duration },
    /// Between requests.
    Idle { since: Duration, framing: Framing },
    /// Requests whose answers are not complete, without a pause since the first of them.
    Answering { requests: NonZeroU32, since: Duration, framing: Framing },
}

/// How requests are told apart on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// HTTP/1: whatever follows an answer begins the next request.
    Http1,
    /// HTTP/2: frames, not all of which are requests.
    Http2,
}

impl From<http::Version> for Framing {
    fn from(version: http::Version) -> Self {
        if version == http::Version::HTTP_2 { Self::Http2 } else { Self::Http1 }
    }
}

impl Activity {
    /// Of a connection that was opened now.
    pub(crate) fn new() -> Self {
        Self {
            opened: Instant::now(),
            state: AtomicU64::new(State::Header { since: Duration::ZERO }.pack()),
            written_bytes: AtomicU64::new(0),
        }
    }

    /// A TLS handshake begins.
    pub(crate) fn handshake_begins(&self) {
        self.change(|_, _| State::Handshake);
    }

    /// The handshake is done; the time for the first header begins.
    pub(crate) fn handshake_ends(&self) {
        self.change(|_, now| State::Header { since: now });
    }

    /// Bytes arrived. Between requests of HTTP/1 they begin a header.
    pub(crate) fn received(&self) {
        // Nearly always nothing changes: bytes arrive in the middle of something.
        if matches!(self.state(), State::Idle { framing: Framing::Http1, .. }) {
            self.change(State::after_bytes);
        }
    }

    /// A request is complete as far as its header goes.
    pub(crate) fn request_begins(&self, framing: Framing) {
        self.change(|state, now| state.after_request(framing, now));
    }

    /// The answer of a request is complete, or given up.
    pub(crate) fn request_ends(&self) {
        self.change(State::after_answer);
    }

    /// The only request of an HTTP/1 connection arrived and was answered without a pause.
    pub(crate) fn answered_at(&self, now: Instant) {
        let since = now.saturating_duration_since(self.opened);
        self.state.store(State::Idle { since, framing: Framing::Http1 }.pack(), Ordering::Relaxed);
    }

    /// Bytes of answers left.
    pub(crate) fn wrote(&self, bytes: usize) {
        self.written_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn state(&self) -> State {
        State::unpack(self.state.load(Ordering::Relaxed))
    }

    /// Bytes of answers that left so far.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Relaxed)
    }

    /// Since the connection was opened.
    pub(crate) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    fn change(&self, transition: impl Fn(State, Duration) -> State) {
        let now = self.age();
        let packed = |state| Some(transition(State::unpack(state), now).pack());
        // The closure always returns a state, so the update cannot fail.
        let _ = self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, packed);
    }
}

impl State {
    /// True if no request is in flight: closing the connection now takes no answer from its client.
    pub(crate) const fn awaits_request(self) -> bool {
        matches!(self, Self::Header { .. } | Self::Idle { .. })
    }

    fn after_bytes(self, now: Duration) -> Self {
        match self {
            Self::Idle { framing: Framing::Http1, .. } => Self::Header { since: now },
            other => other,
        }
    }

    fn after_request(self, framing: Framing, now: Duration) -> Self {
        match self {
            Self::Answering { requests, since, framing } => {
                let requests = requests.saturating_add(1).min(MAX_REQUESTS);
                Self::Answering { requests, since, framing }
            }
            Self::Handshake | Self::Header { .. } | Self::Idle { .. } => {
                Self::Answering { requests: NonZeroU32::MIN, since: now, framing }
            }
        }
    }

    fn after_answer(self, now: Duration) -> Self {
        match self {
            Self::Answering { requests, since, framing } => match NonZeroU32::new(requests.get() - 1) {
                Some(requests) => Self::Answering { requests, since, framing },
                None => Self::Idle { since: now, framing },
            },
            other => other,
        }
    }

    /// From the lowest bit: HTTP/2 or not, requests in flight, kind, milliseconds.
    fn pack(self) -> u64 {
        let word = |kind: u64, requests: u32, since: Duration, framing: Framing| {
            let millis = since.as_secs().saturating_mul(1000).saturating_add(since.subsec_millis().into());
            u64::from(framing == Framing::Http2)
                | u64::from(requests) << 1
                | kind << (1 + REQUEST_BITS)
                | millis.min(MAX_MILLIS) << (1 + REQUEST_BITS + KIND_BITS)
        };
        match self {
            Self::Handshake => word(HANDSHAKE, 0, Duration::ZERO, Framing::Http1),
            Self::Header { since } => word(HEADER, 0, since, Framing::Http1),
            Self::Idle { since, framing } => word(IDLE, 0, since, framing),
            Self::Answering { requests, since, framing } => word(ANSWERING, requests.get(), since, framing),
        }
    }

    fn unpack(word: u64) -> Self {
        let framing = if word & 1 == 1 { Framing::Http2 } else { Framing::Http1 };
        let since = Duration::from_millis(word >> (1 + REQUEST_BITS + KIND_BITS));
        let requests = NonZeroU32::new((word >> 1) as u32 & MAX_REQUESTS.get());
        match ((word >> (1 + REQUEST_BITS)) & ((1 << KIND_BITS) - 1), requests) {
            (HANDSHAKE, _) => Self::Handshake,
            (HEADER, _) => Self::Header { since },
            (_, Some(requests)) => Self::Answering { requests, since, framing },
            (_, None) => Self::Idle { since, framing },
        }
    }
}

/// 22 bits: four million requests in flight on one connection. Their memory would exceed any machine's before.
const REQUEST_BITS: u32 = 22;
/// Requests in flight that are counted at most.
const MAX_REQUESTS: NonZeroU32 = NonZeroU32::new((1 << REQUEST_BITS) - 1).unwrap();
const KIND_BITS: u32 = 2;
/// 39 bits: seventeen years.
const MAX_MILLIS: u64 = (1 << (64 - 1 - REQUEST_BITS - KIND_BITS)) - 1;

const HANDSHAKE: u64 = 0;
const HEADER: u64 = 1;
const IDLE: u64 = 2;
const ANSWERING: u64 = 3;

#[cfg(test)]
impl Activity {
    /// As it would be after `state` was entered.
    pub(crate) fn set(&self, state: State) {
        self.state.store(state.pack(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: Duration = Duration::from_millis(1500);
    const NOW: Duration = Duration::from_millis(9000);

    const fn answering(requests: u32, since: Duration, framing: Framing) -> State {
        State::Answering { requests: NonZeroU32::new(requests).unwrap(), since, framing }
    }

    #[test]
    fn every_state_survives_packing() {
        let times = [Duration::ZERO, Duration::from_millis(1), THEN, Duration::from_millis(MAX_MILLIS)];
        for since in times {
            for framing in [Framing::Http1, Framing::Http2] {
                let counts = [1, 2, MAX_REQUESTS.get()].map(|requests| answering(requests, since, framing));
                let others = [State::Handshake, State::Header { since }, State::Idle { since, framing }];
                for state in counts.into_iter().chain(others) {
                    assert_eq!(State::unpack(state.pack()), state);
                }
            }
        }
        let late = State::Header { since: Duration::MAX };
        assert_eq!(State::unpack(late.pack()), State::Header { since: Duration::from_millis(MAX_MILLIS) });
    }

    #[test]
    fn bytes_begin_a_header_only_between_requests_of_http_1() {
        let idle = |framing| State::Idle { since: THEN, framing };
        assert_eq!(idle(Framing::Http1).after_bytes(NOW), State::Header { since: NOW });
        for other in [
            idle(Framing::Http2),
            State::Handshake,
            State::Header { since: THEN },
            answering(1, THEN, Framing::Http1),
            answering(3, THEN, Framing::Http2),
        ] {
            assert_eq!(other.after_bytes(NOW), other);
        }
    }

    #[test]
    fn requests_are_counted_and_the_time_is_that_of_the_first() {
        for framing in [Framing::Http1, Framing::Http2] {
            for before in [State::Handshake, State::Header { since: THEN }, State::Idle { since: THEN, framing }] {
                assert_eq!(before.after_request(framing, NOW), answering(1, NOW, framing));
            }
            let two = answering(1, THEN, framing).after_request(framing, NOW);
            assert_eq!(two, answering(2, THEN, framing));
            assert_eq!(two.after_answer(NOW), answering(1, THEN, framing));
            assert_eq!(answering(1, THEN, framing).after_answer(NOW), State::Idle { since: NOW, framing });
        }
        let full = answering(MAX_REQUESTS.get(), THEN, Framing::Http2);
        assert_eq!(full.after_request(Framing::Http2, NOW), full, "the count does not run into other bits");
    }

    #[test]
    fn only_a_connection_without_requests_awaits_one() {
        for (state, awaits) in [
            (State::Handshake, false),
            (State::Header { since: THEN }, true),
            (State::Idle { since: THEN, framing: Framing::Http1 }, true),
            (State::Idle { since: THEN, framing: Framing::Http2 }, true),
            (answering(1, THEN, Framing::Http1), false),
        ] {
            assert_eq!(state.awaits_request(), awaits, "{state:?}");
        }
    }

    #[test]
    fn a_connection_goes_through_its_states() {
        let activity = Activity::new();
        assert_eq!(activity.state(), State::Header { since: Duration::ZERO });
        activity.handshake_begins();
        assert_eq!(activity.state(), State::Handshake);
        activity.handshake_ends();
        activity.received();
        assert!(matches!(activity.state(), State::Header { .. }), "bytes of a handshake do not make it idle");
        activity.request_begins(Framing::Http1);
        activity.received();
        assert!(matches!(activity.state(), State::Answering { .. }), "pipelined bytes wait");
        activity.request_ends();
        assert!(matches!(activity.state(), State::Idle { framing: Framing::Http1, .. }));
        activity.received();
        assert!(matches!(activity.state(), State::Header { .. }));
        activity.answered_at(activity.opened + NOW);
        assert_eq!(activity.state(), State::Idle { since: NOW, framing: Framing::Http1 });
        activity.wrote(7);
        activity.wrote(3);
        assert_eq!(activity.written_bytes(), 10);
    }
}

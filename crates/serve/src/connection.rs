//! What the server knows of a connection: who it is, which pointers it sees, and whether it still moves.
//!
//! A connection is judged by what it does, not by how old it is:
//!
//! | it is | for | verdict |
//! |---|---|---|
//! | new, or in the middle of a header | `header-seconds` | slow header |
//! | between requests | `idle-seconds` | idle |
//! | owed an answer and takes fewer bytes of it than `min-rate` | `stall-seconds` | stalled |

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use clearwell_metrics::EndReason;

use crate::client::{Client, Ticket};
use crate::config::ServeConfig;
use crate::published::PointerPin;

/// A connection of a client.
#[derive(Debug)]
pub struct Connection {
    peer: Option<SocketAddr>,
    /// Who a proxy said it is.
    behind_proxy: OnceLock<Box<SocketAddr>>,
    /// Its place among the connections of its client.
    client: OnceLock<Ticket>,
    /// Of the certificate that the client showed.
    subject: OnceLock<Arc<str>>,
    /// Somebody else judges it.
    is_watched: AtomicBool,
    pub(crate) pin: PointerPin,
    opened: Instant,
    requests_in_flight: AtomicU32,
    written_bytes: AtomicU64,
    /// The rest are milliseconds since `opened`. Since when a header is incomplete; [`NEVER`] if none is.
    header_since: AtomicU64,
    /// Since when no request, or at least one, is in flight.
    turned: AtomicU64,
}

const NEVER: u64 = u64::MAX;

/// How long a connection may do nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    header: Duration,
    idle: Duration,
    stall: Duration,
    /// Of an answer within `stall`.
    least_bytes: u64,
}

impl Patience {
    pub(crate) fn of(config: &ServeConfig) -> Self {
        let seconds = |number: std::num::NonZeroU32| Duration::from_secs(number.get().into());
        Self {
            header: seconds(config.header_seconds),
            idle: seconds(config.idle_seconds),
            stall: seconds(config.stall_seconds),
            least_bytes: config.min_rate.bytes_per_second().saturating_mul(config.stall_seconds.get().into()).max(1),
        }
    }

    /// How long a client may take too little of an answer.
    pub(crate) const fn stall(&self) -> Duration {
        self.stall
    }

    /// After so long a connection that does something else now may be over, whatever it does.
    pub(crate) fn shortest(&self) -> Duration {
        self.header.min(self.idle).min(self.stall)
    }
}

/// What is to be done about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Look again after so long.
    Wait(Duration),
    /// End it.
    End(EndReason),
}

/// When bytes were last seen to leave.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    written_bytes: u64,
    /// In milliseconds since the connection was opened.
    at: u64,
}

impl Connection {
    /// A connection that was just opened; without a peer in memory.
    pub fn new(peer: Option<SocketAddr>) -> Self {
        Self {
            peer,
            behind_proxy: OnceLock::new(),
            client: OnceLock::new(),
            subject: OnceLock::new(),
            is_watched: AtomicBool::new(false),
            pin: PointerPin::default(),
            opened: Instant::now(),
            requests_in_flight: AtomicU32::new(0),
            written_bytes: AtomicU64::new(0),
            header_since: AtomicU64::new(0),
            turned: AtomicU64::new(0),
        }
    }

    /// The other end of the socket.
    pub(crate) const fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The client, as far as the connection tells. `None` on a Unix socket.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.client_socket().map(|address| address.ip().to_canonical())
    }

    /// The same with its port.
    pub(crate) fn client_socket(&self) -> Option<SocketAddr> {
        self.behind_proxy.get().map(|address| **address).or(self.peer)
    }

    /// A proxy said for whom it speaks.
    pub(crate) fn speaks_for(&self, client: SocketAddr) {
        let _ = self.behind_proxy.set(Box::new(client));
    }

    pub(crate) fn client(&self) -> Option<&Arc<Client>> {
        self.client.get().map(Ticket::client)
    }

    /// Its place among the connections of the client whose it is.
    pub(crate) fn belongs_to(&self, place: Ticket) {
        let _ = self.client.set(place);
    }

    pub(crate) fn subject(&self) -> Option<&Arc<str>> {
        self.subject.get()
    }

    pub(crate) fn shows(&self, subject: Arc<str>) {
        let _ = self.subject.set(subject);
    }

    /// Somebody else judges the connection from here on.
    pub(crate) fn watch(&self) {
        self.is_watched.store(true, Ordering::Relaxed);
    }

    /// Nobody does any more; its time begins anew.
    pub(crate) fn unwatch(&self) {
        self.header_since.store(self.now(), Ordering::Relaxed);
        self.is_watched.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.is_watched.load(Ordering::Relaxed)
    }

    /// True if no request is under way, nor the beginning of one.
    pub(crate) fn rests(&self) -> bool {
        self.requests_in_flight.load(Ordering::Relaxed) == 0
    }

    /// A request came and was answered at once.
    pub(crate) fn answered_at(&self, now: Instant) {
        self.header_since.store(NEVER, Ordering::Relaxed);
        let since = now.saturating_duration_since(self.opened).as_millis();
        self.turned.store(u64::try_from(since).unwrap_or(NEVER - 1), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(NEVER - 1)
    }

    /// Bytes came. Between requests they begin a header. (On HTTP/2 they need not: there the first request ends this
    /// watch, and frames that are no requests are bounded by the idle time.)
    pub(crate) fn received(&self) {
        if self.requests_in_flight.load(Ordering::Relaxed) == 0 {
            let _ = self.header_since.compare_exchange(NEVER, self.now(), Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Bytes left.
    pub(crate) fn wrote(&self, bytes: usize) {
        self.written_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn request_begins(&self, version: http::Version) {
        // On HTTP/2 no later byte is known to begin a header: one in the far future never does.
        let watched = if version == http::Version::HTTP_2 { NEVER - 1 } else { NEVER };
        self.header_since.store(watched, Ordering::Relaxed);
        if self.requests_in_flight.fetch_add(1, Ordering::Relaxed) == 0 {
            self.turned.store(self.now(), Ordering::Relaxed);
        }
    }

    pub(crate) fn request_ends(&self) {
        if self.requests_in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.turned.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Judges the connection. `seen` is what the judge remembers between looks.
    pub(crate) fn judge(&self, patience: &Patience, seen: &mut Progress) -> Verdict {
        self.judge_at(Duration::from_millis(self.now()), patience, seen)
    }

    fn judge_at(&self, now: Duration, patience: &Patience, seen: &mut Progress) -> Verdict {
        let turned = Duration::from_millis(self.turned.load(Ordering::Relaxed));
        if self.requests_in_flight.load(Ordering::Relaxed) > 0 {
            let written_bytes = self.written_bytes.load(Ordering::Relaxed);
            let seen_at = Duration::from_millis(seen.at);
            let begun = seen_at < turned && seen.written_bytes != written_bytes;
            if begun || written_bytes.saturating_sub(seen.written_bytes) >= patience.least_bytes {
                *seen = Progress { written_bytes, at: u64::try_from(now.as_millis()).unwrap_or(u64::MAX) };
            }
            return left(Duration::from_millis(seen.at).max(turned), patience.stall, now, EndReason::Stalled);
        }
        let header_since = Duration::from_millis(self.header_since.load(Ordering::Relaxed));
        if header_since <= now {
            return left(header_since, patience.header, now, EndReason::SlowHeader);
        }
        match left(turned, patience.idle, now, EndReason::Idle) {
            // A header may begin meanwhile, and its time is shorter.
            Verdict::Wait(wait) => Verdict::Wait(wait.min(patience.header)),
            end => end,
        }
    }
}

fn left(since: Duration, patience: Duration, now: Duration, reason: EndReason) -> Verdict {
    match (since + patience).checked_sub(now) {
        Some(wait) if !wait.is_zero() => Verdict::Wait(wait),
        _ => Verdict::End(reason),
    }
}

#[cfg(test)]
mod tests {
    use http::Version;

    use super::*;

    const PATIENCE: Patience = Patience {
        header: Duration::from_secs(10),
        idle: Duration::from_secs(60),
        stall: Duration::from_secs(30),
        least_bytes: 3000,
    };

    fn wait(seconds: u64) -> Verdict {
        Verdict::Wait(Duration::from_secs(seconds))
    }

    /// Judges `after` so many seconds more than any real time the test takes.
    fn judge(connection: &Connection, after: u64, seen: &mut Progress) -> Verdict {
        connection.judge_at(Duration::from_secs(after), &PATIENCE, seen)
    }

    #[test]
    fn a_first_header_has_to_come_in_time() {
        let connection = Connection::new(None);
        let mut seen = Progress::default();
        assert_eq!(judge(&connection, 0, &mut seen), wait(10));
        connection.received();
        assert_eq!(judge(&connection, 9, &mut seen), wait(1));
        assert_eq!(judge(&connection, 10, &mut seen), Verdict::End(EndReason::SlowHeader));
    }

    #[test]
    fn between_requests_it_may_rest_and_then_not_dawdle() {
        let connection = Connection::new(None);
        let mut seen = Progress::default();
        connection.request_begins(Version::HTTP_11);
        connection.request_ends();
        connection.turned.store(0, Ordering::Relaxed);
        assert_eq!(judge(&connection, 1, &mut seen), wait(10), "a header may begin");
        assert_eq!(judge(&connection, 55, &mut seen), wait(5));
        assert_eq!(judge(&connection, 60, &mut seen), Verdict::End(EndReason::Idle));
        connection.header_since.store(55_000, Ordering::Relaxed);
        assert_eq!(judge(&connection, 60, &mut seen), wait(5));
        assert_eq!(judge(&connection, 65, &mut seen), Verdict::End(EndReason::SlowHeader));
    }

    #[test]
    fn an_answer_has_to_move() {
        let connection = Connection::new(None);
        let mut seen = Progress::default();
        connection.request_begins(Version::HTTP_11);
        connection.turned.store(100_000, Ordering::Relaxed);
        assert_eq!(judge(&connection, 110, &mut seen), wait(20), "time before the request does not count");
        connection.wrote(1);
        assert_eq!(judge(&connection, 125, &mut seen), wait(30), "what was written before does not count");
        connection.wrote(3000);
        assert_eq!(judge(&connection, 150, &mut seen), wait(30));
        connection.wrote(2999);
        assert_eq!(judge(&connection, 179, &mut seen), wait(1), "too few");
        assert_eq!(judge(&connection, 180, &mut seen), Verdict::End(EndReason::Stalled));
    }

    #[test]
    fn frames_between_requests_of_http_2_begin_no_header() {
        let connection = Connection::new(None);
        let mut seen = Progress::default();
        connection.request_begins(Version::HTTP_2);
        connection.request_ends();
        connection.turned.store(0, Ordering::Relaxed);
        connection.received();
        assert_eq!(judge(&connection, 55, &mut seen), wait(5));
        assert_eq!(judge(&connection, 60, &mut seen), Verdict::End(EndReason::Idle));
    }
}

//! Requests and connections.
//!
//! Every combination of labels is made at the start: counting is then an addition, without a lookup.

use std::sync::Arc;
use std::time::Instant;

use clearwell_format::resource::ResourceKind;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::label_value;

/// What a request asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// A resource of the content tree, there or not.
    Resource(ResourceKind),
    /// The root itself, which clients ask before parallel downloads.
    Root,
    /// Health.
    Health,
    /// Nothing that has a name here.
    Unknown,
}

impl RequestKind {
    const COUNT: usize = ResourceKind::ALL.len() + 3;

    fn all() -> impl Iterator<Item = Self> {
        let others = [Self::Root, Self::Health, Self::Unknown];
        ResourceKind::ALL.into_iter().map(Self::Resource).chain(others)
    }

    /// Position in [`RequestKind::all`].
    const fn index(self) -> usize {
        match self {
            Self::Resource(kind) => kind as usize,
            Self::Root => ResourceKind::ALL.len(),
            Self::Health => ResourceKind::ALL.len() + 1,
            Self::Unknown => ResourceKind::ALL.len() + 2,
        }
    }

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resource(kind) => kind.as_str(),
            Self::Root => "root",
            Self::Health => "health",
            Self::Unknown => "unknown",
        }
    }
}
label_value!(RequestKind);

/// The first digit of a status, if it came to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusClass {
    /// 200 and 206.
    Success,
    /// 304.
    Redirection,
    /// 404, 405, 412, 416 and their like.
    ClientError,
    /// 503.
    ServerError,
    /// The client went away before there was one.
    None,
}

impl StatusClass {
    const ALL: [Self; 5] = [Self::Success, Self::Redirection, Self::ClientError, Self::ServerError, Self::None];

    /// The class of a status code.
    pub const fn of(status: u16) -> Self {
        match status {
            0..300 => Self::Success,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
            Self::None => "none",
        }
    }
}
label_value!(StatusClass);

/// How clients reach a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListenerKind {
    /// HTTP.
    Cleartext,
    /// HTTPS.
    Tls,
}

impl ListenerKind {
    const ALL: [Self; 2] = [Self::Cleartext, Self::Tls];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cleartext => "cleartext",
            Self::Tls => "tls",
        }
    }
}
label_value!(ListenerKind);

/// Why the server ended a connection that the client had not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// As many connections as are allowed are open.
    Full,
    /// TLS could not be agreed upon, or not in time.
    Handshake,
    /// The header of a request did not come in time.
    SlowHeader,
    /// No request came for a while.
    Idle,
    /// The client took no byte of an answer for a while.
    Stalled,
    /// What came was not HTTP.
    Protocol,
    /// The server stops, and the deadline is over.
    Stopped,
}

impl EndReason {
    const ALL: [Self; 7] =
        [Self::Full, Self::Handshake, Self::SlowHeader, Self::Idle, Self::Stalled, Self::Protocol, Self::Stopped];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Handshake => "handshake",
            Self::SlowHeader => "slow_header",
            Self::Idle => "idle",
            Self::Stalled => "stalled",
            Self::Protocol => "protocol",
            Self::Stopped => "stopped",
        }
    }
}
label_value!(EndReason);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    kind: RequestKind,
    class: StatusClass,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: RequestKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabels {
    listener: ListenerKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    reason: EndReason,
}

/// Handles of everything about requests and connections.
#[derive(Debug)]
pub struct HttpMetrics {
    /// By [`RequestKind::index`].
    requests: Arc<[KindHandles; RequestKind::COUNT]>,
    in_flight: Gauge,
    open: [Gauge; ListenerKind::ALL.len()],
    accepted: [Counter; ListenerKind::ALL.len()],
    ended: [Counter; EndReason::ALL.len()],
}

#[derive(Debug)]
struct KindHandles {
    /// By [`StatusClass`].
    classes: [Counter; StatusClass::ALL.len()],
    sent_bytes: Counter,
    duration: Histogram,
}

impl HttpMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("http");

        let requests = Family::<RequestLabels, Counter>::default();
        let sent = Family::<KindLabels, Counter>::default();
        let duration = Family::<KindLabels, Histogram>::new_with_constructor(|| {
            // 100 microseconds to about 26 seconds.
            Histogram::new(exponential_buckets(0.0001, 4.0, 10))
        });
        let in_flight = Gauge::default();
        let open = Family::<ListenerLabels, Gauge>::default();
        let accepted = Family::<ListenerLabels, Counter>::default();
        let ended = Family::<EndLabels, Counter>::default();

        registry.register("requests", "Requests answered, by what was asked and class of status", requests.clone());
        registry.register("sent_bytes", "Bytes of bodies handed to connections", sent.clone());
        registry.register(
            "request_duration_seconds",
            "Time from the header of a request to the last byte of its answer",
            duration.clone(),
        );
        registry.register("requests_in_flight", "Requests whose answer is not complete", in_flight.clone());
        registry.register("connections_open", "Connections of clients", open.clone());
        registry.register("connections", "Connections accepted", accepted.clone());
        registry.register("connections_ended_early", "Connections that the server ended, by reason", ended.clone());

        let kinds: Vec<KindHandles> = RequestKind::all()
            .map(|kind| KindHandles {
                classes: StatusClass::ALL.map(|class| requests.get_or_create_owned(&RequestLabels { kind, class })),
                sent_bytes: sent.get_or_create_owned(&KindLabels { kind }),
                duration: duration.get_or_create_owned(&KindLabels { kind }),
            })
            .collect();
        Self {
            requests: Arc::new(kinds.try_into().expect("as many handles as kinds")),
            in_flight,
            open: ListenerKind::ALL.map(|listener| open.get_or_create_owned(&ListenerLabels { listener })),
            accepted: ListenerKind::ALL.map(|listener| accepted.get_or_create_owned(&ListenerLabels { listener })),
            ended: EndReason::ALL.map(|reason| ended.get_or_create_owned(&EndLabels { reason })),
        }
    }

    /// A request begins; it ends when the guard is dropped.
    pub fn request(&self, kind: RequestKind) -> RequestGuard {
        self.in_flight.inc();
        RequestGuard {
            requests: Arc::clone(&self.requests),
            in_flight: self.in_flight.clone(),
            kind,
            class: StatusClass::None,
            sent_bytes: 0,
            began: Instant::now(),
        }
    }

    /// A connection begins; it is open until the guard is dropped.
    pub fn connection(&self, listener: ListenerKind) -> ConnectionGuard {
        let open = self.open[listener as usize].clone();
        open.inc();
        self.accepted[listener as usize].inc();
        ConnectionGuard { open }
    }

    /// The server ended a connection, or refused it.
    pub fn ended(&self, reason: EndReason) {
        self.ended[reason as usize].inc();
    }
}

/// A request in flight: counted, timed and summed when dropped, also if its client goes away.
#[derive(Debug)]
pub struct RequestGuard {
    requests: Arc<[KindHandles; RequestKind::COUNT]>,
    in_flight: Gauge,
    kind: RequestKind,
    class: StatusClass,
    sent_bytes: u64,
    began: Instant,
}

impl RequestGuard {
    /// The status is known.
    pub fn answered(&mut self, class: StatusClass) {
        self.class = class;
    }

    /// So many more bytes of the body were handed to the connection.
    pub fn sent(&mut self, bytes: u64) {
        self.sent_bytes += bytes;
    }

    /// When the request began.
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// Bytes of the body handed over so far.
    pub const fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.in_flight.dec();
        let handles = &self.requests[self.kind.index()];
        handles.classes[self.class as usize].inc();
        handles.sent_bytes.inc_by(self.sent_bytes);
        handles.duration.observe(self.began.elapsed().as_secs_f64());
    }
}

/// A connection that is open.
#[derive(Debug)]
pub struct ConnectionGuard {
    open: Gauge,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.open.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_lie_where_they_are_looked_for() {
        for (at, kind) in RequestKind::all().enumerate() {
            assert_eq!(kind.index(), at, "{kind:?}");
        }
        assert!(StatusClass::ALL.iter().enumerate().all(|(at, class)| *class as usize == at));
        assert!(ListenerKind::ALL.iter().enumerate().all(|(at, kind)| *kind as usize == at));
        assert!(EndReason::ALL.iter().enumerate().all(|(at, reason)| *reason as usize == at));
    }

    #[test]
    fn classes_of_statuses() {
        for (status, class) in [(200, "2xx"), (206, "2xx"), (304, "3xx"), (404, "4xx"), (416, "4xx"), (503, "5xx")] {
            assert_eq!(StatusClass::of(status).as_str(), class);
        }
    }
}

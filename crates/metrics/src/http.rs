//! Connections: how many, how they are reached, and why the server ends or refuses some; and the requests on them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::label_value;
use crate::requests::{BytePath, RequestCollector, RequestGuard, RequestKind, RequestTally, StatusClass};

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
    /// As many connections as are allowed to one address are open.
    Crowded,
    /// TLS could not be agreed upon, or not in time.
    Handshake,
    /// The header of a request did not come in time.
    SlowHeader,
    /// No request came for a while.
    Idle,
    /// The client took no byte of an answer for a while, or too few.
    Stalled,
    /// A proxy did not say for whom it speaks.
    Proxy,
    /// What came was not HTTP.
    Protocol,
    /// The server stops, and the deadline is over.
    Stopped,
}

impl EndReason {
    const ALL: [Self; 9] = [
        Self::Full,
        Self::Crowded,
        Self::Handshake,
        Self::SlowHeader,
        Self::Idle,
        Self::Stalled,
        Self::Proxy,
        Self::Protocol,
        Self::Stopped,
    ];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Crowded => "crowded",
            Self::Handshake => "handshake",
            Self::SlowHeader => "slow_header",
            Self::Idle => "idle",
            Self::Stalled => "stalled",
            Self::Proxy => "proxy",
            Self::Protocol => "protocol",
            Self::Stopped => "stopped",
        }
    }
}
label_value!(EndReason);

/// Why a request was told to come again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShedReason {
    /// Its client asks too often.
    Rate,
    /// As many large objects as are allowed are on their way, in all or to its client.
    Downloads,
    /// Too many requests wait for the disk.
    Disk,
}

impl ShedReason {
    const ALL: [Self; 3] = [Self::Rate, Self::Downloads, Self::Disk];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Downloads => "downloads",
            Self::Disk => "disk",
        }
    }
}
label_value!(ShedReason);

/// What was agreed upon in a TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsVersion {
    /// 1.2
    Tls12,
    /// 1.3
    Tls13,
}

impl TlsVersion {
    const ALL: [Self; 2] = [Self::Tls12, Self::Tls13];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}
label_value!(TlsVersion);

/// What a reload cannot use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReloadKind {
    /// The configuration.
    Configuration,
    /// The files of certificates and keys that it names.
    Certificates,
}

impl ReloadKind {
    const ALL: [Self; 2] = [Self::Configuration, Self::Certificates];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Certificates => "certificates",
        }
    }
}
label_value!(ReloadKind);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    kind: ReloadKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabels {
    listener: ListenerKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    reason: EndReason,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShedLabels {
    reason: ShedReason,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandshakeLabels {
    version: TlsVersion,
    resumed: Resumed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Resumed {
    Full,
    Resumed,
}

impl Resumed {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "false",
            Self::Resumed => "true",
        }
    }
}
label_value!(Resumed);

/// Handles of everything about requests and connections. Every combination of labels is made at the start: counting is
/// then an addition, without a lookup.
#[derive(Debug)]
pub struct HttpMetrics {
    requests: Arc<RequestTally>,
    open: [Gauge; ListenerKind::ALL.len()],
    accepted: [Counter; ListenerKind::ALL.len()],
    ended: [Counter; EndReason::ALL.len()],
    shed: [Counter; ShedReason::ALL.len()],
    /// By [`TlsVersion`]: full, resumed.
    handshakes: [[Counter; 2]; TlsVersion::ALL.len()],
    /// Lines of the access log that were lost because it could not be written fast enough.
    pub log_lines_lost: Counter,
    /// Configurations and certificates that were taken over while the server ran.
    pub reloads: Counter,
    reloads_refused: [Counter; ReloadKind::ALL.len()],
}

impl HttpMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("http");
        let requests = RequestTally::new();
        registry.register_collector(Box::new(RequestCollector(Arc::clone(&requests))));

        let open = Family::<ListenerLabels, Gauge>::default();
        let accepted = Family::<ListenerLabels, Counter>::default();
        let ended = Family::<EndLabels, Counter>::default();
        let shed = Family::<ShedLabels, Counter>::default();
        let handshakes = Family::<HandshakeLabels, Counter>::default();
        registry.register("connections_open", "Connections of clients", open.clone());
        registry.register("connections", "Connections accepted", accepted.clone());
        registry.register("connections_ended_early", "Connections that the server ended, by reason", ended.clone());
        registry.register("requests_shed", "Requests told to come again later, by reason", shed.clone());
        registry.register("tls_handshakes", "TLS handshakes, by version and resumption", handshakes.clone());
        let refused = Family::<ReloadLabels, Counter>::default();
        let help = "Reloads refused while the server ran, by what cannot be used; what was there before stayed";
        registry.register("reloads_refused", help, refused.clone());

        let metrics = Self {
            requests,
            open: ListenerKind::ALL.map(|listener| open.get_or_create_owned(&ListenerLabels { listener })),
            accepted: ListenerKind::ALL.map(|listener| accepted.get_or_create_owned(&ListenerLabels { listener })),
            ended: EndReason::ALL.map(|reason| ended.get_or_create_owned(&EndLabels { reason })),
            shed: ShedReason::ALL.map(|reason| shed.get_or_create_owned(&ShedLabels { reason })),
            handshakes: TlsVersion::ALL.map(|version| {
                [Resumed::Full, Resumed::Resumed]
                    .map(|resumed| handshakes.get_or_create_owned(&HandshakeLabels { version, resumed }))
            }),
            log_lines_lost: Counter::default(),
            reloads: Counter::default(),
            reloads_refused: ReloadKind::ALL.map(|kind| refused.get_or_create_owned(&ReloadLabels { kind })),
        };
        let lost = "Lines of the access log lost because it could not be written fast enough";
        registry.register("access_log_lines_lost", lost, metrics.log_lines_lost.clone());
        let taken = "Configurations and certificates taken over while the server ran";
        registry.register("reloads", taken, metrics.reloads.clone());
        metrics
    }

    /// A request begins; it ends when the guard is dropped.
    pub fn request(&self, kind: RequestKind, began: Instant) -> RequestGuard {
        RequestGuard::new(Arc::clone(&self.requests), kind, began)
    }

    /// A request that began and ended at once, with a body from memory.
    pub fn request_at_once(&self, kind: RequestKind, class: StatusClass, sent_bytes: u64, took: Duration) {
        self.requests.count(kind, class, sent_bytes, took);
        self.requests.sent(BytePath::Memory, sent_bytes);
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

    /// A request was told to come again later.
    pub fn shed(&self, reason: ShedReason) {
        self.shed[reason as usize].inc();
    }

    /// A reload was refused; what was there before stayed.
    pub fn reload_refused(&self, kind: ReloadKind) {
        self.reloads_refused[kind as usize].inc();
    }

    /// A TLS handshake came to its end.
    pub fn handshake(&self, version: TlsVersion, is_resumed: bool) {
        self.handshakes[version as usize][usize::from(is_resumed)].inc();
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
        assert!(ListenerKind::ALL.iter().enumerate().all(|(at, kind)| *kind as usize == at));
        assert!(EndReason::ALL.iter().enumerate().all(|(at, reason)| *reason as usize == at));
        assert!(ShedReason::ALL.iter().enumerate().all(|(at, reason)| *reason as usize == at));
        assert!(ReloadKind::ALL.iter().enumerate().all(|(at, kind)| *kind as usize == at));
        assert!(TlsVersion::ALL.iter().enumerate().all(|(at, version)| *version as usize == at));
    }
}

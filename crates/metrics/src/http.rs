//! Connections: their number, their listeners, and why the server ends or refuses some; and the requests on them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::{IntCounter, IntGauge, Registry};

use crate::family::{counter, counters, gauge, gauges, register};
use crate::label::label_values;
use crate::requests::{BytePath, RequestCollector, RequestGuard, RequestKind, RequestTally, StatusClass};

label_values! {
    /// How clients reach a listener.
    pub enum ListenerKind {
        /// HTTP.
        Cleartext = "cleartext",
        /// HTTPS.
        Tls = "tls",
    }
}

label_values! {
    /// Why the server ended a connection that the client had not ended.
    pub enum EndReason {
        /// The maximum number of connections was open (`max-connections`).
        ConnectionLimit = "connection_limit",
        /// The maximum number of connections from the client's address was open (`max-connections-per-address`).
        PerAddressLimit = "per_address_limit",
        /// The TLS handshake failed, or did not finish in time (`handshake-seconds`).
        TlsHandshake = "tls_handshake",
        /// The header of a request did not arrive in time (`header-seconds`).
        HeaderTimeout = "header_timeout",
        /// No request arrived in time on a connection kept open (`idle-seconds`).
        IdleTimeout = "idle_timeout",
        /// The client read the response more slowly than allowed (`stall-seconds`, `min-rate`).
        StallTimeout = "stall_timeout",
        /// A proxy sent no valid PROXY protocol header.
        ProxyHeader = "proxy_header",
        /// The client did not speak HTTP.
        ProtocolError = "protocol_error",
        /// The server stopped, and the deadline for running requests passed (`drain-deadline-seconds`).
        DrainDeadline = "drain_deadline",
    }
}

label_values! {
    /// Why a request was rejected with `Retry-After`.
    pub enum ShedReason {
        /// The client's address sent more requests per second than allowed (`requests-per-second-per-address`).
        PerAddressRate = "per_address_rate",
        /// The maximum number of concurrent downloads ran, in all or to the client's address (`max-downloads`,
        /// `max-downloads-per-address`).
        DownloadLimit = "download_limit",
        /// The maximum number of requests waited for the disk (`max-disk-queue`).
        DiskQueue = "disk_queue",
    }
}

label_values! {
    /// The TLS version of a handshake.
    pub enum TlsVersion {
        /// TLS 1.2.
        Tls12 = "1.2",
        /// TLS 1.3.
        Tls13 = "1.3",
    }
}

label_values! {
    /// Whether a TLS handshake resumed a session.
    pub enum Resumption {
        /// A full handshake.
        Full = "false",
        /// A resumed session.
        Resumed = "true",
    }
}

label_values! {
    /// What a reload could not use.
    pub enum ReloadKind {
        /// The configuration.
        Configuration = "configuration",
        /// The files of certificates and keys that it names.
        Certificates = "certificates",
    }
}

/// Handles of the metrics of connections and requests. Every combination of label values exists from the start: counting
/// is an addition, without a lookup.
#[derive(Debug)]
pub struct HttpMetrics {
    requests: Arc<RequestTally>,
    open: [IntGauge; ListenerKind::ALL.len()],
    connection_limit: IntGauge,
    accepted: [IntCounter; ListenerKind::ALL.len()],
    ended: [IntCounter; EndReason::ALL.len()],
    shed: [IntCounter; ShedReason::ALL.len()],
    handshakes: [[IntCounter; Resumption::ALL.len()]; TlsVersion::ALL.len()],
    /// Lines of the access log that were lost because it could not be written fast enough.
    pub log_lines_lost: IntCounter,
    reloads: IntCounter,
    /// 1 until the first reload.
    last_reload_successful: IntGauge,
    reloads_refused: [IntCounter; ReloadKind::ALL.len()],
}

impl HttpMetrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        let requests = RequestTally::new();
        register(registry, RequestCollector::new(Arc::clone(&requests)));

        let open = gauges(registry, "clearwell_http_connections_open", "Open connections of clients", &["listener"]);
        let counters = |name, help, labels: &[&str]| counters(registry, name, help, labels);
        let accepted = counters("clearwell_http_connections_total", "Connections accepted", &["listener"]);
        let ended = counters(
            "clearwell_http_connections_ended_early_total",
            "Connections that the server ended, by reason",
            &["reason"],
        );
        let shed = counters(
            "clearwell_http_requests_shed_total",
            "Requests rejected with Retry-After, by reason",
            &["reason"],
        );
        let handshakes = counters(
            "clearwell_http_tls_handshakes_total",
            "TLS handshakes, by version and resumption",
            &["version", "resumed"],
        );
        let refused = counters(
            "clearwell_http_reloads_refused_total",
            "Reloads refused while the server ran, by what cannot be used; the previous settings stayed",
            &["kind"],
        );
        Self {
            requests,
            open: ListenerKind::ALL.map(|listener| open.with_label_values(&[listener.as_str()])),
            connection_limit: gauge(
                registry,
                "clearwell_http_connections_limit",
                "Connections that may be open at once (max-connections)",
            ),
            accepted: ListenerKind::ALL.map(|listener| accepted.with_label_values(&[listener.as_str()])),
            ended: EndReason::ALL.map(|reason| ended.with_label_values(&[reason.as_str()])),
            shed: ShedReason::ALL.map(|reason| shed.with_label_values(&[reason.as_str()])),
            handshakes: TlsVersion::ALL.map(|version| {
                Resumption::ALL.map(|resumed| handshakes.with_label_values(&[version.as_str(), resumed.as_str()]))
            }),
            log_lines_lost: counter(
                registry,
                "clearwell_http_access_log_lines_lost_total",
                "Lines of the access log lost because it could not be written fast enough",
            ),
            reloads: counter(
                registry,
                "clearwell_http_reloads_total",
                "Configurations and certificates replaced while the server ran",
            ),
            last_reload_successful: {
                let successful = gauge(
                    registry,
                    "clearwell_http_last_reload_successful",
                    "0 if the last reload was refused and the previous settings stayed, else 1",
                );
                successful.set(1);
                successful
            },
            reloads_refused: ReloadKind::ALL.map(|kind| refused.with_label_values(&[kind.as_str()])),
        }
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

    /// Shows how many connections may be open at once.
    pub fn show_connection_limit(&self, connections: usize) {
        self.connection_limit.set(i64::try_from(connections).unwrap_or(i64::MAX));
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

    /// A request was rejected with `Retry-After`.
    pub fn shed(&self, reason: ShedReason) {
        self.shed[reason as usize].inc();
    }

    /// Configuration and certificates were replaced while the server ran.
    pub fn reloaded(&self) {
        self.reloads.inc();
        self.last_reload_successful.set(1);
    }

    /// A reload was refused; the previous settings stayed.
    pub fn reload_refused(&self, kind: ReloadKind) {
        self.last_reload_successful.set(0);
        self.reloads_refused[kind as usize].inc();
    }

    /// A TLS handshake finished.
    pub fn handshake(&self, version: TlsVersion, is_resumed: bool) {
        self.handshakes[version as usize][usize::from(is_resumed)].inc();
    }
}

/// A connection that is open.
#[derive(Debug)]
pub struct ConnectionGuard {
    open: IntGauge,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.open.dec();
    }
}

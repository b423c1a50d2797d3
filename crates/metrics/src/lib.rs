//! Prometheus names, labels and exposition: the only crate that knows what a metric is called.
//!
//! The code that does the work keeps the handles of its subsystem and counts; metrics are never looked up by name.
//! docs/reference/metrics.md lists every name, label and label value: they are a contract with dashboards and alerts.
//!
//! | File | Subsystem | Names |
//! |---|---|---|
//! | [`http`], [`requests`] | connections, and the requests on them | `clearwell_http_…` |
//! | [`fleet`] | what endpoints read, and how they move between versions | `clearwell_fleet_…` |
//! | [`objects`] | what the server reads from the store | `clearwell_object_…` |
//! | [`store`] | what is released | `clearwell_released_…`, `clearwell_pointer_generation`, `clearwell_store_…` |
//! | [`certificate`] | expiry | `clearwell_certificate_…` |
//! | [`server`] | readiness, memory limit, and what the program was built from | `clearwell_ready`, `clearwell_memory_limit_bytes`, `clearwell_build_info` |
//! | `process` | the process | `process_…` |
//!
//! Label values are small sets known in advance: kinds, classes, reasons, formats. Never a path or a hash; versions only
//! in `fleet`, with an upper bound.

use prometheus::{Registry, TextEncoder};

pub mod certificate;
mod family;
pub mod fleet;
pub mod http;
mod label;
mod numbered;
pub mod objects;
mod per_core;
mod process;
pub mod requests;
pub mod server;
pub mod store;

pub use certificate::{CertificateMetrics, CertificateUse};
pub use fleet::{FleetMetrics, FleetRequest, PointerReads};
pub use http::{ConnectionGuard, EndReason, HttpMetrics, ListenerKind, ReloadKind, Resumption, ShedReason, TlsVersion};
pub use objects::{CacheResult, ObjectMetrics};
pub use requests::{BytePath, RequestGuard, RequestKind, StatusClass};
pub use server::ServerMetrics;
pub use store::{FormatState, StoreMetrics};

/// The content type of [`Metrics::expose`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics of a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Readiness and build.
    pub server: ServerMetrics,
    /// Requests and connections.
    pub http: HttpMetrics,
    /// What endpoints do.
    pub fleet: FleetMetrics,
    /// Reading of objects.
    pub objects: ObjectMetrics,
    /// What is released.
    pub store: StoreMetrics,
    /// Expiry of certificates.
    pub certificates: CertificateMetrics,
}

impl Metrics {
    /// Everything registered, everything at zero.
    pub fn new() -> Self {
        let registry = Registry::new();
        process::register_process(&registry);
        Self {
            server: ServerMetrics::register(&registry),
            http: HttpMetrics::register(&registry),
            fleet: FleetMetrics::register(&registry),
            objects: ObjectMetrics::register(&registry),
            store: StoreMetrics::register(&registry),
            certificates: CertificateMetrics::register(&registry),
            registry,
        }
    }

    /// The text that Prometheus reads, format 0.0.4, sorted by name.
    pub fn expose(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .expect("writing to a string does not fail, and gathered families are complete")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use clearwell_format::resource::ResourceKind;
    use clearwell_format::{FormatNumber, Version};
    use clearwell_sign::{Certificate, GenerateOptions, KeyBits, generate};

    use super::*;

    #[test]
    fn requests_are_counted_by_kind_and_class() {
        let metrics = Metrics::new();
        let mut guard = metrics.http.request(RequestKind::Resource(ResourceKind::ZeroPack), Instant::now());
        guard.answered(StatusClass::Success);
        guard.sent(BytePath::Copy, 100);
        guard.sent(BytePath::Memory, 23);
        assert!(metrics.expose().contains("clearwell_http_requests_in_flight 1\n"));
        drop(guard);
        metrics.http.request(RequestKind::Unknown, Instant::now()).answered(StatusClass::ClientError);
        let text = metrics.expose();
        for line in [
            "clearwell_http_requests_total{kind=\"zero_pack\",class=\"2xx\"} 1",
            "clearwell_http_requests_total{kind=\"unknown\",class=\"4xx\"} 1",
            "clearwell_http_sent_bytes_total{kind=\"zero_pack\"} 123",
            "clearwell_http_sent_bytes_by_path_total{path=\"copy\"} 100",
            "clearwell_http_request_duration_seconds_count{kind=\"zero_pack\"} 1",
            "clearwell_http_request_duration_seconds_bucket{kind=\"zero_pack\",le=\"+Inf\"} 1",
            "clearwell_http_requests_in_flight 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn a_request_without_an_answer_has_no_class() {
        let metrics = Metrics::new();
        drop(metrics.http.request(RequestKind::Root, Instant::now()));
        assert!(metrics.expose().contains("clearwell_http_requests_total{kind=\"root\",class=\"none\"} 1\n"));
    }

    #[test]
    fn connections_are_counted_while_they_are_open() {
        let metrics = Metrics::new();
        let first = metrics.http.connection(ListenerKind::Tls);
        let second = metrics.http.connection(ListenerKind::Tls);
        metrics.http.ended(EndReason::StallTimeout);
        drop(first);
        let text = metrics.expose();
        for line in [
            "clearwell_http_connections_open{listener=\"tls\"} 1",
            "clearwell_http_connections_open{listener=\"cleartext\"} 0",
            "clearwell_http_connections_total{listener=\"tls\"} 2",
            "clearwell_http_connections_ended_early_total{reason=\"stall_timeout\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        drop(second);
    }

    #[test]
    fn released_versions_are_shown_per_format_and_disappear_with_it() {
        let metrics = Metrics::new();
        let state = |format: u16, version: u32, published| FormatState {
            format: FormatNumber::new(format).unwrap(),
            version: Version::new(version).unwrap(),
            published,
        };
        metrics.store.show(7, &[state(29, 10, None), state(30, 20, Some(1_700_000_000))], 2, 4096);
        let text = metrics.expose();
        for line in [
            "clearwell_released_version{format=\"29\"} 10",
            "clearwell_released_version{format=\"30\"} 20",
            "clearwell_released_timestamp_seconds{format=\"30\"} 1700000000",
            "clearwell_pointer_generation{format=\"30\"} 7",
            "clearwell_store_releases 2",
            "clearwell_store_size_bytes 4096",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert!(!text.contains("clearwell_released_timestamp_seconds{format=\"29\"}"), "an unknown time is not shown");
        metrics.store.show(8, &[state(30, 30, None)], 3, 4096);
        let text = metrics.expose();
        assert!(!text.contains("format=\"29\"") && !text.contains("timestamp_seconds{"), "{text}");
        assert!(text.contains("clearwell_pointer_generation{format=\"30\"} 8\n"));
    }

    #[test]
    fn fleet_requests_are_counted_by_version_and_format() {
        let metrics = Metrics::new();
        let version = |number| Version::new(number).unwrap();
        let (from, to) = (version(10), version(20));
        for request in [
            FleetRequest::Delta { from, to },
            FleetRequest::Mom(from),
            FleetRequest::Mom(to),
            FleetRequest::Mom(to),
            FleetRequest::Installation(to),
        ] {
            metrics.fleet.count(request);
        }
        metrics.fleet.show(version(30));
        metrics.fleet.latest_reads(FormatNumber::new(30).unwrap()).inc();
        metrics.fleet.latest_version_reads().inc();
        let text = metrics.expose();
        for line in [
            "clearwell_fleet_deltas_total{from=\"10\",to=\"20\"} 1",
            "clearwell_fleet_deltas_total{from=\"other\",to=\"other\"} 0",
            "clearwell_fleet_moms_total{version=\"10\"} 1",
            "clearwell_fleet_moms_total{version=\"20\"} 2",
            "clearwell_fleet_moms_total{version=\"30\"} 0",
            "clearwell_fleet_moms_total{version=\"other\"} 0",
            "clearwell_fleet_installations_total{version=\"30\"} 0",
            "clearwell_fleet_installations_total{version=\"20\"} 1",
            "clearwell_fleet_latest_reads_total{format=\"30\"} 1",
            "clearwell_fleet_latest_version_reads_total 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn the_server_shows_its_readiness_and_its_build() {
        let metrics = Metrics::new();
        assert!(!metrics.expose().contains("clearwell_store_free_bytes "), "nothing is shown until it is known");
        metrics.server.show_ready(true);
        metrics.server.show_build("1.2.3", "0123abc");
        metrics.store.show_free(5 << 40);
        metrics.http.show_connection_limit(8192);
        metrics.server.show_memory_limit(1 << 30);
        let text = metrics.expose();
        for line in [
            "clearwell_ready 1",
            "clearwell_build_info{commit=\"0123abc\",version=\"1.2.3\"} 1",
            "clearwell_store_free_bytes 5497558138880",
            "clearwell_http_connections_limit 8192",
            "clearwell_memory_limit_bytes 1073741824",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        metrics.server.show_ready(false);
        assert!(metrics.expose().contains("\nclearwell_ready 0\n"));
    }

    #[test]
    fn the_outcome_of_the_last_reload_is_shown() {
        let metrics = Metrics::new();
        let shows =
            |value: u8| metrics.expose().contains(&format!("\nclearwell_http_last_reload_successful {value}\n"));
        assert!(shows(1), "nothing was refused yet");
        metrics.http.reload_refused(ReloadKind::Certificates);
        assert!(shows(0));
        metrics.http.reloaded();
        assert!(shows(1));
    }

    #[test]
    fn certificates_show_when_they_end() {
        let metrics = Metrics::new();
        assert!(!metrics.expose().contains("clearwell_certificate_not_after_seconds{"));
        let options = GenerateOptions { bits: KeyBits::Rsa2048, ..GenerateOptions::new("Test") };
        let made = generate(&options, 1_893_456_000).unwrap();
        metrics.certificates.show(CertificateUse::Signing, made.certificate_pem.as_bytes()).unwrap();
        let end = Certificate::from_pem(&made.certificate_pem).unwrap().not_after();
        let line = format!("clearwell_certificate_not_after_seconds{{certificate=\"signing\"}} {end}\n");
        assert!(metrics.expose().contains(&line));
        assert!(metrics.certificates.show(CertificateUse::Tls, b"junk").is_err());
        assert!(!metrics.expose().contains("certificate=\"tls\""));
    }
}

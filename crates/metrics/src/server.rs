//! The state of the server as a whole, and what it was built from.

use prometheus::{IntGauge, IntGaugeVec, Registry};

use crate::family::{gauge, gauges};

/// Handles of the server metrics.
#[derive(Debug)]
pub struct ServerMetrics {
    ready: IntGauge,
    /// Without labels, and without a sample if there is no limit.
    memory_limit: IntGaugeVec,
    build: IntGaugeVec,
}

impl ServerMetrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        Self {
            ready: gauge(
                registry,
                "clearwell_ready",
                "1 if clients should be sent to this server, as /readyz says, else 0",
            ),
            memory_limit: gauges(
                registry,
                "clearwell_memory_limit_bytes",
                "Memory that the process may use: that of the machine, or less if it is limited",
                &[],
            ),
            build: gauges(registry, "clearwell_build_info", "The program that runs; always 1", &["commit", "version"]),
        }
    }

    /// Shows whether the server is ready.
    pub fn show_ready(&self, is_ready: bool) {
        self.ready.set(is_ready.into());
    }

    /// Shows how much memory the process may use.
    pub fn show_memory_limit(&self, bytes: u64) {
        self.memory_limit.with_label_values::<&str>(&[]).set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Shows which program runs. Only the binary knows.
    pub fn show_build(&self, version: &str, commit: &str) {
        self.build.reset();
        self.build.with_label_values(&[commit, version]).set(1);
    }
}

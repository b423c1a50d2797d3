//! What is released, and how large the store is.

use clearwell_format::{FormatNumber, Version};
use prometheus::{IntGauge, IntGaugeVec, Registry};

use crate::family::{gauge, gauges};

/// What `latest` of a format says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatState {
    /// The format.
    pub format: FormatNumber,
    /// Its newest release.
    pub version: Version,
}

/// Handles of the store metrics.
#[derive(Debug)]
pub struct StoreMetrics {
    released: IntGaugeVec,
    generation: IntGaugeVec,
    releases: IntGauge,
    size: IntGauge,
    /// Versions whose index cannot be used.
    pub damaged_indexes: IntGauge,
}

impl StoreMetrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        let by_format = |name, help| gauges(registry, name, help, &["format"]);
        let gauge = |name, help| gauge(registry, name, help);
        Self {
            released: by_format("clearwell_released_version", "The version that latest names, by format"),
            generation: by_format(
                "clearwell_pointer_generation",
                "The generation of pointers that is served, by format",
            ),
            releases: gauge("clearwell_store_releases", "Releases in the store"),
            size: gauge("clearwell_store_size_bytes", "Bytes of all released artifacts"),
            damaged_indexes: gauge(
                "clearwell_store_damaged_indexes",
                "Versions that are not served because their index cannot be used",
            ),
        }
    }

    /// Shows what the server serves: the generation of the pointers, where they point, the number of releases, and
    /// their bytes. Formats that are not listed disappear.
    pub fn show(&self, generation: u64, formats: &[FormatState], releases: usize, bytes: u64) {
        self.released.reset();
        self.generation.reset();
        for state in formats {
            let format = state.format.to_string();
            self.released.with_label_values(&[&format]).set(i64::from(state.version.number()));
            self.generation.with_label_values(&[&format]).set(clamp(generation));
        }
        self.releases.set(clamp(releases as u64));
        self.size.set(clamp(bytes));
    }
}

fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

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
    /// When that was published, in seconds since the epoch, if it is known.
    pub published: Option<i64>,
}

/// Handles of the store metrics.
#[derive(Debug)]
pub struct StoreMetrics {
    released: IntGaugeVec,
    published: IntGaugeVec,
    generation: IntGaugeVec,
    releases: IntGauge,
    size: IntGauge,
    /// Without labels, and without a sample until it is known.
    free: IntGaugeVec,
    /// Versions whose index cannot be used.
    pub damaged_indexes: IntGauge,
}

impl StoreMetrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        let by_format = |name, help| gauges(registry, name, help, &["format"]);
        let gauge = |name, help| gauge(registry, name, help);
        Self {
            released: by_format("clearwell_released_version", "The version that latest names, by format"),
            published: by_format(
                "clearwell_released_timestamp_seconds",
                "Unix time at which the version that latest names was published, by format",
            ),
            generation: by_format(
                "clearwell_pointer_generation",
                "The generation of pointers that is served, by format",
            ),
            releases: gauge("clearwell_store_releases", "Releases in the store"),
            size: gauge("clearwell_store_size_bytes", "Bytes of all released artifacts"),
            free: gauges(
                registry,
                "clearwell_store_free_bytes",
                "Bytes that can still be written to the file system of the store",
                &[],
            ),
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
        self.published.reset();
        self.generation.reset();
        for state in formats {
            let format = state.format.to_string();
            self.released.with_label_values(&[&format]).set(i64::from(state.version.number()));
            if let Some(published) = state.published {
                self.published.with_label_values(&[&format]).set(published);
            }
            self.generation.with_label_values(&[&format]).set(clamp(generation));
        }
        self.releases.set(clamp(releases as u64));
        self.size.set(clamp(bytes));
    }

    /// Shows how many bytes can still be written to the file system of the store.
    pub fn show_free(&self, bytes: u64) {
        self.free.with_label_values::<&str>(&[]).set(clamp(bytes));
    }
}

fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

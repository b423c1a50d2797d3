//! What is released, and how large the store is.

use clearwell_format::{FormatNumber, Version};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FormatLabels {
    format: String,
}

/// What `latest` of a format says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatState {
    /// The format.
    pub format: FormatNumber,
    /// Its newest release.
    pub version: Version,
}

/// Handles of everything about the store.
#[derive(Debug)]
pub struct StoreMetrics {
    released: Family<FormatLabels, Gauge>,
    generation: Family<FormatLabels, Gauge>,
    releases: Gauge,
    size: Gauge,
    /// Versions whose index cannot be used.
    pub damaged_indexes: Gauge,
}

impl StoreMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            released: Family::default(),
            generation: Family::default(),
            releases: Gauge::default(),
            size: Gauge::default(),
            damaged_indexes: Gauge::default(),
        };
        registry.register("released_version", "The version that latest names, by format", metrics.released.clone());
        registry.register(
            "pointer_generation",
            "The generation of pointers that is served, by format",
            metrics.generation.clone(),
        );
        registry.register("store_releases", "Releases in the store", metrics.releases.clone());
        registry.register("store_size_bytes", "Bytes of all released artifacts", metrics.size.clone());
        registry.register(
            "store_damaged_indexes",
            "Versions that are not served because their index cannot be used",
            metrics.damaged_indexes.clone(),
        );
        metrics
    }

    /// Shows what the server serves now: the generation of the pointers, where they point, how many releases there
    /// are, and their bytes.
    pub fn show(&self, generation: u64, formats: &[FormatState], releases: usize, bytes: u64) {
        self.released.clear();
        self.generation.clear();
        for state in formats {
            let labels = FormatLabels { format: state.format.to_string() };
            self.released.get_or_create(&labels).set(i64::from(state.version.number()));
            self.generation.get_or_create(&labels).set(clamp(generation));
        }
        self.releases.set(clamp(releases as u64));
        self.size.set(clamp(bytes));
    }
}

fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

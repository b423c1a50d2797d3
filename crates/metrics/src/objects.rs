//! What the server reads from the store to serve it.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntGauge, Registry};

use crate::family::{Family, counter, gauge, register};
use crate::label::label_values;
use crate::per_core::CoreCounter;

label_values! {
    /// Where an object was found.
    pub enum CacheResult {
        /// In memory, or as an open file.
        Hit = "hit",
        /// On disk.
        Miss = "miss",
    }
}

/// Handles of the object metrics.
#[derive(Debug)]
pub struct ObjectMetrics {
    lookups: Lookups,
    /// Bytes of objects kept in memory.
    pub cached_bytes: IntGauge,
    /// Requests that read from the store, or wait to.
    pub reads_queued: IntGauge,
    /// Objects that did not match the index when they were read.
    pub damaged: IntCounter,
    /// Large objects that were written to after they had been compared with the index.
    pub changed: IntCounter,
    /// Bytes read to compare objects with the index.
    pub hashed_bytes: IntCounter,
}

/// By [`CacheResult`].
type Lookups = [CoreCounter; CacheResult::ALL.len()];

impl ObjectMetrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        let lookups = Lookups::default();
        let help = "Objects looked for in the cache, by result";
        let family = Family::counter("clearwell_object_lookups_total", help, &["result"]);
        register(registry, LookupCollector { family, lookups: lookups.clone() });
        let counter = |name, help| counter(registry, name, help);
        Self {
            lookups,
            cached_bytes: gauge(registry, "clearwell_object_cached_bytes", "Bytes of objects kept in memory"),
            reads_queued: gauge(
                registry,
                "clearwell_object_reads_queued",
                "Requests that read from the store, or wait to",
            ),
            damaged: counter("clearwell_object_damaged_total", "Objects refused because they do not match the index"),
            changed: counter(
                "clearwell_object_changed_total",
                "Large objects written to after they were compared with the index",
            ),
            hashed_bytes: counter(
                "clearwell_object_hashed_bytes_total",
                "Bytes read to compare objects with the index",
            ),
        }
    }

    /// An object was looked for.
    pub fn lookup(&self, result: CacheResult) {
        self.lookups[result as usize].inc();
    }
}

struct LookupCollector {
    family: Family,
    lookups: Lookups,
}

impl Collector for LookupCollector {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.family.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let sample =
            |result: CacheResult| self.family.sample(&[result.as_str()], self.lookups[result as usize].get() as f64);
        vec![self.family.with(CacheResult::ALL.map(sample).into())]
    }
}

//! What the server reads from the store to serve it.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::label_value;
use crate::per_core::CoreCounter;

/// Where an object was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheResult {
    /// In memory, or as an open file.
    Hit,
    /// On disk.
    Miss,
}

impl CacheResult {
    const ALL: [Self; 2] = [Self::Hit, Self::Miss];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
        }
    }
}
label_value!(CacheResult);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabels {
    result: CacheResult,
}

/// Handles of everything about objects.
#[derive(Debug)]
pub struct ObjectMetrics {
    lookups: [CoreCounter; CacheResult::ALL.len()],
    /// Bytes of objects held in memory.
    pub cached_bytes: Gauge,
    /// Objects that did not match the index when they were read.
    pub damaged: Counter,
    /// Large objects that were written to after they had been compared with the index.
    pub changed: Counter,
    /// Bytes read to compare objects with the index.
    pub hashed_bytes: Counter,
}

impl ObjectMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("object");
        let lookups = Family::<CacheLabels, CoreCounter>::default();
        let (cached_bytes, damaged, changed) = (Gauge::default(), Counter::default(), Counter::default());
        let hashed_bytes = Counter::default();
        registry.register("lookups", "Objects looked for in the cache, by result", lookups.clone());
        registry.register("cached_bytes", "Bytes of objects held in memory", cached_bytes.clone());
        registry.register("damaged", "Objects refused because they do not match the index", damaged.clone());
        registry.register(
            "changed",
            "Large objects written to after they were compared with the index",
            changed.clone(),
        );
        registry.register("hashed_bytes", "Bytes read to compare objects with the index", hashed_bytes.clone());
        let lookups = CacheResult::ALL.map(|result| lookups.get_or_create_owned(&CacheLabels { result }));
        Self { lookups, cached_bytes, damaged, changed, hashed_bytes }
    }

    /// An object was looked for.
    pub fn lookup(&self, result: CacheResult) {
        self.lookups[result as usize].inc();
    }
}

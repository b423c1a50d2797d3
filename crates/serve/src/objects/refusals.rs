//! Objects that could not be read, and are refused for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clearwell_format::Resource;
use clearwell_format::printable::chain;
use clearwell_metrics::Metrics;
use quick_cache::sync::Cache;

use crate::catalog::Unserved;
use crate::origin::OriginError;

/// How long an object is refused before it is read again: short, so that a repair shows soon.
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// Refusals remembered; objects beyond that are read again for each request.
const REFUSED_OBJECTS: usize = 4096;

/// Refused objects, and since when.
#[derive(Debug)]
pub(super) struct Refusals {
    since: Cache<Resource, Instant>,
    metrics: Arc<Metrics>,
}

impl Refusals {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { since: Cache::new(REFUSED_OBJECTS), metrics }
    }

    pub(super) fn contains(&self, resource: &Resource) -> bool {
        self.since.get(resource).is_some_and(|since| since.elapsed() < REFUSED_FOR)
    }

    /// Refuses an object for a while, unless the origin says that it is not there.
    pub(super) fn refuse(&self, resource: &Resource, error: &OriginError) -> Unserved {
        match error {
            OriginError::Absent => return Unserved::Absent,
            OriginError::NotYet => return Unserved::Unavailable,
            OriginError::Damaged(_) => {
                self.metrics.objects.damaged.inc();
            }
            OriginError::Unreachable(_) => {}
        }
        self.since.insert(resource.clone(), Instant::now());
        tracing::error!(%resource, error = chain(error), "refused");
        Unserved::Unavailable
    }
}

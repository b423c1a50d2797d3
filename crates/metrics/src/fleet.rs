//! What the fleet does, as far as a server sees it: which versions endpoints read, from which version to which they
//! update, and how often they look for a new version.
//!
//! Versions are label values here and in no other subsystem: with an upper bound, see `numbered.rs`. A client can ask
//! for any version, but only what is released counts.
//!
//! These are counts of requests, not of machines: a stock client names itself nowhere. What a run of it requests is in
//! client behaviour §3; caches in front of the server hide requests, and a client that retries is counted again.

use std::sync::Arc;

use clearwell_format::{FormatNumber, Version};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntCounterVec, Registry};

use crate::family::{Family, counter, counters, register};
use crate::numbered::NumberedCounts;

/// The label value of all versions beyond the bound.
const OTHER: &str = "other";

/// A request that tells what an endpoint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FleetRequest {
    /// A delta pack or a manifest delta.
    Delta {
        /// The version that the endpoint has.
        from: Version,
        /// The version that it gets.
        to: Version,
    },
    /// The MoM that clients read. An update reads that of its target once, and that of the installed version if it is not
    /// cached.
    Mom(Version),
    /// The zero pack of os-core, which only a new installation fetches.
    Installation(Version),
}

/// Handles of the fleet metrics.
#[derive(Debug)]
pub struct FleetMetrics {
    versions: Arc<Versions>,
    latest_reads: IntCounterVec,
    latest_version_reads: IntCounter,
}

/// Counts by version or pair of versions.
#[derive(Debug, Default)]
struct Versions {
    deltas: NumberedCounts,
    moms: NumberedCounts,
    installations: NumberedCounts,
}

/// Counts the reads of one pointer.
#[derive(Clone, Debug)]
pub struct PointerReads(IntCounter);

impl PointerReads {
    /// The pointer was read.
    pub fn inc(&self) {
        self.0.inc();
    }
}

impl FleetMetrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        let versions = Arc::<Versions>::default();
        let by_version = |name, help| Family::counter(name, help, &["version"]);
        let collector = VersionCollector {
            deltas: Family::counter(
                "clearwell_fleet_deltas_total",
                "Deltas sent to endpoints, by the versions they lead from and to",
                &["from", "to"],
            ),
            moms: by_version("clearwell_fleet_moms_total", "MoMs sent to endpoints, by version"),
            installations: by_version(
                "clearwell_fleet_installations_total",
                "Zero packs of os-core sent, one for each new installation, by version",
            ),
            versions: Arc::clone(&versions),
        };
        register(registry, collector);
        Self {
            versions,
            latest_reads: counters(
                registry,
                "clearwell_fleet_latest_reads_total",
                "Reads of latest, by format: one for each run of swupd update, and another if it changed something",
                &["format"],
            ),
            latest_version_reads: counter(
                registry,
                "clearwell_fleet_latest_version_reads_total",
                "Reads of latest_version, one for each run of swupd check-update",
            ),
        }
    }

    /// Shows a version that is published, with counts of zero: Prometheus sees an increase only of what it saw before.
    pub fn show(&self, version: Version) {
        self.versions.moms.show(version.number().into());
        self.versions.installations.show(version.number().into());
    }

    /// Counts a request that was admitted.
    pub fn count(&self, request: FleetRequest) {
        match request {
            FleetRequest::Delta { from, to } => self.versions.deltas.inc(packed(from, to)),
            FleetRequest::Mom(version) => self.versions.moms.inc(version.number().into()),
            FleetRequest::Installation(version) => self.versions.installations.inc(version.number().into()),
        }
    }

    /// The counter of `latest` of a format. Formats that are published have one; it takes a lock to find it.
    pub fn latest_reads(&self, format: FormatNumber) -> PointerReads {
        PointerReads(self.latest_reads.with_label_values(&[&format.to_string()]))
    }

    /// The counter of `latest_version`.
    pub fn latest_version_reads(&self) -> PointerReads {
        PointerReads(self.latest_version_reads.clone())
    }
}

/// Two versions as one number, which is never zero.
fn packed(from: Version, to: Version) -> u64 {
    u64::from(from.number()) << 32 | u64::from(to.number())
}

struct VersionCollector {
    deltas: Family,
    moms: Family,
    installations: Family,
    versions: Arc<Versions>,
}

impl Collector for VersionCollector {
    fn desc(&self) -> Vec<&Desc> {
        [&self.deltas, &self.moms, &self.installations].map(|family| &family.desc).into()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Versions { deltas, moms, installations } = &*self.versions;
        let pairs = deltas.counts().into_iter().map(|(pair, count)| {
            let (from, to) = ((pair >> 32) as u32, pair as u32);
            self.deltas.sample(&[&from.to_string(), &to.to_string()], count as f64)
        });
        let other = self.deltas.sample(&[OTHER, OTHER], deltas.others() as f64);
        let deltas = self.deltas.with(pairs.chain([other]).collect());
        let by_version = |family: &Family, counts: &NumberedCounts| {
            let versions = counts.counts().into_iter();
            let versions = versions.map(|(version, count)| family.sample(&[&version.to_string()], count as f64));
            family.with(versions.chain([family.sample(&[OTHER], counts.others() as f64)]).collect())
        };
        vec![deltas, by_version(&self.moms, moms), by_version(&self.installations, installations)]
    }
}

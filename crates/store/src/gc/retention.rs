//! Which releases are kept, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use clearwell_format::{FormatNumber, Version};
use schemars::JsonSchema;
use serde::Serialize;

use crate::layout::generation_number;
use crate::listing::list;
use crate::pointers;
use crate::{ReleaseRecord, Store, StoreError};

/// The rules of a collection. A release is kept if one of them applies.
#[derive(Clone, Debug)]
pub struct Retention {
    /// The number of newest releases of each format.
    pub last: usize,
    /// All releases of these formats.
    pub formats: BTreeSet<FormatNumber>,
    /// These releases, in any case.
    pub pinned: BTreeSet<Version>,
    /// Releases whose manifests are at most this old.
    pub within: Option<Duration>,
    /// Releases that a pointer has named within this time: an endpoint that has read it may be in the middle of its
    /// update.
    pub grace: Duration,
    /// Of releases that go, keep the manifests that an endpoint on them needs to begin an update.
    pub leave_manifests: bool,
    /// The current time.
    pub now: SystemTime,
}

impl Retention {
    /// The last `last` releases, and a day of grace.
    pub fn new(last: usize, now: SystemTime) -> Self {
        Self {
            last,
            formats: BTreeSet::new(),
            pinned: BTreeSet::new(),
            within: None,
            grace: Duration::from_secs(24 * 3600),
            leave_manifests: true,
            now,
        }
    }
}

/// Why a release is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A pointer names it.
    Pointer,
    /// A pointer named it within the grace time (`--grace`).
    Grace,
    /// It is the first or last release of its format: endpoints cross from one format into the next through it.
    Boundary,
    /// It is newer than the releases that the pointers name, and was not retracted.
    Staged,
    /// It is one of the newest releases of its format (`--keep`).
    Last,
    /// All releases of its format are kept (`--keep-format`).
    Format,
    /// It is pinned (`--pin`).
    Pinned,
    /// Its timestamp is recent (`--keep-days`).
    Recent,
}

/// Every release with the reasons to keep it; none for one that goes.
///
/// # Errors
/// [`StoreError::UnknownVersion`] for a pin on a version that is not a release, [`StoreError::PointersDamaged`],
/// [`StoreError::RecordDamaged`], or a [disk error](StoreError#disk-errors) while these are read.
pub(super) fn reasons(store: &Store, retention: &Retention) -> Result<BTreeMap<Version, BTreeSet<Reason>>, StoreError> {
    let releases = Releases::read(store)?;
    let mut reasons: BTreeMap<Version, BTreeSet<Reason>> =
        releases.records.keys().map(|version| (*version, BTreeSet::new())).collect();
    let mut keep = |version: Version, reason| {
        if let Some(reasons) = reasons.get_mut(&version) {
            reasons.insert(reason);
        }
    };
    let current = store.pointers()?;
    let texts =
        current.files.keys().filter(|pointer| !matches!(pointer, clearwell_format::resource::Pointer::First(_)));
    texts.filter_map(|pointer| current.version(*pointer)).for_each(|version| keep(version, Reason::Pointer));
    for (format, versions) in &releases.formats {
        let latest = current.latest(*format);
        let released = versions.iter().rev().filter(|version| !releases.is_retracted(**version));
        for version in released.clone().take_while(|version| latest.is_none_or(|latest| **version > latest)) {
            keep(*version, Reason::Staged);
        }
        released.take(retention.last).for_each(|version| keep(*version, Reason::Last));
        if retention.formats.contains(format) {
            versions.iter().for_each(|version| keep(*version, Reason::Format));
        }
    }
    // An endpoint leaves a format by its last release, and stands then on the first of the next (manifest §5.12).
    for pair in releases.formats.values().collect::<Vec<_>>().windows(2) {
        pair[0].last().into_iter().chain(pair[1].first()).for_each(|version| keep(*version, Reason::Boundary));
    }
    for version in &retention.pinned {
        if !releases.records.contains_key(version) {
            return Err(StoreError::UnknownVersion { version: *version });
        }
        keep(*version, Reason::Pinned);
    }
    let superseded = releases.superseded(store)?;
    for (version, record) in &releases.records {
        let made = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(record.timestamp).unwrap_or(0));
        if retention.within.is_some_and(|within| is_within(made, within, retention.now)) {
            keep(*version, Reason::Recent);
        }
        let since = superseded.get(version);
        if since.is_some_and(|since| is_within(*since, retention.grace, retention.now)) {
            keep(*version, Reason::Grace);
        }
    }
    Ok(reasons)
}

/// A time in the future counts as now: a clock that was wrong must not cost a release.
fn is_within(time: SystemTime, span: Duration, now: SystemTime) -> bool {
    now.duration_since(time).is_ok_and(|age| age < span) || (time > now && !span.is_zero())
}

/// What the records tell.
struct Releases {
    records: BTreeMap<Version, ReleaseRecord>,
    formats: BTreeMap<FormatNumber, Vec<Version>>,
}

impl Releases {
    fn read(store: &Store) -> Result<Self, StoreError> {
        let mut releases = Self { records: BTreeMap::new(), formats: BTreeMap::new() };
        for version in store.releases()? {
            let record = store.record(version)?;
            releases.formats.entry(record.format).or_default().push(version);
            releases.records.insert(version, record);
        }
        Ok(releases)
    }

    fn is_retracted(&self, version: Version) -> bool {
        self.records.get(&version).is_some_and(|record| record.retracted.is_some())
    }

    /// When a release ceased to be what pointers name, as far as can be told; never earlier than it did.
    fn superseded(&self, store: &Store) -> Result<BTreeMap<Version, SystemTime>, StoreError> {
        let mut superseded = BTreeMap::new();
        let mut note = |version: Version, time: SystemTime| {
            let latest = superseded.entry(version).or_insert(time);
            *latest = time.max(*latest);
        };
        // At the earliest when the next release was there.
        for versions in self.formats.values() {
            for pair in versions.windows(2) {
                modified(&store.layout().record(pair[1])).into_iter().for_each(|time| note(pair[0], time));
            }
        }
        let generations = store.layout().generations();
        let mut numbers: Vec<u64> =
            list(&generations)?.iter().filter_map(|found| generation_number(&found.name)).collect();
        numbers.sort_unstable();
        for pair in numbers.windows(2) {
            let Some(time) = modified(&store.layout().generation(pair[1])) else { continue };
            let named = pointers::read_generation(&store.layout().generation(pair[0]))?;
            for bytes in named.values() {
                clearwell_format::pointer::parse(bytes).into_iter().for_each(|version| note(version, time));
            }
        }
        for (version, record) in &self.records {
            if let Some(retracted) = record.retracted.and_then(|time| u64::try_from(time).ok()) {
                note(*version, SystemTime::UNIX_EPOCH + Duration::from_secs(retracted));
            }
        }
        Ok(superseded)
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|found| found.modified()).ok()
}

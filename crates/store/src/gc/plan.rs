//! What a collection would do: a value.

use std::collections::{BTreeMap, BTreeSet};

use clearwell_format::resource::Pointer;
use clearwell_format::{FormatNumber, Version, pointer};
use schemars::JsonSchema;
use serde::Serialize;

use super::needs::Needs;
use super::retention::{Reason, Retention, reasons};
use crate::progress::{Meter, Phase, Progress};
use crate::record::Counts;
use crate::{PointerSet, ReleaseState, Store, StoreError};

/// What a collection does.
#[derive(Debug)]
pub struct GcPlan {
    /// Releases that stay, and why.
    pub kept: BTreeMap<Version, BTreeSet<Reason>>,
    /// Versions that lose something, ascending.
    pub changes: Vec<Change>,
    /// Pointers that move because what they name goes: `first` of a format.
    pub pointers: PointerSet,
    pub(super) needs: Needs,
}

/// What a collection does to a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The version.
    pub version: Version,
    /// What it is afterwards.
    pub outcome: Outcome,
    /// What it loses.
    pub removed: Counts,
    /// What it has afterwards.
    pub left: Counts,
}

/// What is left of a version after a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing is left of it.
    Removed,
    /// The release is removed; files and manifests of it that are still needed are left.
    Remnant,
    /// The release is kept, without delta packs from removed releases.
    Trimmed,
}

impl GcPlan {
    /// Number and bytes of what goes.
    pub fn removed(&self) -> Counts {
        self.changes.iter().fold(Counts::default(), |sum, change| Counts {
            number: sum.number + change.removed.number,
            bytes: sum.bytes + change.removed.bytes,
        })
    }
}

/// Plans a collection. Nothing is changed, and only indexes, records, MoMs and manifests are read.
///
/// # Errors
/// [`StoreError::UnknownVersion`] for a pin on a version that is not a release, and all errors of reading indexes,
/// records, MoMs and manifests: without them it is not known what is needed, and nothing is collected.
pub fn plan(store: &Store, retention: &Retention, progress: &dyn Progress) -> Result<GcPlan, StoreError> {
    let meter = Meter::begin(progress, Phase::Plan, 0, 0);
    let reasons = reasons(store, retention)?;
    let (kept, going): (BTreeMap<_, _>, BTreeMap<_, _>) =
        reasons.into_iter().partition(|(_, reasons)| !reasons.is_empty());
    let remnants = store.remnants()?;
    let mut left = BTreeSet::new();
    if retention.leave_manifests {
        left.extend(going.keys());
        // A remnant may have lost its manifests in an earlier collection.
        for version in &remnants {
            match store.mom(*version) {
                Ok(_) => drop(left.insert(*version)),
                Err(StoreError::NoSuchResource(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    let needs = Needs::of(store, kept.keys().copied().collect(), left, &meter)?;
    let mut changes = Vec::new();
    for version in store.contents()? {
        let index = store.index(version)?;
        let (mut removed, mut left) = (Counts::default(), Counts::default());
        for entry in index.iter() {
            let (artifact, meta) = entry?;
            let counts = if needs.has(version, &artifact) { &mut left } else { &mut removed };
            counts.number += 1;
            counts.bytes += meta.size;
        }
        let outcome = match (needs.kept.contains(&version), left.number) {
            (true, _) => Outcome::Trimmed,
            (false, 0) => Outcome::Removed,
            (false, _) => Outcome::Remnant,
        };
        // A release that goes is a change, also where later ones need all it has.
        if removed.number > 0 || going.contains_key(&version) || outcome == Outcome::Removed {
            changes.push(Change { version, outcome, removed, left });
        }
    }
    let pointers = firsts(store, &kept)?;
    meter.finish();
    Ok(GcPlan { kept, changes, pointers, needs })
}

/// `first` of each format whose first release goes. No endpoint reads it, generators of downstream mixes do.
fn firsts(store: &Store, kept: &BTreeMap<Version, BTreeSet<Reason>>) -> Result<PointerSet, StoreError> {
    let current = store.pointers()?;
    let states = store.states()?;
    let mut first_of: BTreeMap<FormatNumber, Version> = BTreeMap::new();
    for version in kept.keys().filter(|version| states.get(version) != Some(&ReleaseState::Staged)) {
        first_of.entry(store.record(*version)?.format).or_insert(*version);
    }
    let mut set = PointerSet::new();
    for (format, version) in first_of {
        let first = Pointer::First(format);
        if current.version(first).is_some_and(|named| !kept.contains_key(&named)) {
            set.insert(first, pointer::to_bytes(version));
        }
    }
    Ok(set)
}

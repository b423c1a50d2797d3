//! Whether endpoints have a release, or may have it.
//!
//! | the pointers | the record has | state |
//! |---|---|---|
//! | name it | | published |
//! | | `retracted` | retracted |
//! | | `published` | published |
//! | | neither | staged |
//!
//! Always true from layout 1.2 on: pointers leave a release only after its record says that it was published. The mark
//! is written after the pointers moved; a writer that was interrupted in between leaves it to the next one.
//!
//! Records of older layouts, of other generators, and those that a repair made again do not say it. Their releases
//! count as published if pointers can have named them, see [`derived`]: an endpoint may have them, so they are never
//! discarded.

use std::collections::{BTreeMap, BTreeSet};

use clearwell_format::Version;
use clearwell_format::resource::Pointer;

use crate::layout::generation_number;
use crate::listing::list;
use crate::pointers::{self, PointerGeneration};
use crate::record::ReleaseRecord;
use crate::{LayoutVersion, Store, StoreError, Writer};

/// Whether endpoints have a release, or may have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReleaseState {
    /// Pointers never named it, at most that of the staging channel. Unless endpoints follow that, no endpoint has it,
    /// and it may be published, built again or discarded.
    Staged,
    /// Pointers name it, or named it: endpoints may have it.
    Published,
    /// It was published, then retracted: endpoints may have it, and no pointer names it.
    Retracted,
}

impl ReleaseState {
    /// As a word, for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Published => "published",
            Self::Retracted => "retracted",
        }
    }
}

impl Store {
    /// Whether endpoints have a release, or may have it.
    ///
    /// # Errors
    /// [`StoreError::UnknownVersion`], [`StoreError::RecordDamaged`], or a [disk error](StoreError#disk-errors) while
    /// records and pointers are read.
    pub fn state(&self, version: Version) -> Result<ReleaseState, StoreError> {
        let record = self.record(version)?;
        let derived = self.derived_if_old()?;
        Ok(state(&record, &named(&pointers::load_to_replace(self.layout())?), &derived))
    }

    /// The state of each release.
    ///
    /// # Errors
    /// As [`Store::state`].
    pub fn states(&self) -> Result<BTreeMap<Version, ReleaseState>, StoreError> {
        let named = named(&pointers::load_to_replace(self.layout())?);
        let derived = self.derived_if_old()?;
        let mut states = BTreeMap::new();
        for version in self.releases()? {
            match self.record(version) {
                Ok(record) => drop(states.insert(version, state(&record, &named, &derived))),
                // Collected or discarded since the listing.
                Err(StoreError::UnknownVersion { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(states)
    }

    /// The newest release that an endpoint may have: published, retracted, or once in the staging channel.
    ///
    /// A record that cannot be read counts as one of a release that endpoints may have.
    ///
    /// # Errors
    /// A [disk error](StoreError#disk-errors) while records and pointers are read.
    pub fn newest_seen(&self) -> Result<Option<Version>, StoreError> {
        let generation = pointers::load_to_replace(self.layout())?;
        let named = named(&generation);
        let derived = self.derived_if_old()?;
        for version in self.releases()?.into_iter().rev() {
            let is_seen = match self.record(version) {
                Ok(record) => record.channel.is_some() || state(&record, &named, &derived) != ReleaseState::Staged,
                Err(StoreError::UnknownVersion { .. }) => false,
                Err(StoreError::RecordDamaged { .. }) => true,
                Err(error) => return Err(error),
            };
            if is_seen || generation.version(Pointer::Staging) == Some(version) {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }

    /// Empty for a store whose records say whether a release was published.
    fn derived_if_old(&self) -> Result<BTreeSet<Version>, StoreError> {
        if self.layout_version()? >= LayoutVersion::STATES { Ok(BTreeSet::new()) } else { derived(self) }
    }
}

impl Writer {
    /// Brings a store of an older layout to the current one: its records have checksums from now on, and say which
    /// releases were published.
    pub(crate) fn upgrade(&self) -> Result<(), StoreError> {
        if self.store().layout_version()? >= LayoutVersion::CURRENT {
            return Ok(());
        }
        upgrade(self.store(), LayoutVersion::CURRENT)
    }

    /// Says in the records of the releases that `generation` names that they are published.
    pub(crate) fn mark_published(&self, generation: &PointerGeneration) -> Result<(), StoreError> {
        let of_channel = generation.version(Pointer::Staging);
        let published = named(generation);
        for version in published.iter().copied().chain(of_channel).collect::<BTreeSet<_>>() {
            let record = match self.store().record(version) {
                Err(StoreError::RecordDamaged { .. } | StoreError::UnknownVersion { .. }) => continue,
                other => other?,
            };
            let switched = self.store().switched(generation.number)?;
            let mut marked = ReleaseRecord { retracted: None, ..record.clone() };
            if published.contains(&version) {
                marked.published = record.published.or(Some(switched));
            }
            if of_channel == Some(version) {
                marked.channel = record.channel.or(Some(switched));
            }
            if marked != record {
                self.amend(&marked)?;
            }
        }
        Ok(())
    }
}

/// Brings the records of a store to a newer layout, then its stamp.
pub(crate) fn upgrade(store: &Store, to: LayoutVersion) -> Result<(), StoreError> {
    let published = derived(store)?;
    for version in store.releases()? {
        // One that cannot be read is made again by a repair, which derives it once more.
        let Ok(record) = store.record(version) else { continue };
        let since = published.contains(&version).then_some(record.timestamp);
        store.write_record(&ReleaseRecord { published: record.published.or(since), ..record })?;
    }
    store.layout().write_stamp(to, store.disk())
}

fn state(record: &ReleaseRecord, named: &BTreeSet<Version>, derived: &BTreeSet<Version>) -> ReleaseState {
    let was_published = record.published.is_some() || derived.contains(&record.version);
    match (named.contains(&record.version), record.retracted) {
        (true, _) => ReleaseState::Published,
        (false, Some(_)) => ReleaseState::Retracted,
        (false, None) if was_published => ReleaseState::Published,
        (false, None) => ReleaseState::Staged,
    }
}

/// The releases that endpoints are pointed to. `first` is read by generators only, and a channel by those who ask for
/// it.
fn named(generation: &PointerGeneration) -> BTreeSet<Version> {
    let texts = generation.files.keys().filter(|pointer| !matches!(pointer, Pointer::First(_) | Pointer::Staging));
    texts.filter_map(|pointer| generation.version(*pointer)).collect()
}

/// The releases that pointers can have named: those that a generation on disk names, or that were retracted; what these
/// were built on, as older generations are removed; and what another generator made, up to its pointers.
pub(crate) fn derived(store: &Store) -> Result<BTreeSet<Version>, StoreError> {
    let layout = store.layout();
    let releases = store.releases()?;
    let records: BTreeMap<Version, ReleaseRecord> =
        releases.iter().filter_map(|version| Some((*version, store.record(*version).ok()?))).collect();
    let current = pointers::load_to_replace(layout)?;
    let mut published = named(&current);
    let mut oldest = current.number;
    for found in list(&layout.generations())? {
        let Some(number) = generation_number(&found.name) else { continue };
        oldest = oldest.min(number);
        published.extend(named(&PointerGeneration { number, files: pointers::read_generation(&found.path)? }));
    }
    published.extend(records.values().filter(|record| record.retracted.is_some()).map(|record| record.version));
    // The first generation is still there: all that was ever named is known.
    let mut waiting: Vec<Version> = if oldest > 1 { published.iter().copied().collect() } else { Vec::new() };
    while let Some(version) = waiting.pop() {
        match records.get(&version) {
            Some(record) => {
                waiting.extend(record.previous.filter(|before| *before < version && published.insert(*before)))
            }
            // Collected, or lost, with what it was built on.
            None => published.extend(records.keys().filter(|below| **below < version)),
        }
    }
    published.extend(records.values().filter(|record| is_of_another(record, &current)).map(|record| record.version));
    published.retain(|version| releases.binary_search(version).is_ok());
    Ok(published)
}

/// True for a release that was adopted with its pointer, or with one to a later release.
pub(crate) fn is_of_another(record: &ReleaseRecord, pointers: &PointerGeneration) -> bool {
    record.sources.iter().any(|source| source.kind == "adopted")
        && pointers.latest(record.format).is_some_and(|latest| record.version <= latest)
}

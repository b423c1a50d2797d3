//! Facts that several rules use, computed once.

use std::collections::BTreeSet;

use clearwell_format::{BundleName, Entry, EntryPath, Manifest, Version};

use super::Context;
use super::earlier_entries::EarlierEntries;
use super::includes::Includes;
use super::listed::{Item, Listed};
use crate::plan::ReleaseManifests;

/// A [`Context`] with its bundles numbered and its paths sorted.
pub(super) struct Survey<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) bundles: Bundles<'a>,
    pub(super) includes: Includes,
    /// Present entries of all bundles.
    pub(super) listed: Listed<'a>,
    pub(super) previous: Option<PreviousRelease<'a>>,
    /// What endpoints may have installed; empty if it is not known.
    pub(super) earlier_entries: &'a EarlierEntries,
}

/// A directory that some endpoints have and this release does not list as a directory.
pub(super) struct Lost<'s> {
    pub(super) path: &'s EntryPath,
    /// The releases that have it.
    pub(super) had: BTreeSet<Version>,
    /// What replaces it, if anything does.
    pub(super) now: &'s [Item<'s>],
}

/// The previous release, likewise.
pub(super) struct PreviousRelease<'a> {
    pub(super) release: &'a ReleaseManifests,
    pub(super) listed: Listed<'a>,
}

impl<'a> Survey<'a> {
    pub(super) fn of(context: &'a Context<'a>) -> Self {
        let bundles = Bundles::of(&context.release);
        let includes = Includes::of(&bundles);
        let listed = Listed::of(&bundles);
        let previous = context
            .previous
            .as_ref()
            .map(|release| PreviousRelease { release, listed: Listed::of(&Bundles::of(release)) });
        Self { context, bundles, includes, listed, previous, earlier_entries: &context.earlier_entries }
    }

    /// Of the releases whose endpoints this release would harm, those for which the harm is new. Endpoints on releases
    /// before the previous one do not count if the previous release has the same effect on them (`is_same`): a refusal
    /// would not protect them.
    pub(super) fn news(
        &self,
        mut releases: BTreeSet<Version>,
        is_same: impl FnOnce(&PreviousRelease<'_>) -> bool,
    ) -> BTreeSet<Version> {
        match &self.previous {
            Some(previous) if !releases.is_empty() && is_same(previous) => {
                releases.split_off(&previous.release.version())
            }
            _ => releases,
        }
    }

    /// All entries that endpoints may have at a path, with the releases that have them.
    pub(super) fn history(&self, path: &EntryPath) -> Vec<(&Entry, BTreeSet<Version>)> {
        let earlier = self.earlier_entries.at(path).iter().filter(|earlier| earlier.entry.is_present());
        let earlier = earlier.map(|earlier| (&earlier.entry, self.earlier_entries.releases_of(earlier)));
        let unchanged = self.listed.at(path.as_bytes()).iter();
        earlier
            .chain(unchanged.map(|item| (item.entry, self.earlier_entries.releases_with(item, &self.bundles))))
            .collect()
    }

    /// The directories of older releases that this release deletes or replaces, by path.
    pub(super) fn lost_directories(&self) -> impl Iterator<Item = Lost<'_>> {
        self.earlier_entries.by_path().filter_map(|earlier| {
            let path = &earlier[0].entry.path;
            let had = earlier.iter().filter(|earlier| earlier.entry.is_directory());
            let now = self.listed.at(path.as_bytes());
            if now.iter().any(|item| item.entry.is_directory()) {
                return None;
            }
            let had: BTreeSet<Version> = had.flat_map(|earlier| self.earlier_entries.releases_of(earlier)).collect();
            (!had.is_empty()).then_some(Lost { path, had, now })
        })
    }
}

/// The bundles that clients see and whose manifests are known, sorted by name, each once.
pub(super) struct Bundles<'a>(Vec<Bundle<'a>>);

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct Bundle<'a> {
    pub(super) name: &'a BundleName,
    pub(super) manifest: &'a Manifest,
}

impl<'a> Bundles<'a> {
    fn of(release: &'a ReleaseManifests) -> Self {
        let mut bundles: Vec<_> = release
            .mom
            .bundles()
            .filter_map(|entry| {
                release.bundles.get(&entry.bundle).map(|manifest| Bundle { name: &entry.bundle, manifest })
            })
            .collect();
        bundles.sort_by_key(|bundle| bundle.name);
        bundles.dedup_by_key(|bundle| bundle.name);
        Self(bundles)
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Bundle<'a>> + DoubleEndedIterator {
        self.0.iter().copied()
    }

    pub(super) fn get(&self, index: usize) -> Bundle<'a> {
        self.0[index]
    }

    pub(super) fn index(&self, name: &BundleName) -> Option<usize> {
        self.0.binary_search_by_key(&name, |bundle| bundle.name).ok()
    }
}

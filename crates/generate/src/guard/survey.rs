//! What several rules look at, computed once.

use std::collections::BTreeSet;

use clearwell_format::{BundleName, Entry, EntryPath, Manifest, Version};

use super::includes::Includes;
use super::listed::{Item, Listed};
use super::past::Past;
use super::{Context, Listing};

/// A [`Context`] with its bundles numbered and its paths sorted.
pub(super) struct Survey<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) bundles: Bundles<'a>,
    pub(super) includes: Includes,
    /// Present entries of all bundles.
    pub(super) listed: Listed<'a>,
    pub(super) previous: Option<Before<'a>>,
    /// What endpoints may have installed; empty if it is not known.
    pub(super) past: &'a Past,
}

/// A directory that some endpoints have and this release does not list as a directory.
pub(super) struct Lost<'s> {
    pub(super) path: &'s EntryPath,
    /// The releases that have it.
    pub(super) had: BTreeSet<Version>,
    /// What replaces it, if anything does.
    pub(super) now: &'s [Item<'s>],
}

/// The release before, likewise.
pub(super) struct Before<'a> {
    pub(super) listing: &'a Listing<'a>,
    pub(super) listed: Listed<'a>,
}

impl<'a> Survey<'a> {
    pub(super) fn of(context: &'a Context<'a>) -> Self {
        let bundles = Bundles::of(&context.release);
        let includes = Includes::of(&bundles);
        let listed = Listed::of(&bundles);
        let previous =
            context.previous.as_ref().map(|listing| Before { listing, listed: Listed::of(&Bundles::of(listing)) });
        Self { context, bundles, includes, listed, previous, past: &context.past }
    }

    /// Of the releases whose endpoints this release would harm, those for which the harm is new. Endpoints on releases
    /// before the previous one do not count if the previous release has the same effect on them (`is_same`): a refusal
    /// would not protect them.
    pub(super) fn news(
        &self,
        mut releases: BTreeSet<Version>,
        is_same: impl FnOnce(&Before<'_>) -> bool,
    ) -> BTreeSet<Version> {
        match &self.previous {
            Some(previous) if !releases.is_empty() && is_same(previous) => {
                releases.split_off(&previous.listing.version())
            }
            _ => releases,
        }
    }

    /// All entries that endpoints may have at a path, with the releases that have them.
    pub(super) fn history(&self, path: &EntryPath) -> Vec<(&Entry, BTreeSet<Version>)> {
        let past = self.past.at(path).iter().filter(|past| past.entry.is_present());
        let past = past.map(|past| (&past.entry, self.past.releases_of(past)));
        let unchanged = self.listed.at(path.as_bytes()).iter();
        past.chain(unchanged.map(|item| (item.entry, self.past.releases_with(item, &self.bundles)))).collect()
    }

    /// The directories of older releases that this release deletes or replaces, by path.
    pub(super) fn lost_directories(&self) -> impl Iterator<Item = Lost<'_>> {
        self.past.by_path().filter_map(|past| {
            let path = &past[0].entry.path;
            let had = past.iter().filter(|past| past.entry.is_directory());
            let now = self.listed.at(path.as_bytes());
            if now.iter().any(|item| item.entry.is_directory()) {
                return None;
            }
            let had: BTreeSet<Version> = had.flat_map(|past| self.past.releases_of(past)).collect();
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
    fn of(listing: &'a Listing<'a>) -> Self {
        let mut bundles: Vec<_> = listing
            .mom
            .bundles()
            .filter_map(|entry| {
                listing.manifests.get(&entry.bundle).map(|manifest| Bundle { name: &entry.bundle, manifest })
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

//! What several rules look at, computed once.

use clearwell_format::{BundleName, Manifest};

use super::includes::Includes;
use super::listed::Listed;
use super::{Context, Listing};

/// A [`Context`] with its bundles numbered and its paths sorted.
pub(super) struct Survey<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) bundles: Bundles<'a>,
    pub(super) includes: Includes,
    /// Present entries of all bundles.
    pub(super) listed: Listed<'a>,
    pub(super) previous: Option<Before<'a>>,
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
        Self { context, bundles, includes, listed, previous }
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

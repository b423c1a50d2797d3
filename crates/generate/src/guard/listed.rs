//! The entries of a release by path: present ones, or deleted ones.
//!
//! A path may have several builds (manifest §2.3). Of each bundle's entries for it an endpoint keeps the best one for
//! its processor, so rules that compare what endpoints get ask for each [`Level`].

use clearwell_format::{Entry, Variant};

use super::survey::Bundles;

/// Entries sorted by path, then bundle.
pub(super) struct Listed<'a>(Vec<Item<'a>>);

/// An entry with its bundle.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) entry: &'a Entry,
    /// Number in [`Bundles`].
    pub(super) bundle: usize,
}

impl<'a> Listed<'a> {
    /// The present entries.
    pub(super) fn of(bundles: &Bundles<'a>) -> Self {
        Self::select(bundles, Entry::is_present)
    }

    /// The deleted entries.
    pub(super) fn deleted(bundles: &Bundles<'a>) -> Self {
        Self::select(bundles, Entry::is_deleted)
    }

    fn select(bundles: &Bundles<'a>, is_one: impl Fn(&Entry) -> bool) -> Self {
        let entries = bundles.iter().enumerate().flat_map(|(bundle, of)| {
            let entries = of.manifest.entries.iter();
            entries.map(move |entry| Item { entry, bundle })
        });
        let mut items: Vec<Item<'a>> = entries.filter(|item| is_one(item.entry)).collect();
        items.sort_by(|a, b| (&a.entry.path, a.bundle).cmp(&(&b.entry.path, b.bundle)));
        Self(items)
    }

    /// All entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Item<'a>> {
        self.0.iter()
    }

    /// The entries of one path after the other; never empty.
    pub(super) fn by_path(&self) -> impl Iterator<Item = &[Item<'a>]> {
        self.0.chunk_by(|a, b| a.entry.path == b.entry.path)
    }

    /// The entries of one path; empty if no bundle lists it.
    pub(super) fn at(&self, path: &[u8]) -> &[Item<'a>] {
        let start = self.0.partition_point(|item| item.entry.path.as_bytes() < path);
        let end = start + self.0[start..].partition_point(|item| item.entry.path.as_bytes() == path);
        &self.0[start..end]
    }
}

/// Kinds of processors as the client distinguishes them. It never chooses APX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Baseline,
    Avx2,
    Avx512,
}

impl Level {
    pub(super) const ALL: [Self; 3] = [Self::Baseline, Self::Avx2, Self::Avx512];

    /// True if an endpoint of this level keeps the entry; all others of the path are dropped.
    pub(super) fn keeps(self, entry: &Entry) -> bool {
        let Some((variant, builds)) = entry.modifier.meaning() else {
            return false;
        };
        let best = match self {
            Self::Avx512 if builds.contains(Variant::Avx512) => Variant::Avx512,
            Self::Avx512 | Self::Avx2 if builds.contains(Variant::Avx2) => Variant::Avx2,
            _ => Variant::Sse,
        };
        variant == best
    }
}

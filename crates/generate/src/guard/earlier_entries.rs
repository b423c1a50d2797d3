//! What endpoints may have installed: the entries of every release that they may update from.
//!
//! Most lines of an older manifest are unchanged in the newer one. Of each bundle's manifests, newest first, only the
//! lines are kept that the next newer manifest does not have. Each is found once, however many releases share it:
//!
//! ```text
//! manifest of 10      of 20               of this release
//! 10 /usr/bin/a  ──   10 /usr/bin/a  ──   10 /usr/bin/a
//! 10 /usr/bin/b  ◀─   20 /usr/bin/b  ◀─   30 /usr/bin/b       kept: b of 10, last in 10; b of 20, last in 20
//! ```
//!
//! Each manifest is read once; unchanged lines are compared as bytes and not parsed. 200 manifests of 30,000 lines take
//! half a second. Manifests are sorted by version and name (manifest §4); of an unsorted one more lines are kept.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use clearwell_format::{BundleName, Entry, EntryPath, Manifest, Mom, MomEntry, Version};
use rayon::prelude::*;

use super::listed::Item;
use super::survey::Bundles;
use crate::plan::ReleaseManifests;

/// The releases that endpoints may update from, and the entries that only they have.
#[derive(Clone, Debug, Default)]
pub struct EarlierEntries {
    /// By bundle, the releases that have it, ascending, each with the version of the bundle's manifest.
    bundles: BTreeMap<BundleName, Vec<(Version, Version)>>,
    /// Sorted by path.
    entries: Vec<EarlierEntry>,
}

/// A line of older manifests that the release's own manifest of the bundle does not have.
#[derive(Clone, Debug)]
pub(super) struct EarlierEntry {
    pub(super) entry: Entry,
    pub(super) bundle: BundleName,
    /// The newest version of the bundle's manifest that has the line. It first came with the entry's version.
    last: Version,
}

impl EarlierEntries {
    /// Compares a release with those of `moms`. `read` returns the text of a bundle's manifest; `None` skips it (a missing
    /// manifest is a finding of `manifest-still-needed`).
    pub fn read<'m>(
        release: &ReleaseManifests,
        moms: impl IntoIterator<Item = &'m Mom>,
        read: impl Fn(&MomEntry) -> Option<Vec<u8>> + Sync,
    ) -> Self {
        let mut bundles: BTreeMap<BundleName, Vec<(Version, Version)>> = BTreeMap::new();
        let mut manifests: BTreeMap<&BundleName, BTreeMap<Version, &MomEntry>> = BTreeMap::new();
        for mom in moms {
            for entry in mom.bundles() {
                bundles.entry(entry.bundle.clone()).or_default().push((mom.header.version, entry.version));
                manifests.entry(&entry.bundle).or_default().insert(entry.version, entry);
            }
        }
        bundles.values_mut().for_each(|releases| releases.sort_unstable());
        let of_bundle = |(bundle, manifests): (&BundleName, BTreeMap<Version, &MomEntry>)| {
            let own = release.bundles.get(bundle);
            let mut newer = own.map(|manifest| manifest.to_bytes()).unwrap_or_default();
            let mut entries = Vec::new();
            for (&version, entry) in manifests.iter().rev() {
                if own.is_some_and(|own| own.header.version == version) {
                    continue;
                }
                let Some(text) = read(entry) else { continue };
                let lines = Manifest::parse(&without_lines_of(&newer, &text)).map(|manifest| manifest.entries);
                let kept = lines.unwrap_or_default().into_iter();
                entries.extend(kept.map(|entry| EarlierEntry { entry, bundle: bundle.clone(), last: version }));
                newer = text;
            }
            entries
        };
        let mut entries: Vec<EarlierEntry> = manifests.into_par_iter().flat_map_iter(of_bundle).collect();
        let order =
            |earlier: &EarlierEntry| (earlier.entry.path.clone(), earlier.bundle.clone(), earlier.entry.version);
        entries.sort_by_cached_key(order);
        Self { bundles, entries }
    }

    /// The bundles of the releases.
    pub(super) fn bundles(&self) -> impl Iterator<Item = (&BundleName, BTreeSet<Version>)> {
        self.bundles.iter().map(|(bundle, releases)| (bundle, releases.iter().map(|&(release, _)| release).collect()))
    }

    /// Every entry, those of one path after the other; never empty.
    pub(super) fn by_path(&self) -> impl Iterator<Item = &[EarlierEntry]> {
        self.entries.chunk_by(|a, b| a.entry.path == b.entry.path)
    }

    /// The entries of one path.
    pub(super) fn at(&self, path: &EntryPath) -> &[EarlierEntry] {
        let start = self.entries.partition_point(|earlier| earlier.entry.path < *path);
        let end = start + self.entries[start..].partition_point(|earlier| earlier.entry.path == *path);
        &self.entries[start..end]
    }

    /// The entries below a directory.
    pub(super) fn below(&self, directory: &EntryPath) -> &[EarlierEntry] {
        let prefix = [directory.as_bytes(), b"/"].concat();
        let start = self.entries.partition_point(|earlier| earlier.entry.path.as_bytes() < prefix.as_slice());
        let end =
            start + self.entries[start..].partition_point(|earlier| earlier.entry.path.as_bytes().starts_with(&prefix));
        &self.entries[start..end]
    }

    /// The releases that have an entry.
    pub(super) fn releases_of(&self, earlier: &EarlierEntry) -> BTreeSet<Version> {
        self.with_manifest(&earlier.bundle, |manifest| (earlier.entry.version..=earlier.last).contains(&manifest))
    }

    /// The releases that have the same line as this release.
    pub(super) fn releases_with(&self, item: &Item<'_>, bundles: &Bundles<'_>) -> BTreeSet<Version> {
        let bundle = bundles.get(item.bundle).name;
        let mut releases = self.with_manifest(bundle, |manifest| manifest >= item.entry.version);
        for other in self.at(&item.entry.path).iter().filter(|earlier| earlier.bundle == *bundle) {
            releases = &releases - &self.releases_of(other);
        }
        releases
    }

    fn with_manifest(&self, bundle: &BundleName, is_one: impl Fn(Version) -> bool) -> BTreeSet<Version> {
        let releases = self.bundles.get(bundle).into_iter().flatten();
        releases.filter(|&&(_, manifest)| is_one(manifest)).map(|&(release, _)| release).collect()
    }
}

/// Releases as findings name them: `endpoints on 10, 20, 30 and 7 more`.
pub(super) fn endpoints_on(releases: &BTreeSet<Version>) -> String {
    const NAMED: usize = 3;
    let named: Vec<String> = releases.iter().take(NAMED).map(ToString::to_string).collect();
    match (named.split_last(), releases.len().saturating_sub(NAMED)) {
        (Some((last, [])), 0) => format!("endpoints on {last}"),
        (Some((last, others)), 0) => format!("endpoints on {} and {last}", others.join(", ")),
        (_, more) => format!("endpoints on {} and {more} more", named.join(", ")),
    }
}

/// The manifest `text` without the lines that `newer` has too.
fn without_lines_of(newer: &[u8], text: &[u8]) -> Vec<u8> {
    let Some(blank) = text.windows(2).position(|pair| pair == b"\n\n") else {
        return text.to_vec();
    };
    let (header, lines) = text.split_at(blank + 2);
    let mut left = header.to_vec();
    let mut others = entry_lines(newer).peekable();
    for line in each_line(lines) {
        let mut is_shared = false;
        while let Some(other) = others.peek() {
            let order = if *other == line { Ordering::Equal } else { key(other).cmp(&key(line)) };
            if order.is_gt() {
                break;
            }
            is_shared = *other == line;
            others.next();
            if order.is_eq() {
                break;
            }
        }
        if !is_shared {
            left.extend_from_slice(line);
        }
    }
    left
}

fn entry_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let start = text.windows(2).position(|pair| pair == b"\n\n").map_or(text.len(), |blank| blank + 2);
    each_line(&text[start..])
}

fn each_line(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let (line, after) = rest.split_at(end);
        rest = after;
        (!line.is_empty()).then_some(line)
    })
}

/// What lines are in order of: version, then path.
fn key(line: &[u8]) -> (usize, &[u8], &[u8]) {
    let mut columns = line.splitn(4, |&byte| byte == b'\t').skip(2);
    let version = columns.next().unwrap_or_default();
    // Of two decimal numbers the longer is the larger.
    (version.len(), version, columns.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[(&str, u32, &str)]) -> Vec<u8> {
        let mut text =
            b"MANIFEST\t30\nversion:\t90\nprevious:\t0\nfilecount:\t1\ntimestamp:\t0\ncontentsize:\t0\n\n".to_vec();
        for (kind, version, path) in lines {
            text.extend(format!("{kind}\t{}\t{version}\t{path}\n", "0".repeat(64)).bytes());
        }
        text
    }

    #[test]
    fn only_lines_that_the_newer_manifest_lacks_are_left() {
        let all = [("F...", 9, "/a"), ("F...", 10, "/a"), ("D...", 10, "/b"), ("F...", 100, "/a")];
        assert_eq!(without_lines_of(&text(&all), &text(&all)), text(&[]));
        for gone in 0..all.len() {
            let mut newer = all.to_vec();
            newer.remove(gone);
            assert_eq!(without_lines_of(&text(&newer), &text(&all)), text(&[all[gone]]));
            assert_eq!(without_lines_of(&text(&all), &text(&newer)), text(&[]));
        }
        let other = [("F...", 9, "/a"), ("L...", 10, "/a"), ("D...", 10, "/b"), ("F...", 101, "/a")];
        assert_eq!(without_lines_of(&text(&other), &text(&all)), text(&[all[1], all[3]]));
        assert_eq!(without_lines_of(b"", &text(&all)), text(&all));
    }

    #[test]
    fn releases_are_named_and_the_rest_counted() {
        let on = |numbers: &[u32]| endpoints_on(&numbers.iter().filter_map(|&number| Version::new(number)).collect());
        assert_eq!(on(&[10]), "endpoints on 10");
        assert_eq!(on(&[20, 10]), "endpoints on 10 and 20");
        assert_eq!(on(&[10, 20, 30]), "endpoints on 10, 20 and 30");
        assert_eq!(on(&[10, 20, 30, 40, 50]), "endpoints on 10, 20, 30 and 2 more");
    }
}

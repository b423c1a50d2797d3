//! The consolidated list of files of all installed bundles, with the rules and bugs of the stock client (manifest
//! §3.4).
//!
//! | One path in two manifests | Result |
//! |---|---|
//! | both present, same hash | the entry of a bundle that was installed by name, else of the lower version |
//! | both present, different hash | both are dropped; if they end the list, the list becomes empty |
//! | one present | it wins |
//! | both absent | the higher version |

use std::collections::BTreeSet;

use clearwell_format::flags::VariantSet;
use clearwell_format::{BundleName, Entry, EntryPath, Manifest, Modifier, Variant};

use crate::problem::Problem;

/// The processor level of an endpoint (manifest §2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The baseline; the level of every endpoint outside `/`.
    #[default]
    Sse,
    /// x86-64-v3.
    Avx2,
    /// x86-64-v4.
    Avx512,
}

impl Level {
    /// True for the entry that this endpoint keeps of a path; `None` for a modifier that clients skip.
    pub(crate) fn keeps(self, modifier: Modifier) -> Option<bool> {
        let (build, available) = modifier.meaning()?;
        Some(build == self.best(available))
    }

    fn best(self, available: VariantSet) -> Variant {
        if self >= Self::Avx512 && available.contains(Variant::Avx512) {
            Variant::Avx512
        } else if self >= Self::Avx2 && available.contains(Variant::Avx2) {
            Variant::Avx2
        } else {
            Variant::Sse
        }
    }
}

/// An entry and the bundle that lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub entry: Entry,
    pub bundle: BundleName,
}

/// All files of an installation, by path.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileList {
    pub files: Vec<Listed>,
}

impl FileList {
    /// The entries that are installed.
    pub(crate) fn present(&self) -> impl Iterator<Item = &Listed> {
        self.files.iter().filter(|file| file.entry.is_present())
    }

    /// The present entry of a path.
    pub(crate) fn find(&self, path: &EntryPath) -> Option<&Listed> {
        let start = self.files.partition_point(|file| file.entry.path < *path);
        self.files[start..].iter().take_while(|file| file.entry.path == *path).find(|file| file.entry.is_present())
    }
}

/// Consolidates the manifests of installed bundles. `asked_for` are the bundles that were installed by name.
pub(crate) fn consolidate<'a>(
    manifests: impl IntoIterator<Item = (&'a BundleName, &'a Manifest)>,
    asked_for: &BTreeSet<BundleName>,
    level: Level,
    problems: &mut Vec<Problem>,
) -> FileList {
    let mut all = Vec::new();
    for (bundle, manifest) in manifests {
        for entry in &manifest.entries {
            match level.keeps(entry.modifier) {
                Some(true) => all.push(Listed { entry: entry.clone(), bundle: bundle.clone() }),
                Some(false) => {}
                None => problems.push(Problem::UnknownModifier {
                    path: entry.path.clone(),
                    bundle: bundle.clone(),
                    modifier: entry.modifier.to_byte().into(),
                }),
            }
        }
    }
    // Stable, so that entries of one path keep the order of their bundles.
    all.sort_by(|one, other| one.entry.path.cmp(&other.entry.path));
    merge(all, asked_for, problems)
}

fn merge(all: Vec<Listed>, asked_for: &BTreeSet<BundleName>, problems: &mut Vec<Problem>) -> FileList {
    let mut files: Vec<Listed> = Vec::with_capacity(all.len());
    let mut rest = all.into_iter().peekable();
    while let Some(first) = rest.next() {
        let mut kept = Some(first);
        while let Some(one) = kept.take() {
            let Some(other) = rest.next_if(|other| other.entry.path == one.entry.path) else {
                files.push(one);
                break;
            };
            match resolve(one, other, asked_for) {
                Resolved::One(listed) => kept = Some(listed),
                Resolved::Neither(first, second) => {
                    let empties = rest.peek().is_none();
                    let (path, first, second) = (first.entry.path, first.bundle, second.bundle);
                    problems.push(Problem::Conflict { path, first, second, empties });
                    if empties {
                        return FileList::default();
                    }
                }
            }
        }
    }
    FileList { files }
}

enum Resolved {
    One(Listed),
    Neither(Listed, Listed),
}

fn resolve(first: Listed, second: Listed, asked_for: &BTreeSet<BundleName>) -> Resolved {
    let preferred = |choose_second: bool, first, second| Resolved::One(if choose_second { second } else { first });
    match (first.entry.is_present(), second.entry.is_present()) {
        (true, true) if first.entry.hash() != second.entry.hash() => Resolved::Neither(first, second),
        (true, true) => {
            let second_wins = match (asked_for.contains(&first.bundle), asked_for.contains(&second.bundle)) {
                (true, false) => false,
                (false, true) => true,
                _ => second.entry.version < first.entry.version,
            };
            preferred(second_wins, first, second)
        }
        (false, false) => preferred(second.entry.version > first.entry.version, first, second),
        (_, second_present) => preferred(second_present, first, second),
    }
}

/// The changes of an update, from the old list to the new one.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// To install, by path.
    pub install: Vec<Listed>,
    /// Same content under another version: installed only if the file on disk differs.
    pub compare: Vec<Listed>,
    /// To remove, by path.
    pub remove: Vec<EntryPath>,
    /// Changed or deleted without a higher version: clients do not notice.
    pub overlooked: Vec<Problem>,
    /// Configuration and state that differ: an update does not touch them.
    pub not_updated: Vec<EntryPath>,
}

/// Compares two lists as an update does (manifest §3.4). Paths that are left alone are not in the result.
pub(crate) fn changes(old: &FileList, new: &FileList) -> Changes {
    let mut changes = Changes::default();
    let mut olds = old.files.iter().peekable();
    let mut news = new.files.iter().peekable();
    loop {
        let order = match (olds.peek(), news.peek()) {
            (None, None) => return changes,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(one), Some(other)) => one.entry.path.cmp(&other.entry.path),
        };
        let before = if order.is_le() { olds.next() } else { None };
        let after = if order.is_ge() { news.next() } else { None };
        let Some(path) = before.or(after).map(|listed| &listed.entry.path) else { continue };
        let hash = |listed: Option<&Listed>| {
            listed.map(|listed| &listed.entry).filter(|entry| entry.is_present()).map(Entry::hash)
        };
        if path.class().is_not_updated() {
            changes.not_updated.extend((hash(before) != hash(after)).then(|| path.clone()));
            continue;
        }
        match (before, after) {
            (Some(before), None) if before.entry.is_present() && !path.class().is_never_removed() => {
                changes.remove.push(path.clone());
            }
            (before, Some(after)) if !after.entry.is_present() => {
                let before = before.map(|before| &before.entry);
                let ghosted = after.entry.is_ghosted();
                if before == Some(&after.entry) || ghosted || path.class().is_never_removed() {
                    continue;
                }
                match before.filter(|before| before.is_present() && before.version >= after.entry.version) {
                    Some(before) => changes.overlooked.push(not_raised(before, &after.entry)),
                    None => changes.remove.push(path.clone()),
                }
            }
            (before, Some(after)) => {
                match before.filter(|before| before.entry.is_present()).map(|before| &before.entry) {
                    None => changes.install.push(after.clone()),
                    Some(before) if *before == after.entry => {}
                    Some(before) if before.hash() == after.entry.hash() => changes.compare.push(after.clone()),
                    Some(before) if after.entry.version > before.version => changes.install.push(after.clone()),
                    Some(before) => changes.overlooked.push(not_raised(before, &after.entry)),
                }
            }
            _ => {}
        }
    }
}

fn not_raised(before: &Entry, after: &Entry) -> Problem {
    Problem::VersionNotRaised { path: after.path.clone(), old: before.version, new: after.version }
}

#[cfg(test)]
mod tests {
    use clearwell_format::{FileHash, FileKind, Version};

    use super::*;

    fn listed(bundle: &str, path: &str, hash: u8, version: u32) -> Listed {
        let (path, version) = (path.parse().unwrap(), Version::new(version).unwrap());
        let entry = match hash {
            0 => Entry::deleted(path, version),
            _ => Entry::present(path, version, FileKind::File, FileHash::from_bytes([hash; 32])),
        };
        Listed { entry, bundle: bundle.parse().unwrap() }
    }

    fn merged(all: Vec<Listed>, asked_for: &[&str]) -> (Vec<Listed>, Vec<Problem>) {
        let mut problems = Vec::new();
        let asked_for = asked_for.iter().map(|name| name.parse().unwrap()).collect();
        (merge(all, &asked_for, &mut problems).files, problems)
    }

    #[test]
    fn equal_files_keep_one_entry() {
        let (low, high) = (listed("a", "/f", 1, 10), listed("b", "/f", 1, 20));
        assert_eq!(merged(vec![high.clone(), low.clone()], &[]).0, vec![low.clone()]);
        assert_eq!(merged(vec![low.clone(), high.clone()], &["b"]).0, vec![high.clone()]);
        assert_eq!(merged(vec![high.clone(), low.clone()], &["a", "b"]).0, vec![low]);
    }

    #[test]
    fn present_wins_and_the_later_deletion_counts() {
        let (present, gone) = (listed("a", "/f", 1, 10), listed("b", "/f", 0, 20));
        assert_eq!(merged(vec![gone.clone(), present.clone()], &[]).0, vec![present.clone()]);
        assert_eq!(merged(vec![present.clone(), gone.clone()], &[]).0, vec![present]);
        let earlier = listed("a", "/f", 0, 10);
        assert_eq!(merged(vec![earlier, gone.clone()], &[]).0, vec![gone]);
    }

    #[test]
    fn different_files_are_both_dropped_and_a_third_survives() {
        let last = listed("a", "/z", 9, 10);
        let (one, two, three) = (listed("a", "/f", 1, 10), listed("b", "/f", 2, 10), listed("c", "/f", 1, 10));
        let (files, problems) = merged(vec![one.clone(), two.clone(), last.clone()], &[]);
        assert_eq!(files, vec![last.clone()]);
        assert!(matches!(&problems[..], [Problem::Conflict { empties: false, .. }]));
        assert_eq!(merged(vec![one, two, three.clone(), last.clone()], &[]).0, vec![three, last]);
    }

    #[test]
    fn a_conflict_at_the_end_empties_the_list() {
        let first = listed("a", "/a", 9, 10);
        let (files, problems) = merged(vec![first, listed("a", "/f", 1, 10), listed("b", "/f", 2, 10)], &[]);
        assert!(files.is_empty());
        assert!(matches!(&problems[..], [Problem::Conflict { empties: true, .. }]));
    }

    #[test]
    fn an_endpoint_keeps_the_best_build_it_can_run() {
        let set = VariantSet::default().with(Variant::Avx2).with(Variant::Avx512);
        let kept = |level: Level| {
            [Variant::Sse, Variant::Avx2, Variant::Avx512]
                .into_iter()
                .filter(|variant| level.keeps(Modifier::new(*variant, set).unwrap()) == Some(true))
                .collect::<Vec<_>>()
        };
        assert_eq!(kept(Level::Sse), [Variant::Sse]);
        assert_eq!(kept(Level::Avx2), [Variant::Avx2]);
        assert_eq!(kept(Level::Avx512), [Variant::Avx512]);
        let only_apx = VariantSet::default().with(Variant::Apx);
        assert_eq!(Level::Avx512.keeps(Modifier::new(Variant::Sse, only_apx).unwrap()), Some(true));
        assert_eq!(Level::Avx512.keeps(Modifier::new(Variant::Apx, only_apx).unwrap()), Some(false));
        assert_eq!(Level::Sse.keeps(Modifier::parse(b'v')), None);
    }

    #[test]
    fn an_update_installs_compares_removes_and_overlooks() {
        let list = |files: Vec<Listed>| FileList { files };
        let old = list(vec![
            listed("a", "/boot/k", 1, 10),
            listed("a", "/etc/x", 1, 10),
            listed("a", "/u/changed", 1, 10),
            listed("a", "/u/gone", 1, 10),
            listed("a", "/u/kept", 1, 30),
            listed("a", "/u/lower", 1, 10),
            listed("a", "/u/moved", 1, 10),
            listed("a", "/u/same", 1, 10),
            listed("a", "/u/wasgone", 0, 10),
            listed("a", "/u/zapped", 1, 10),
            listed("a", "/var/gone", 1, 10),
            listed("a", "/var/same", 1, 10),
        ]);
        let new = list(vec![
            listed("a", "/boot/k", 0, 20),
            listed("a", "/etc/x", 2, 20),
            listed("a", "/u/changed", 2, 20),
            listed("a", "/u/gone", 0, 20),
            listed("a", "/u/kept", 0, 20),
            listed("a", "/u/lower", 2, 10),
            listed("a", "/u/moved", 1, 20),
            listed("a", "/u/new", 3, 20),
            listed("a", "/u/same", 1, 10),
            listed("a", "/u/wasgone", 0, 10),
            listed("a", "/var/gone", 0, 20),
            listed("a", "/var/new", 1, 20),
            listed("a", "/var/same", 1, 20),
        ]);
        let changes = changes(&old, &new);
        let paths = |files: &[Listed]| files.iter().map(|file| file.entry.path.to_string()).collect::<Vec<_>>();
        assert_eq!(paths(&changes.install), ["/u/changed", "/u/new"]);
        assert_eq!(paths(&changes.compare), ["/u/moved"]);
        let texts = |paths: &[EntryPath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts(&changes.remove), ["/u/gone", "/u/zapped"]);
        assert_eq!(texts(&changes.not_updated), ["/etc/x", "/var/gone", "/var/new"]);
        let overlooked = changes.overlooked.iter().map(|problem| match problem {
            Problem::VersionNotRaised { path, .. } => path.to_string(),
            other => panic!("{other}"),
        });
        assert_eq!(overlooked.collect::<Vec<_>>(), ["/u/kept", "/u/lower"]);
    }
}

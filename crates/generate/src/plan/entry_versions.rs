//! The version of each entry: the new content compared with the previous manifest (manifest §5.4).
//!
//! | Now | Before | Line |
//! |---|---|---|
//! | there | deleted or ghosted, or nothing | this version, added |
//! | there | same hash, not below the minimum, same mark | the old version, unchanged |
//! | there | other | this version, changed |
//! | gone | present | deleted (below the boot paths: ghosted) in this version |
//! | gone | deleted | kept, unless the format is another |
//! | gone | ghosted | dropped |

use std::borrow::Cow;
use std::cmp::Ordering;

use clearwell_format::manifest::Legacy;
use clearwell_format::{Entry, EntryPath, Manifest, Misc, Modifier, State, Variant, Version};

use super::contents::Contents;
use crate::inputs::Release;
use crate::tree::{NodeId, Tree};

/// One line of a new manifest, still without the modifier of its build.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The path in the tree, with the prefix of its build.
    pub(super) path: EntryPath,
    /// The object; `None` for what is gone.
    pub(super) node: Option<NodeId>,
    pub(super) state: State,
    pub(super) modifier: Modifier,
    pub(super) misc: Misc,
    pub(super) version: Version,
}

/// All lines of a manifest, in tree order.
pub(super) struct EntryVersions {
    pub(super) lines: Vec<Line>,
    /// True if a line was added, changed or removed.
    pub(super) changed: bool,
}

/// Which deletions of the manifest before move to this version.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OldDeletions {
    /// None: they keep theirs, even below the minimum version.
    Keep,
    /// Those below the minimum version: how the index bundle is written (content layout §7).
    ObeyMinimum,
}

impl EntryVersions {
    pub(super) fn compare(
        tree: &Tree,
        contents: &Contents,
        before: Option<&Manifest>,
        release: &Release,
        deletions: OldDeletions,
    ) -> Self {
        let old = before.map(old_lines).unwrap_or_default();
        let keeps_deletions = before.is_some_and(|before| before.header.format == release.format);
        let below_minimum = |version: Version| release.min_version.is_some_and(|minimum| version < minimum);
        let mut history = Self { lines: Vec::with_capacity(contents.listed.len()), changed: false };
        let mut old = old.into_iter().peekable();
        let gone = |(path, entry): (Cow<'_, [u8]>, &Entry), history: &mut Self| match entry.state {
            State::Ghosted(_) => {}
            State::Deleted(_) if keeps_deletions => {
                let moved = deletions == OldDeletions::ObeyMinimum && below_minimum(entry.version);
                let version = if moved { release.version } else { entry.version };
                let modifier = entry.modifier;
                history.lines.push(Line { modifier, ..Line::gone(&path, entry, entry.state, version) });
            }
            State::Deleted(_) => {}
            State::Present { .. } => {
                let ghost = GHOSTED.iter().any(|prefix| path.starts_with(prefix));
                let state = if ghost { State::Ghosted(Legacy::default()) } else { State::Deleted(Legacy::default()) };
                history.changed = true;
                history.lines.push(Line::gone(&path, entry, state, release.version));
            }
        };
        for listed in &contents.listed {
            let node = tree.node(listed.node);
            let mut same = None;
            while let Some((path, _)) = old.peek() {
                match path.as_ref().cmp(node.path.as_bytes()) {
                    Ordering::Less => gone(old.next().expect("peeked"), &mut history),
                    Ordering::Equal => {
                        // A manifest lists a path once; of a damaged one the last line counts.
                        same = old.next().map(|(_, entry)| entry);
                    }
                    Ordering::Greater => break,
                }
            }
            let misc = if listed.exported { Misc::Exported } else { Misc::None };
            let optimised = Variant::split(node.path.as_bytes()).0 != Variant::Sse;
            let kept = same.filter(|entry| {
                entry.is_present()
                    && entry.hash() == node.hash
                    && !below_minimum(entry.version)
                    && (optimised || entry.misc == misc)
            });
            history.changed |= kept.is_none();
            history.lines.push(Line {
                path: node.path.clone(),
                node: Some(listed.node),
                state: State::Present { kind: node.kind(), hash: node.hash },
                modifier: Modifier::NONE,
                misc,
                version: kept.map_or(release.version, |entry| entry.version),
            });
        }
        for line in old {
            gone(line, &mut history);
        }
        history
    }
}

impl Line {
    fn gone(path: &[u8], entry: &Entry, state: State, version: Version) -> Self {
        let path = if path == entry.path.as_bytes() {
            entry.path.clone()
        } else {
            EntryPath::parse(path).expect("a variant's prefix and a legal path make a legal path")
        };
        Self { path, node: None, state, modifier: Modifier::NONE, misc: entry.misc.carried(), version }
    }

    /// True for what a client installs.
    pub(super) const fn is_present(&self) -> bool {
        self.node.is_some()
    }
}

/// The entries of a manifest with the paths they have in a tree, in the order of these.
fn old_lines(manifest: &Manifest) -> Vec<(Cow<'_, [u8]>, &Entry)> {
    let mut lines: Vec<_> = manifest
        .entries
        .iter()
        .map(|entry| {
            let variant = entry.modifier.meaning().map_or(Variant::Sse, |(variant, _)| variant);
            let path: Cow<'_, [u8]> = match variant {
                Variant::Sse => entry.path.as_bytes().into(),
                _ => [variant.prefix().as_bytes(), entry.path.as_bytes()].concat().into(),
            };
            (path, entry)
        })
        .collect();
    lines.sort_by(|(a, _), (b, _)| a.cmp(b));
    lines
}

/// What is deleted below these is ghosted (manifest §5.4): a client keeps its kernels.
const GHOSTED: [&[u8]; 3] = [b"/boot/", b"/usr/lib/modules/", b"/usr/lib/kernel/"];

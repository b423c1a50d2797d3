//! A simulated installed system: path, kind and hash of everything that would be installed.
//!
//! Thousands of such endpoints fit into one process: entries share their paths with the manifests, and endpoints with
//! the same files share the whole list.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use clearwell_format::{EntryPath, FileHash, FileKind};

use super::{Found, Placed, Removed, WhenFull};
use crate::staging::Object;

/// All installed objects.
pub(crate) type Files = BTreeMap<EntryPath, (FileKind, FileHash)>;

#[derive(Default)]
pub(crate) struct Simulated {
    /// Copied when it changes, if it is shared.
    pub(crate) files: Arc<Files>,
    /// Contents of the few files that an endpoint reads itself.
    contents: BTreeMap<EntryPath, Vec<u8>>,
}

impl Simulated {
    pub(super) fn look(&self, path: &EntryPath) -> Found {
        self.files.get(path).map_or(Found::Missing, |(kind, hash)| Found::Object { kind: *kind, hash: *hash })
    }

    pub(super) fn has_parent(&self, path: &EntryPath) -> bool {
        path.parent().is_none_or(|parent| matches!(self.files.get(&parent), Some((FileKind::Directory, _))))
    }

    pub(super) fn install(&mut self, path: &EntryPath, hash: FileHash, object: &Object) -> Placed {
        let was_full = object.kind != FileKind::Directory && self.has_children(path);
        if was_full {
            self.files_mut().retain(|other, _| other == path || !other.is_within(path.as_bytes()));
        }
        self.files_mut().insert(path.clone(), (object.kind, hash));
        if crate::endpoint::reads(path) {
            self.contents.insert(path.clone(), object.small.clone());
        }
        if was_full { Placed::OverDirectory } else { Placed::Plainly }
    }

    pub(super) fn remove(&mut self, path: &EntryPath, when_full: WhenFull) -> Removed {
        match (self.has_children(path), when_full) {
            (true, WhenFull::Keep) => Removed::Nothing,
            (true, WhenFull::MoveAside) => {
                self.files_mut().retain(|other, _| !other.is_within(path.as_bytes()));
                self.contents.retain(|other, _| !other.is_within(path.as_bytes()));
                Removed::MovedAside
            }
            (false, _) => {
                self.contents.remove(path);
                let was_there = self.files.contains_key(path) && self.files_mut().remove(path).is_some();
                if was_there { Removed::Gone } else { Removed::Nothing }
            }
        }
    }

    pub(super) fn content(&self, path: &EntryPath) -> Option<Vec<u8>> {
        self.contents.get(path).cloned()
    }

    fn files_mut(&mut self) -> &mut Files {
        Arc::make_mut(&mut self.files)
    }

    fn has_children(&self, path: &EntryPath) -> bool {
        let mut below = path.as_bytes().to_vec();
        below.push(b'/');
        let from = (Bound::Included(below.as_slice()), Bound::Unbounded);
        self.files.range::<[u8], _>(from).next().is_some_and(|(next, _)| next.as_bytes().starts_with(&below))
    }
}

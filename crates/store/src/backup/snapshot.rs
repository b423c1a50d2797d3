//! What a store has at one instant, without its lock.
//!
//! Everything that can change is looked at twice: the identity of each record and index, the number of the generation of
//! pointers, the stamp. Files of a store are replaced by renames, which gives them another inode or another time of
//! change. So if both looks see the same, nothing changed between the end of the first and the beginning of the
//! second.

use std::collections::BTreeMap;

use clearwell_format::Version;

use super::BackupRefusal;
use super::folder::refused;
use crate::identity::FileIdentity;
use crate::pointers::{self, PointerGeneration};
use crate::{LayoutVersion, Store, StoreError};

/// What a store had at one instant.
pub(super) struct Snapshot {
    pub(super) layout: LayoutVersion,
    pub(super) members: BTreeMap<Version, Member>,
    /// Or what is wrong with them.
    pub(super) pointers: Result<PointerGeneration, StoreError>,
}

/// A version with artifacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) kind: Kind,
    pub(super) record: FileIdentity,
    /// `None` if there is none, which is damage.
    pub(super) index: Option<FileIdentity>,
}

/// What a version is to readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Release,
    /// It was collected, and later releases still need something of it.
    Remnant,
}

#[derive(PartialEq, Eq)]
struct Look {
    layout: LayoutVersion,
    members: BTreeMap<Version, Member>,
    /// `None` if the link is damaged.
    generation: Option<u64>,
}

impl Snapshot {
    pub(super) fn take(store: &Store) -> Result<Self, StoreError> {
        let mut first = look(store)?;
        for _ in 0..MOST_LOOKS {
            let pointers = pointers::load(store.layout());
            let second = look(store)?;
            let is_of_these = match &pointers {
                Ok(pointers) => Some(pointers.number) == second.generation,
                Err(StoreError::PointersDamaged { .. }) => true,
                Err(_) => return Err(pointers.expect_err("it is an error")),
            };
            if first == second && is_of_these {
                let Look { layout, members, .. } = second;
                return Ok(Self { layout, members, pointers });
            }
            first = second;
        }
        Err(refused(BackupRefusal::Changing { path: store.root().to_owned() }))
    }

    /// The number of the pointers; 0 without, or if they are damaged.
    pub(super) fn generation(&self) -> u64 {
        self.pointers.as_ref().map_or(0, |pointers| pointers.number)
    }
}

fn look(store: &Store) -> Result<Look, StoreError> {
    let layout = store.layout();
    let mut members = BTreeMap::new();
    let kinds = [(Kind::Remnant, store.remnants()?), (Kind::Release, store.releases()?)];
    for (kind, versions) in kinds {
        for version in versions {
            let record = match kind {
                Kind::Release => layout.record(version),
                Kind::Remnant => layout.remnant(version),
            };
            // One that is gone since the listing makes the next look differ.
            if let Some(record) = FileIdentity::at(&record) {
                members.insert(version, Member { kind, record, index: FileIdentity::at(&layout.index(version)) });
            }
        }
    }
    let generation = match store.generation() {
        Ok(number) => Some(number),
        Err(StoreError::PointersDamaged { .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(Look { layout: store.layout_version()?, members, generation })
}

/// Each look that differs from the one before means that a release was made, amended or removed in between.
const MOST_LOOKS: usize = 1000;

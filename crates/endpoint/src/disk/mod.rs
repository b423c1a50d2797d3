//! The installed system: a scratch root in a folder, or a simulation that keeps paths and hashes only.

mod scratch;
mod simulated;

use clearwell_format::{EntryPath, FileHash, FileKind};

use crate::EndpointError;
use crate::staging::{Object, StageFolder};

pub use scratch::Ownership;
pub(crate) use scratch::{Ledger, Scratch};
pub(crate) use simulated::{Files, Simulated};

/// The object at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing, or one of its parents is not a directory.
    Missing,
    /// An object.
    Object { kind: FileKind, hash: FileHash },
    /// A device or another kind that content never has.
    Stranger,
}

impl Found {
    pub(crate) fn is(self, expected: FileHash) -> bool {
        matches!(self, Self::Object { hash, .. } if hash == expected)
    }
}

/// The outcome of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// The object was installed.
    Plainly,
    /// A directory that was not empty was moved aside for it.
    OverDirectory,
}

/// The handling of a directory that is to be removed and is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// It stays.
    Keep,
    /// It is moved aside with everything in it, as updates do.
    MoveAside,
}

/// The outcome of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// Nothing existed, or it stays.
    Nothing,
    /// It was removed.
    Gone,
    /// A directory was renamed, with everything in it.
    MovedAside,
}

/// The installed system.
pub(crate) enum Disk {
    Scratch(Scratch),
    Simulated(Simulated),
}

impl Disk {
    /// The object at a path; reads and hashes files.
    pub(crate) fn look(&self, path: &EntryPath) -> Result<Found, EndpointError> {
        match self {
            Self::Scratch(scratch) => scratch.look(path),
            Self::Simulated(simulated) => Ok(simulated.look(path)),
        }
    }

    /// True if the folder that contains `path` is there.
    pub(crate) fn has_parent(&self, path: &EntryPath) -> bool {
        match self {
            Self::Scratch(scratch) => scratch.has_parent(path),
            Self::Simulated(simulated) => simulated.has_parent(path),
        }
    }

    /// Installs a staged object, over any existing one.
    pub(crate) fn install(
        &mut self,
        path: &EntryPath,
        hash: FileHash,
        object: &Object,
        staged: &StageFolder,
    ) -> std::io::Result<Placed> {
        match self {
            Self::Scratch(scratch) => scratch.install(path, hash, object, staged),
            Self::Simulated(simulated) => Ok(simulated.install(path, hash, object)),
        }
    }

    /// Removes the object at a path.
    pub(crate) fn remove(&mut self, path: &EntryPath, when_full: WhenFull) -> Result<Removed, EndpointError> {
        match self {
            Self::Scratch(scratch) => scratch.remove(path, when_full),
            Self::Simulated(simulated) => Ok(simulated.remove(path, when_full)),
        }
    }

    /// The content of a regular file of at most `limit` bytes, if contents are kept.
    pub(crate) fn content(&self, path: &EntryPath, limit: u64) -> Option<Vec<u8>> {
        match self {
            Self::Scratch(scratch) => scratch.content(path, limit),
            Self::Simulated(simulated) => simulated.content(path).filter(|content| content.len() as u64 <= limit),
        }
    }
}

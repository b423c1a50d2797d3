//! The installed system: a scratch root in a folder, or only the knowledge of what would be installed.

mod scratch;
mod simulated;

use clearwell_format::{EntryPath, FileHash, FileKind};

use crate::EndpointError;
use crate::staging::{Object, StageFolder};

pub use scratch::Ownership;
pub(crate) use scratch::{Ledger, Scratch};
pub(crate) use simulated::{Files, Simulated};

/// What lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing, or something that is no directory stands in its way.
    Missing,
    /// This.
    Object { kind: FileKind, hash: FileHash },
    /// A device or another thing that content never has.
    Stranger,
}

impl Found {
    pub(crate) fn is(self, expected: FileHash) -> bool {
        matches!(self, Self::Object { hash, .. } if hash == expected)
    }
}

/// How an object came to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// Simply.
    Plainly,
    /// A directory that was not empty stood there and was moved aside.
    OverDirectory,
}

/// What becomes of a directory that is to be removed and has something in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// It stays.
    Keep,
    /// It is moved aside with everything in it, as updates do.
    MoveAside,
}

/// What came of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// Nothing was there, or it stays.
    Nothing,
    /// It is gone.
    Gone,
    /// A directory, with everything in it, has another name now.
    MovedAside,
}

/// The installed system.
pub(crate) enum Disk {
    Scratch(Scratch),
    Simulated(Simulated),
}

impl Disk {
    /// What lies at a path; reads and hashes files.
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

    /// Puts a staged object in its place, over whatever is there.
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

    /// Removes what lies at a path.
    pub(crate) fn remove(&mut self, path: &EntryPath, when_full: WhenFull) -> Result<Removed, EndpointError> {
        match self {
            Self::Scratch(scratch) => scratch.remove(path, when_full),
            Self::Simulated(simulated) => Ok(simulated.remove(path, when_full)),
        }
    }

    /// The content of a regular file of at most `limit` bytes, where contents are kept.
    pub(crate) fn content(&self, path: &EntryPath, limit: u64) -> Option<Vec<u8>> {
        match self {
            Self::Scratch(scratch) => scratch.content(path, limit),
            Self::Simulated(simulated) => simulated.content(path).filter(|content| content.len() as u64 <= limit),
        }
    }
}

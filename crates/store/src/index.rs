//! The index of a release: name, size and SHA-256 of every artifact, in one file that is searched on disk.
//!
//! ```text
//! offset  bytes
//!      0      8   "CWINDEX\n"
//!      8      4   1, the version of this format
//!     12      4   release
//!     16      8   F, number of fullfiles
//!     24      8   N, number of all other artifacts
//!     32      8   B, bytes of names
//!     40   72 F   fullfiles, sorted by hash:  file hash 32, size 8, SHA-256 32
//!          48 N   the others, sorted by name: name offset 4, name length 4, size 8, SHA-256 32
//!             B   names, as paths below the release's folder
//!            32   SHA-256 of everything before
//! ```
//!
//! Numbers are little-endian. Fullfiles are nearly everything and their names are their hashes: without a name table
//! they take half the space. Names lie one behind the other, in the order of their rows.
//!
//! A store may have ten million objects: an index is read by position, one to three reads for a name, and never kept in
//! memory.
//!
//! Always true of an open [`Index`]: when it was opened its bytes had the SHA-256 of the trailer, every table lay
//! inside the file, both were strictly sorted, and every name was an artifact's; and nothing is told of it once the
//! file was changed. Writers never do that: they make an index under another name and rename it.

mod build;
mod damage;
mod entries;
mod file;
mod tables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clearwell_format::Version;
use clearwell_format::resource::Artifact;

use crate::disk::Operation;
use crate::identity::FileIdentity;
use crate::{Digest, StoreError, regular};

pub(crate) use build::{store, write};
pub use damage::IndexDamage;
pub use entries::Entries;
use file::{Failure, IndexFile, Wait};
use tables::Tables;

/// What the index knows of an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactMeta {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: Digest,
}

/// The index of one release, open.
pub struct Index {
    path: PathBuf,
    file: IndexFile,
    tables: Tables,
}

impl Index {
    /// Opens and checks an index: reads the whole file once.
    ///
    /// # Errors
    /// [`StoreError::IndexDamaged`] for anything that `release`'s index could not be, or [`StoreError::Io`].
    pub(crate) fn open(path: &Path, release: Version) -> Result<Self, StoreError> {
        let opened = regular::open(path).and_then(IndexFile::new).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => IndexDamage::Missing.into(),
            _ if regular::is_refusal(&error) => IndexDamage::NotAFile.into(),
            _ => Failure::Io(error),
        });
        let checked = opened.and_then(|file| Ok((Tables::check(&file, release)?, file)));
        let (tables, file) = checked.map_err(|failure| failed(path, failure))?;
        Ok(Self { path: path.to_owned(), file, tables })
    }

    /// SHA-256 of the index itself, which its last bytes are.
    pub const fn digest(&self) -> Digest {
        self.tables.digest
    }

    /// Number of artifacts.
    pub const fn len(&self) -> u64 {
        self.tables.fullfiles + self.tables.others
    }

    /// True for a release without artifacts; none that clients can use is.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is known of `artifact`; `None` if the release does not have it.
    ///
    /// # Errors
    /// [`StoreError::IndexDamaged`] if the file was changed since it was opened, or [`StoreError::Io`].
    pub fn get(&self, artifact: &Artifact) -> Result<Option<ArtifactMeta>, StoreError> {
        self.search(artifact, Wait::ForDisk).map_err(|failure| failed(&self.path, failure))
    }

    /// As [`Index::get`], without waiting for the disk: `None` if the page cache does not have what is to be read, or
    /// the file system cannot tell.
    pub fn get_cached(&self, artifact: &Artifact) -> Option<Result<Option<ArtifactMeta>, StoreError>> {
        match self.search(artifact, Wait::Never) {
            Err(Failure::NotCached) => None,
            other => Some(other.map_err(|failure| failed(&self.path, failure))),
        }
    }

    /// Every artifact: fullfiles by hash, then the others by name. After an error nothing more comes.
    pub fn iter(&self) -> Entries<'_> {
        Entries::of(self)
    }

    /// All of it, in memory.
    ///
    /// # Errors
    /// As [`Index::get`].
    pub fn to_map(&self) -> Result<BTreeMap<Artifact, ArtifactMeta>, StoreError> {
        self.iter().collect()
    }

    /// True while the file has the bytes that were checked, whatever has its name by now.
    pub fn is_unchanged(&self) -> bool {
        self.file.check_unchanged().is_ok()
    }

    pub(crate) const fn identity(&self) -> FileIdentity {
        self.file.identity()
    }

    fn search(&self, artifact: &Artifact, wait: Wait) -> Result<Option<ArtifactMeta>, Failure> {
        match artifact {
            Artifact::Fullfile(hash) => self.tables.fullfile(&self.file, hash, wait),
            other => self.tables.other(&self.file, other.to_string().as_bytes(), wait),
        }
    }
}

impl<'i> IntoIterator for &'i Index {
    type Item = Result<(Artifact, ArtifactMeta), StoreError>;
    type IntoIter = Entries<'i>;

    fn into_iter(self) -> Entries<'i> {
        self.iter()
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("fullfiles", &self.tables.fullfiles).field("others", &self.tables.others).finish()
    }
}

fn failed(path: &Path, failure: Failure) -> StoreError {
    let path = path.to_owned();
    match failure {
        Failure::Damage(source) => StoreError::IndexDamaged { path, source },
        Failure::NotCached => StoreError::io(Operation::Read, &path, std::io::ErrorKind::WouldBlock.into()),
        Failure::Io(source) => StoreError::io(Operation::Read, &path, source),
    }
}

fn artifact(name: &[u8]) -> Option<Artifact> {
    Artifact::from_path(std::str::from_utf8(name).ok()?)
}

fn meta(row: &[u8]) -> Option<ArtifactMeta> {
    Some(ArtifactMeta { size: u64_at(row, 0)?, sha256: Digest::from_bytes(*row.get(8..)?.first_chunk()?) })
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes.get(offset..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

const MAGIC: &[u8; 8] = b"CWINDEX\n";
const FORMAT: u32 = 1;
const HEADER: usize = 40;
const FULLFILE: usize = 72;
const OTHER: usize = 48;
const TRAILER: usize = 32;

#[cfg(test)]
mod tests;

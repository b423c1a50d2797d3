//! The index of a release: name, size and SHA-256 of every artifact, in one file that is mapped and searched in place.
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
//! they take half the room, and a search reads one place per step.
//!
//! Always true of an open [`Index`]: its bytes have the SHA-256 of the trailer, every table lies inside the file, both
//! are strictly sorted, and every name is an artifact's.

mod build;
mod damage;

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;

use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, Version};
use memmap2::Mmap;

use crate::disk::{Disk, Operation};
use crate::{Digest, StoreError};

pub(crate) use build::{store, write};
pub use damage::IndexDamage;

/// What the index knows of an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactMeta {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: Digest,
}

/// The index of one release, open.
///
/// Finding an artifact is a binary search in mapped memory; nothing is allocated for a fullfile.
pub struct Index {
    bytes: Mmap,
    tables: Tables,
}

impl Index {
    /// Opens and checks an index: reads the whole file once.
    ///
    /// # Errors
    /// [`StoreError::IndexDamaged`] for anything that `release`'s index could not be.
    #[expect(unsafe_code, reason = "a file is mapped")]
    pub(crate) fn open(path: &Path, release: Version) -> Result<Self, StoreError> {
        let read = |source| StoreError::io(Operation::Read, path, source);
        let damaged = |source| StoreError::IndexDamaged { path: path.to_owned(), source };
        let file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(damaged(IndexDamage::Missing)),
            other => other.map_err(read)?,
        };
        if file.metadata().map_err(read)?.len() < (HEADER + TRAILER) as u64 {
            return Err(damaged(IndexDamage::Length));
        }
        // SAFETY: writers make an index under another name and rename it; its bytes are never changed or cut off in
        // place. Someone who does so from outside can make us read wrong bytes or end the process with SIGBUS, but no
        // offset read from the map is used unchecked.
        let bytes = unsafe { Mmap::map(&file) }.map_err(read)?;
        let tables = Tables::check(&bytes, release).map_err(damaged)?;
        Ok(Self { bytes, tables })
    }

    /// SHA-256 of the index itself, which its last bytes are.
    pub fn digest(&self) -> Digest {
        let trailer = self.bytes.last_chunk().copied();
        Digest::from_bytes(trailer.expect("a checked index has its trailer"))
    }

    /// Writes the index of `release` to a new file.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(
        release: Version,
        artifacts: &BTreeMap<Artifact, ArtifactMeta>,
        path: &Path,
    ) -> Result<(), StoreError> {
        store(release, artifacts, path, &Disk::default())
    }

    /// Number of artifacts.
    pub fn len(&self) -> usize {
        self.tables.fullfiles + self.tables.others
    }

    /// True for a release without artifacts; none that clients can use is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is known of `artifact`; `None` if the release does not have it.
    pub fn get(&self, artifact: &Artifact) -> Option<ArtifactMeta> {
        match artifact {
            Artifact::Fullfile(hash) => {
                let position = search(self.tables.fullfiles, |at| Some(self.fullfile(at)?.0.cmp(hash)))?;
                self.fullfile(position).map(|(_, meta)| meta)
            }
            other => {
                let name = other.to_string();
                let position = search(self.tables.others, |at| Some(self.other(at)?.0.cmp(name.as_bytes())))?;
                self.other(position).map(|(_, meta)| meta)
            }
        }
    }

    /// Every artifact: fullfiles by hash, then the others by name.
    pub fn iter(&self) -> impl Iterator<Item = (Artifact, ArtifactMeta)> {
        let fullfiles = (0..self.tables.fullfiles).filter_map(|at| self.fullfile(at));
        let others = (0..self.tables.others).filter_map(|at| self.other(at));
        let fullfiles = fullfiles.map(|(hash, meta)| (Artifact::Fullfile(hash), meta));
        fullfiles.chain(others.filter_map(|(name, meta)| Some((artifact(name)?, meta))))
    }

    fn fullfile(&self, position: usize) -> Option<(FileHash, ArtifactMeta)> {
        self.tables.fullfile(&self.bytes, position)
    }

    fn other(&self, position: usize) -> Option<(&[u8], ArtifactMeta)> {
        self.tables.other(&self.bytes, position)
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("fullfiles", &self.tables.fullfiles).field("others", &self.tables.others).finish()
    }
}

/// Where the tables lie. Numbers were checked against the length of the file.
struct Tables {
    fullfiles: usize,
    others: usize,
    names: Range<usize>,
}

impl Tables {
    fn check(bytes: &[u8], release: Version) -> Result<Self, IndexDamage> {
        let (body, trailer) = bytes.split_last_chunk::<TRAILER>().ok_or(IndexDamage::Length)?;
        if !body.starts_with(MAGIC) {
            return Err(IndexDamage::Magic);
        }
        let format = u32_at(body, 8).ok_or(IndexDamage::Length)?;
        if format != FORMAT {
            return Err(IndexDamage::Format(format));
        }
        if Digest::of(body) != Digest::from_bytes(*trailer) {
            return Err(IndexDamage::Checksum);
        }
        let of = u32_at(body, 12).ok_or(IndexDamage::Length)?;
        if of != release.number() {
            return Err(IndexDamage::OtherRelease(of));
        }
        let count = |offset| u64_at(body, offset).and_then(|n| usize::try_from(n).ok()).ok_or(IndexDamage::Length);
        let (fullfiles, others, names) = (count(16)?, count(24)?, count(32)?);
        let start = (fullfiles.checked_mul(FULLFILE))
            .zip(others.checked_mul(OTHER))
            .and_then(|(fullfiles, others)| HEADER.checked_add(fullfiles)?.checked_add(others))
            .ok_or(IndexDamage::Length)?;
        if start.checked_add(names) != Some(body.len()) {
            return Err(IndexDamage::Length);
        }
        let tables = Self { fullfiles, others, names: start..body.len() };
        tables.check_order(body).ok_or(IndexDamage::Order)?;
        Ok(tables)
    }

    fn check_order(&self, body: &[u8]) -> Option<()> {
        let mut last = None;
        for position in 0..self.fullfiles {
            let (hash, _) = self.fullfile(body, position)?;
            if last.replace(hash).is_some_and(|last| last >= hash) {
                return None;
            }
        }
        let mut last = None;
        for position in 0..self.others {
            let (name, _) = self.other(body, position)?;
            if last.replace(name).is_some_and(|last| last >= name) || artifact(name).is_none() {
                return None;
            }
        }
        Some(())
    }

    fn fullfile(&self, bytes: &[u8], position: usize) -> Option<(FileHash, ArtifactMeta)> {
        let row = bytes.get(HEADER..)?.get(position.checked_mul(FULLFILE)?..)?.first_chunk::<FULLFILE>()?;
        Some((FileHash::from_bytes(*row.first_chunk()?), meta(&row[32..])?))
    }

    fn other<'b>(&self, bytes: &'b [u8], position: usize) -> Option<(&'b [u8], ArtifactMeta)> {
        let start = HEADER + self.fullfiles * FULLFILE;
        let row = bytes.get(start..)?.get(position.checked_mul(OTHER)?..)?.first_chunk::<OTHER>()?;
        let (offset, length) = (u32_at(row, 0)? as usize, u32_at(row, 4)? as usize);
        let name = bytes.get(self.names.clone())?.get(offset..)?.get(..length)?;
        Some((name, meta(&row[8..])?))
    }
}

/// The position for which `compare` says equal. `None` also where `compare` cannot read, which a checked index excludes.
fn search(count: usize, compare: impl Fn(usize) -> Option<std::cmp::Ordering>) -> Option<usize> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        match compare(middle)? {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Equal => return Some(middle),
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    None
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

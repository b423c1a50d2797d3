//! Staged files, each under its hash, and the deltas that produce more of them.
//!
//! ```text
//! STATE/staged/<hash>      content of a regular file; links and directories have none
//! STATE/delta/<n>          a delta of a pack, until it was applied
//! ```
//!
//! Always true: a staged object was compared with its hash while it was written. The names on disk come from
//! parsed hashes and counters, never from an archive.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clearwell_format::archive::{ArchiveError, Member, MemberHeader};
use clearwell_format::{FileHash, FileKind, Owner};
use tempfile::NamedTempFile;

use crate::EndpointError;

/// A file, directory or link without its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub kind: FileKind,
    pub owner: Owner,
    /// Of a link.
    pub target: Vec<u8>,
    /// Content of a file of at most [`SMALL`] bytes, if contents are not kept otherwise.
    pub small: Vec<u8>,
}

impl Object {
    pub(crate) fn of(header: &MemberHeader) -> Self {
        Self { kind: header.kind, owner: header.owner, target: header.target.clone(), small: Vec::new() }
    }

    pub(crate) const fn file(owner: Owner) -> Self {
        Self { kind: FileKind::File, owner, target: Vec::new(), small: Vec::new() }
    }
}

/// The folder of the contents of staged files.
#[derive(Clone, Debug)]
pub(crate) struct StageFolder {
    /// `None` if contents are not kept.
    root: Option<PathBuf>,
}

impl StageFolder {
    /// Keeps contents below `state`.
    pub(crate) fn create(state: &Path) -> Result<Self, EndpointError> {
        for folder in [STAGED, DELTAS] {
            let folder = state.join(folder);
            fs::create_dir_all(&folder).map_err(EndpointError::folder("create", &folder))?;
        }
        Ok(Self { root: Some(state.to_owned()) })
    }

    /// Keeps hashes only.
    pub(crate) const fn without_contents() -> Self {
        Self { root: None }
    }

    /// Reads a member, and keeps it if it has the hash `expected`.
    ///
    /// `Ok(None)` for another hash.
    pub(crate) fn accept(&self, mut member: Member<'_>, expected: FileHash) -> Result<Option<Object>, ArchiveError> {
        let mut object = Object::of(&member.header);
        let Some(root) = self.root.as_ref().filter(|_| object.kind == FileKind::File) else {
            let hash = if member.header.size <= SMALL {
                member.hash(&mut object.small)
            } else {
                member.hash(&mut io::sink())
            }?;
            return Ok((hash == expected).then_some(object));
        };
        let folder = root.join(STAGED);
        let mut scratch = NamedTempFile::new_in(&folder).map_err(ArchiveError::Write)?;
        let hash = member.hash(&mut scratch)?;
        if hash != expected {
            return Ok(None);
        }
        persist(scratch, &folder.join(expected.to_string())).map_err(ArchiveError::Write)?;
        Ok(Some(object))
    }

    /// Keeps the content of a regular file whose hash was already compared.
    pub(crate) fn keep(&self, hash: FileHash, content: &[u8]) -> io::Result<()> {
        let Some(root) = &self.root else { return Ok(()) };
        let folder = root.join(STAGED);
        let mut scratch = NamedTempFile::new_in(&folder)?;
        scratch.write_all(content)?;
        persist(scratch, &folder.join(hash.to_string()))
    }

    /// Opens a new file for a delta; `None` if contents are not kept.
    pub(crate) fn delta(&self) -> io::Result<Option<NamedTempFile>> {
        self.root.as_ref().map(|root| NamedTempFile::new_in(root.join(DELTAS))).transpose()
    }

    /// The content of a staged regular file.
    pub(crate) fn open(&self, hash: FileHash) -> io::Result<File> {
        match &self.root {
            Some(root) => File::open(root.join(STAGED).join(hash.to_string())),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Removes all contents.
    pub(crate) fn clear(&self) -> Result<(), EndpointError> {
        let Some(root) = &self.root else { return Ok(()) };
        let folder = root.join(STAGED);
        fs::remove_dir_all(&folder).map_err(EndpointError::folder("empty", &folder))?;
        fs::create_dir_all(&folder).map_err(EndpointError::folder("create", &folder))
    }
}

fn persist(scratch: NamedTempFile, path: &Path) -> io::Result<()> {
    scratch.persist(path).map(drop).map_err(|error| error.error)
}

/// The staged objects.
#[derive(Debug)]
pub(crate) struct Staging {
    pub folder: StageFolder,
    objects: BTreeMap<FileHash, Object>,
}

impl Staging {
    pub(crate) const fn new(folder: StageFolder) -> Self {
        Self { folder, objects: BTreeMap::new() }
    }

    /// Adds accepted objects.
    pub(crate) fn add(&mut self, hash: FileHash, object: Object) {
        self.objects.insert(hash, object);
    }

    pub(crate) fn get(&self, hash: &FileHash) -> Option<&Object> {
        self.objects.get(hash)
    }

    pub(crate) fn contains(&self, hash: &FileHash) -> bool {
        self.objects.contains_key(hash)
    }

    pub(crate) fn clear(&mut self) -> Result<(), EndpointError> {
        self.objects.clear();
        self.folder.clear()
    }
}

/// Largest content that a simulated endpoint keeps: the endpoint itself reads `os-release` and similar files.
const SMALL: u64 = 512;
const STAGED: &str = "staged";
const DELTAS: &str = "delta";

//! What deltas start from: files by hash, manifests by version.

use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use clearwell_format::archive::{ArchiveError, Shape, read_shaped};
use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, FileKind, ManifestName, Resource, Version};

use crate::{Store, manifest_archive, regular};

/// Where bases are looked for. `None` is for what is nowhere, and for what is damaged: that is a separate defect.
pub(crate) trait Bases: Sync {
    /// The content of the file with this hash.
    fn object(&self, hash: FileHash) -> Option<Vec<u8>>;

    /// A manifest in the folder of `version`.
    fn manifest(&self, version: Version, name: &ManifestName) -> Option<Vec<u8>>;
}

/// Everything in a store.
pub(crate) struct StoreBases<'a> {
    pub(crate) store: &'a Store,
    /// The folders to look into, oldest first.
    pub(crate) versions: Vec<Version>,
}

impl<'a> StoreBases<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self { store, versions: store.contents().unwrap_or_default() }
    }
}

impl Bases for StoreBases<'_> {
    fn object(&self, hash: FileHash) -> Option<Vec<u8>> {
        let fullfile = |version: &Version| Resource::of(*version, Artifact::Fullfile(hash));
        let has = |resource: &Resource| matches!(self.store.lookup(resource), Ok(Some(_)));
        self.versions.iter().rev().map(fullfile).filter(has).find_map(|found| content(&self.store.path(&found), hash))
    }

    fn manifest(&self, version: Version, name: &ManifestName) -> Option<Vec<u8>> {
        self.store.manifest_text(version, name).ok()
    }
}

/// The files of one version of a tree, and a store with those before.
pub(crate) struct TreeBases<'a> {
    pub(crate) version: Version,
    pub(crate) files: &'a BTreeMap<Artifact, PathBuf>,
    pub(crate) store: StoreBases<'a>,
}

impl Bases for TreeBases<'_> {
    fn object(&self, hash: FileHash) -> Option<Vec<u8>> {
        let here = self.files.get(&Artifact::Fullfile(hash)).and_then(|path| content(path, hash));
        here.or_else(|| self.store.object(hash))
    }

    fn manifest(&self, version: Version, name: &ManifestName) -> Option<Vec<u8>> {
        if version != self.version {
            return self.store.manifest(version, name);
        }
        if let Some(path) = self.files.get(&Artifact::Manifest(name.clone())) {
            return regular::read(path, MANIFEST_LIMIT).ok();
        }
        let archive = regular::read(self.files.get(&Artifact::ManifestTar(name.clone()))?, MANIFEST_LIMIT).ok()?;
        manifest_archive::read(&archive, name).ok().map(|found| found.bytes)
    }
}

/// The file in a fullfile, if it is what the hash says. A large one is hashed before memory is taken for it.
fn content(path: &Path, hash: FileHash) -> Option<Vec<u8>> {
    let mut content = None;
    let mut read = |large: LargeFile| {
        let file = BufReader::with_capacity(64 << 10, regular::open(path).ok()?);
        let mut found = None;
        read_shaped::<ArchiveError>(file, Shape::fullfile(hash, LARGEST), |_, mut member| {
            let mut bytes = Vec::new();
            let is_kept = member.header.size <= LARGE || large == LargeFile::Read;
            let sink: &mut dyn io::Write = if is_kept { &mut bytes } else { &mut io::sink() };
            if member.header.kind == FileKind::File && member.hash(sink)? == hash {
                found = Some(is_kept);
                content = Some(bytes);
            }
            Ok(())
        })
        .ok()?;
        found
    };
    let is_whole = read(LargeFile::HashOnly)? || read(LargeFile::Read)?;
    content.filter(|_| is_whole)
}

/// Some hundred bytes for each of millions of files.
const MANIFEST_LIMIT: u64 = 1 << 30;

/// What is done with a large file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LargeFile {
    HashOnly,
    Read,
}

const LARGE: u64 = 64 << 20;
/// More than any base of a delta that clients apply.
const LARGEST: u64 = 4 << 30;

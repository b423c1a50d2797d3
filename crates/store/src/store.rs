//! Reading a store. Manifests are read in `store/manifests.rs`, a store is made in `store/create.rs`.

mod create;
mod manifests;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use clearwell_format::resource::Pointer;
use clearwell_format::{FormatNumber, Resource, Version};

use crate::disk::{Disk, Operation};
use crate::identity::FileIdentity;
use crate::listing::list;
use crate::pointers::{self, PointerGeneration, PointerSet};
use crate::prepared::Preview;
use crate::record::Checksum;
use crate::{
    ArtifactMeta, Digest, Index, IndexDamage, Layout, LayoutVersion, ReleaseRecord, StoreError, Writer, regular,
};

/// A store, open for reading. Cheap to clone; clones share what they have opened.
///
/// Readers take no lock. Releases and pointers that a writer adds are seen at once; artifacts that it adds to a release
/// that was read before are seen after [`Store::refresh`].
#[derive(Clone, Debug)]
pub struct Store {
    layout: Layout,
    disk: Disk,
    indexes: Arc<RwLock<HashMap<Version, Arc<Index>>>>,
    preview: Option<Arc<Preview>>,
    pointers: Option<Arc<PointerGeneration>>,
}

impl Store {
    /// Opens a store.
    ///
    /// # Errors
    /// [`StoreError::NotAStore`], [`StoreError::LayoutTooNew`], [`StoreError::LayoutUnreadable`], or a
    /// [disk error](StoreError#disk-errors) when the stamp cannot be read.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_on(root.as_ref(), Disk::default())
    }

    /// As [`Store::open`], on a disk that tests can make fail.
    pub fn open_on(root: &Path, disk: Disk) -> Result<Self, StoreError> {
        let store = Self::with_layout(Layout::new(root), disk);
        match store.layout_version()? {
            found if !found.is_supported() => Err(StoreError::LayoutTooNew { found }),
            _ => Ok(store),
        }
    }

    /// What the stamp says now: the first writer brings an older store to the current layout.
    pub(crate) fn layout_version(&self) -> Result<LayoutVersion, StoreError> {
        let path = self.layout.stamp();
        let bytes = regular::read(&path, STAMP_LIMIT).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                StoreError::NotAStore { path: self.root().to_owned() }
            }
            _ if regular::is_unfit(&error) => StoreError::LayoutUnreadable { path: path.clone() },
            _ => StoreError::io(Operation::Read, &path, error),
        })?;
        let text = str::from_utf8(&bytes).ok();
        text.and_then(LayoutVersion::parse).ok_or(StoreError::LayoutUnreadable { path })
    }

    /// A store whose stamp is not read.
    pub(crate) fn unstamped(layout: Layout) -> Self {
        Self::with_layout(layout, Disk::default())
    }

    fn with_layout(layout: Layout, disk: Disk) -> Self {
        Self { layout, disk, indexes: Arc::default(), preview: None, pointers: None }
    }

    /// Becomes the writer. `command` is what another writer is told while this one lives.
    ///
    /// # Errors
    /// [`StoreError::Locked`], or a [disk error](StoreError#disk-errors) when the lock cannot be written.
    pub fn writer(&self, command: &str) -> Result<Writer, StoreError> {
        Writer::lock(self.clone(), command)
    }

    /// Removes the store from its folder if nothing is in it: no release, no draft, no pointer and no other file in the
    /// public tree. Returns whether it is gone.
    ///
    /// # Errors
    /// [`StoreError::Locked`], or a [disk error](StoreError#disk-errors) when the lock cannot be written.
    pub fn remove_unused(&self) -> Result<bool, StoreError> {
        // Locked to the end, though the file of the lock goes too: no writer adds to what is removed.
        let _writer = self.writer("remove an unused store")?;
        let layout = &self.layout;
        let public = list(&layout.content())?.into_iter().filter(|found| found.path != layout.generations());
        let is_used = public.count() > 0
            || !self.contents()?.is_empty()
            || [layout.generations(), layout.staging()]
                .iter()
                .try_fold(false, |used, folder| Ok::<_, StoreError>(used || !list(folder)?.is_empty()))?;
        if !is_used {
            // The stamp first: what is left after a crash can be created again.
            for path in [layout.stamp(), layout.content(), layout.meta()] {
                self.disk.remove(&path)?;
            }
        }
        Ok(!is_used)
    }

    /// The folder of the store.
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// Where things are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Does something that writes and can be done again. Where the disk is full that happens once more, after what only
    /// saves time was removed: caches, the journal of a check, and all pointers but the last two generations.
    pub(crate) fn with_room<T>(&self, work: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        match work() {
            Err(StoreError::NoSpace { .. }) => {
                self.disk.remove(&self.layout.cache())?;
                self.disk.remove(&self.layout.check_journal())?;
                pointers::prune_to_last(2, &self.layout, &self.disk)?;
                work()
            }
            other => other,
        }
    }

    /// Its file system, for files of a writer that are not part of releases.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Every release, ascending: one listing of `meta/releases`.
    pub fn releases(&self) -> Result<Vec<Version>, StoreError> {
        let mut versions = records_in(&self.layout.records())?;
        versions.extend(self.preview.as_ref().map(|preview| preview.record.version));
        versions.sort_unstable();
        versions.dedup();
        Ok(versions)
    }

    /// Every version that was collected and of which later releases still need something, ascending.
    pub fn remnants(&self) -> Result<Vec<Version>, StoreError> {
        match records_in(&self.layout.remnants()) {
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other,
        }
    }

    /// Every version with artifacts, ascending: releases and remnants.
    pub fn contents(&self) -> Result<Vec<Version>, StoreError> {
        // Releases first: one that is collected meanwhile is then in both lists, never in none.
        let mut versions = self.releases()?;
        versions.extend(self.remnants()?);
        versions.sort_unstable();
        versions.dedup();
        Ok(versions)
    }

    /// True if the version has artifacts that readers find: it is released, or something of it is left.
    pub fn has_content(&self, version: Version) -> bool {
        // In this order, as a collection moves the record from the one place to the other.
        self.has_release(version) || self.layout.remnant(version).exists()
    }

    /// True if the version is released: one `stat`.
    pub fn has_release(&self, version: Version) -> bool {
        self.previewed(version).is_some() || self.layout.record(version).exists()
    }

    /// The record of a release.
    ///
    /// # Errors
    /// [`StoreError::UnknownVersion`], [`StoreError::RecordDamaged`], or a [disk error](StoreError#disk-errors) when it
    /// cannot be read.
    pub fn record(&self, version: Version) -> Result<ReleaseRecord, StoreError> {
        if let Some(preview) = self.previewed(version) {
            return Ok(preview.record.clone());
        }
        self.record_at(self.layout.record(version), version)
    }

    /// The record of a release, or of one that was collected.
    pub(crate) fn record_or_remnant(&self, version: Version) -> Result<ReleaseRecord, StoreError> {
        match self.record(version) {
            Err(StoreError::UnknownVersion { .. }) => self.record_at(self.layout.remnant(version), version),
            other => other,
        }
    }

    fn record_at(&self, path: PathBuf, version: Version) -> Result<ReleaseRecord, StoreError> {
        self.read_record(path, version).map(|(_, record)| record)
    }

    /// The record in the file `path`, with its bytes.
    pub(crate) fn read_record(&self, path: PathBuf, version: Version) -> Result<(Vec<u8>, ReleaseRecord), StoreError> {
        use serde::de::Error as _;
        let damaged = |source| StoreError::RecordDamaged { path: path.clone(), source };
        let bytes = match regular::read(&path, RECORD_LIMIT) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::UnknownVersion { version });
            }
            Err(error) if regular::is_unfit(&error) => return Err(damaged(serde_json::Error::custom(error))),
            other => other.map_err(|error| StoreError::io(Operation::Read, &path, error))?,
        };
        let (record, checksum) = ReleaseRecord::from_json(&bytes).map_err(damaged)?;
        if record.version != version {
            let other = format_args!("it is the record of release {}", record.version);
            return Err(damaged(serde_json::Error::custom(other)));
        }
        // That of a version that was collected may be older than the layout.
        let is_of_release = path == self.layout.record(version);
        if is_of_release && checksum == Checksum::Absent && self.layout_version()? >= LayoutVersion::CHECKSUMS {
            return Err(damaged(serde_json::Error::custom("it has no checksum")));
        }
        Ok((bytes, record))
    }

    /// Replaces the record of a release.
    pub(crate) fn write_record(&self, record: &ReleaseRecord) -> Result<(), StoreError> {
        let scratch = self.layout.staging().join("record");
        self.disk.replace(&self.layout.record(record.version), &scratch, &record.to_json())
    }

    /// The index of a release. Opened and checked once, then shared; opened again if its file was changed in place.
    ///
    /// # Errors
    /// [`StoreError::UnknownVersion`], [`StoreError::IndexDamaged`], or [`StoreError::Io`].
    pub fn index(&self, version: Version) -> Result<Arc<Index>, StoreError> {
        if let Some(preview) = self.previewed(version) {
            return Ok(preview.index.clone());
        }
        let opened = self.indexes.read().unwrap_or_else(PoisonError::into_inner).get(&version).cloned();
        if let Some(index) = opened.filter(|index| index.is_unchanged()) {
            return Ok(index);
        }
        if !self.has_content(version) {
            return Err(StoreError::UnknownVersion { version });
        }
        let index = match Index::open(&self.layout.index(version), version) {
            // Collected since the look at its record.
            Err(StoreError::IndexDamaged { source: IndexDamage::Missing, .. }) if !self.has_content(version) => {
                return Err(StoreError::UnknownVersion { version });
            }
            other => Arc::new(other?),
        };
        self.indexes.write().unwrap_or_else(PoisonError::into_inner).insert(version, index.clone());
        Ok(index)
    }

    /// Forgets indexes whose file was replaced since. To be called when [`Store::generation`] has changed: a writer
    /// that adds artifacts to a release begins a new generation.
    pub fn refresh(&self) {
        let mut indexes = self.indexes.write().unwrap_or_else(PoisonError::into_inner);
        indexes.retain(|version, index| FileIdentity::at(&self.layout.index(*version)) == Some(index.identity()));
    }

    /// The number of the current generation of pointers: one `readlink`. Cheap enough to ask for each request.
    pub fn generation(&self) -> Result<u64, StoreError> {
        match &self.pointers {
            Some(pointers) => Ok(pointers.number),
            None => pointers::current(&self.layout),
        }
    }

    /// When the pointers were switched to a generation that is still kept, in seconds since the epoch.
    ///
    /// # Errors
    /// A [disk error](StoreError#disk-errors) if it is not kept any more, or cannot be read.
    pub fn switched(&self, generation: u64) -> Result<i64, StoreError> {
        let folder = self.layout.generation(generation);
        let metadata = folder.metadata().map_err(|source| StoreError::io(Operation::Read, &folder, source))?;
        Ok(metadata.mtime())
    }

    /// Bytes that an unprivileged process can still write to the file system of the store.
    ///
    /// # Errors
    /// A [disk error](StoreError#disk-errors) if the system does not say.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        let root = self.layout.root();
        let found = rustix::fs::statvfs(root).map_err(|error| StoreError::io(Operation::Read, root, error.into()))?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// The newest version that endpoints may have although the store does not: it was restored from an earlier backup.
    ///
    /// # Errors
    /// A [disk error](StoreError#disk-errors) if that cannot be read.
    pub fn last_published(&self) -> Result<Option<Version>, StoreError> {
        let path = self.layout.last_published();
        let read = |source| StoreError::io(Operation::Read, &path, source);
        match regular::read(&path, STAMP_LIMIT) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            bytes => match str::from_utf8(&bytes.map_err(read)?).ok().and_then(|text| text.trim_end().parse().ok()) {
                Some(version) => Ok(Some(version)),
                None => Err(read(io::Error::new(io::ErrorKind::InvalidData, "it is not a version"))),
            },
        }
    }

    /// Says that endpoints may have releases up to `version`.
    pub(crate) fn raise_last_published(&self, version: Version) -> Result<(), StoreError> {
        if self.last_published()? >= Some(version) {
            return Ok(());
        }
        let scratch = self.layout.staging().join("last-published");
        self.disk.replace(&self.layout.last_published(), &scratch, format!("{version}\n").as_bytes())
    }

    /// The current pointers, all of one generation. Number 0 and empty before the first publication.
    ///
    /// # Errors
    /// [`StoreError::PointersDamaged`], or a [disk error](StoreError#disk-errors) when they cannot be read.
    pub fn pointers(&self) -> Result<PointerGeneration, StoreError> {
        match &self.pointers {
            Some(pointers) => Ok(PointerGeneration::clone(pointers)),
            None => pointers::load(&self.layout),
        }
    }

    /// The release that `latest` of `format` names.
    pub fn latest(&self, format: FormatNumber) -> Result<Option<Version>, StoreError> {
        Ok(self.pointers()?.latest(format))
    }

    /// The release that `latest_version` names.
    pub fn latest_version(&self) -> Result<Option<Version>, StoreError> {
        Ok(self.pointers()?.latest_version())
    }

    /// This store as it would be after `set` is published; nothing is written. The generation counts one up.
    pub fn with_pointers(&self, set: &PointerSet) -> Result<Self, StoreError> {
        let current = self.pointers()?;
        let pointers = current.followed_by(current.merged(set));
        Ok(Self { pointers: Some(Arc::new(pointers)), ..self.clone() })
    }

    /// Where the bytes of a resource are, or would be. Says nothing about whether it is released.
    pub fn path(&self, resource: &Resource) -> PathBuf {
        match resource {
            Resource::Artifact { version, artifact } => match self.previewed(*version) {
                Some(preview) => preview.path(&self.layout, artifact),
                None => self.layout.release_folder(*version).join(artifact.to_string()),
            },
            Resource::Pointer(_) => self.layout.content().join(resource.to_string()),
        }
    }

    /// Size and digest of a resource; `None` for what no release names. Artifacts are looked up in the index alone:
    /// no file is opened once the index is.
    pub fn lookup(&self, resource: &Resource) -> Result<Option<ArtifactMeta>, StoreError> {
        match resource {
            Resource::Artifact { version, artifact } => match self.index(*version) {
                Ok(index) => index.get(artifact),
                Err(StoreError::UnknownVersion { .. }) => Ok(None),
                Err(error) => Err(error),
            },
            Resource::Pointer(pointer) => Ok(self
                .pointer(*pointer)?
                .map(|bytes| ArtifactMeta { size: bytes.len() as u64, sha256: Digest::of(&bytes) })),
        }
    }

    /// The bytes of a resource, checked against the index.
    ///
    /// # Errors
    /// [`StoreError::NoSuchResource`], [`StoreError::ArtifactSize`], [`StoreError::ArtifactDamaged`], or
    /// a [disk error](StoreError#disk-errors) when the file cannot be read.
    pub fn read(&self, resource: &Resource) -> Result<Vec<u8>, StoreError> {
        if let Resource::Pointer(pointer) = resource {
            let bytes =
                self.pointer(*pointer)?.ok_or_else(|| StoreError::NoSuchResource(Box::new(resource.clone())))?;
            return Ok(bytes.to_vec());
        }
        let (file, meta) = self.open_artifact(resource)?;
        let mut bytes = Vec::new();
        let path = self.path(resource);
        // It may grow meanwhile: one byte more than it has makes another digest.
        let mut file = io::Read::take(file, meta.size.saturating_add(1));
        io::Read::read_to_end(&mut file, &mut bytes).map_err(|error| StoreError::io(Operation::Read, &path, error))?;
        let found = Digest::of(&bytes);
        if found != meta.sha256 {
            return Err(StoreError::ArtifactDamaged {
                resource: Box::new(resource.clone()),
                expected: meta.sha256,
                found,
            });
        }
        Ok(bytes)
    }

    /// The file of a resource, with the size that the index names. Its bytes are not checked.
    ///
    /// # Errors
    /// [`StoreError::NoSuchResource`], [`StoreError::ArtifactSize`], or a [disk error](StoreError#disk-errors) when it
    /// cannot be opened.
    pub fn open_artifact(&self, resource: &Resource) -> Result<(File, ArtifactMeta), StoreError> {
        let meta = self.lookup(resource)?.ok_or_else(|| StoreError::NoSuchResource(Box::new(resource.clone())))?;
        let size =
            |found| StoreError::ArtifactSize { resource: Box::new(resource.clone()), expected: meta.size, found };
        let path = self.path(resource);
        let file = match regular::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(size(0)),
            other => other.map_err(|error| StoreError::io(Operation::Read, &path, error))?,
        };
        let found = file.metadata().map_err(|error| StoreError::io(Operation::Read, &path, error))?.len();
        if found == meta.size { Ok((file, meta)) } else { Err(size(found)) }
    }

    fn pointer(&self, pointer: Pointer) -> Result<Option<Arc<[u8]>>, StoreError> {
        Ok(self.pointers()?.files.remove(&pointer))
    }

    fn previewed(&self, version: Version) -> Option<&Preview> {
        self.preview.as_deref().filter(|preview| preview.record.version == version)
    }

    pub(crate) fn with_preview(&self, preview: Preview) -> Self {
        Self { preview: Some(Arc::new(preview)), ..self.clone() }
    }
}

/// The versions that have a record in a folder.
fn records_in(folder: &Path) -> Result<Vec<Version>, StoreError> {
    let read = |source| StoreError::io(Operation::Read, folder, source);
    let mut versions = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        let name = entry.map_err(read)?.file_name();
        let version: Option<Version> = name.to_str().and_then(|name| name.strip_suffix(".json")?.parse().ok());
        versions.extend(version);
    }
    versions.sort_unstable();
    Ok(versions)
}

/// Larger than the record of any release: a line for each bundle, and some for each file of a pack.
const RECORD_LIMIT: u64 = 1 << 30;
const STAMP_LIMIT: u64 = 4 << 10;

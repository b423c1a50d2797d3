//! A version being made: artifacts are put, then checked and synced as a whole.
//!
//! ```text
//! meta/staging/30/
//!   draft.json      which version, made from what and when; decides whether the next run may continue
//!   content/…       finished artifacts under their names; becomes content/30
//!   scratch/…       artifacts being written
//!   parts/…         parts of artifacts, which took time to make
//!   index           written by `prepare`
//!   record.json     written by `prepare`
//! ```
//!
//! Always true: a file below `content/` was complete when it got its name. After a loss of power it need not be, so one
//! that an earlier run left counts only after the caller has verified it and called [`Draft::keep`].

mod note;
mod recover;
mod remake;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clearwell_format::resource::Artifact;
use clearwell_format::{Resource, Version};

use crate::disk::{DiskFile, Operation};
use crate::prepared::{self, Prepared};
use crate::{ArtifactMeta, Hasher, Index, ReleaseRecord, Store, StoreError, regular};

pub use note::Begun;
pub(crate) use note::DraftNote;
pub use remake::Remake;

/// A version being made, or artifacts being added to one. Nothing of it is visible to readers.
///
/// Methods take `&self`: many threads may put concurrently. A draft that is dropped stays on disk to be continued.
#[derive(Debug)]
pub struct Draft<'w> {
    pub(crate) store: &'w Store,
    pub(crate) version: Version,
    pub(crate) folder: PathBuf,
    /// The index of the release that is extended.
    pub(crate) released: Option<Arc<Index>>,
    pub(crate) artifacts: Mutex<BTreeMap<Artifact, ArtifactMeta>>,
    scratch_count: AtomicU64,
}

/// Whether bytes that were put had to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// They were written.
    Written(ArtifactMeta),
    /// The same bytes were there already.
    AlreadyThere(ArtifactMeta),
}

impl PutOutcome {
    /// Size and digest of the bytes.
    pub const fn meta(self) -> ArtifactMeta {
        match self {
            Self::Written(meta) | Self::AlreadyThere(meta) => meta,
        }
    }
}

/// How the bytes of a file that exists elsewhere come into the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transfer {
    /// As a copy. File systems that can (btrfs, XFS) share the blocks until one side changes.
    #[default]
    Copy,
    /// As a second name of the same file: no room is taken, but a change of the original in place damages the store.
    HardLink,
}

impl<'w> Draft<'w> {
    pub(crate) fn begin(store: &'w Store, version: Version, begun: &Begun) -> Result<Self, StoreError> {
        let path = store.layout().release_folder(version);
        if path.symlink_metadata().is_ok() && !store.has_release(version) {
            return Err(StoreError::StrayFolder { path });
        }
        Self::open(store, DraftNote::of_new(version, begun), None)
    }

    pub(crate) fn begin_extension(store: &'w Store, version: Version, index: Arc<Index>) -> Result<Self, StoreError> {
        Self::open(store, DraftNote::of_extension(version), Some(index))
    }

    /// A folder for parts of artifacts that are not whole yet. It goes with the draft, and comes back with one that is
    /// continued; what is in it is unverified then.
    pub fn parts(&self) -> PathBuf {
        self.folder.join("parts")
    }

    /// The path of an artifact that was put.
    pub fn path(&self, artifact: &Artifact) -> PathBuf {
        self.staged(artifact)
    }

    fn open(store: &'w Store, note: DraftNote, released: Option<Arc<Index>>) -> Result<Self, StoreError> {
        let (disk, version) = (store.disk(), note.version());
        let folder = store.layout().draft(version);
        let before = DraftNote::read(&folder);
        if before.as_ref().is_some_and(|before| note.continues(before)) {
            for left_over in ["scratch", "index", "record.json"] {
                disk.remove(&folder.join(left_over))?;
            }
            if before != Some(note.clone()) {
                note.write(&folder, disk)?;
            }
        } else {
            disk.remove(&folder)?;
            disk.create_folder(&folder)?;
            note.write(&folder, disk)?;
        }
        disk.create_folder(&folder.join("scratch"))?;
        disk.create_folder(&folder.join("content"))?;
        disk.create_folder(&folder.join("parts"))?;
        Ok(Self { store, version, folder, released, artifacts: Mutex::default(), scratch_count: AtomicU64::new(0) })
    }

    /// The version being made.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The store it will belong to.
    pub const fn store(&self) -> &Store {
        self.store
    }

    /// Adds an artifact.
    ///
    /// # Errors
    /// [`StoreError::DifferentBytes`] if the draft, or the release it extends, has other bytes under that name; or a
    /// [disk error](StoreError#disk-errors) when the file cannot be written. After an error the draft does not have the
    /// artifact.
    pub fn put(&self, artifact: &Artifact, bytes: &[u8]) -> Result<PutOutcome, StoreError> {
        self.put_with(artifact, |out| out.write_all(bytes))
    }

    /// Adds an artifact whose bytes `make` writes, piece by piece.
    ///
    /// # Errors
    /// As [`Draft::put`], and [`StoreError::Content`] with the error of `make`.
    pub fn put_with(
        &self,
        artifact: &Artifact,
        make: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<PutOutcome, StoreError> {
        let path = self.scratch();
        let mut out = ArtifactWriter::new(self.store.disk().create_file(&path)?);
        let made = make(&mut out).and_then(|()| out.finish());
        let placed = match made {
            Ok(()) => self.place(artifact, &path, out.meta()),
            Err(source) if out.disk_failed || source.kind() == io::ErrorKind::StorageFull => {
                Err(StoreError::io(Operation::Write, &path, source))
            }
            Err(source) => Err(StoreError::Content { version: self.version, artifact: artifact.clone(), source }),
        };
        if !matches!(placed, Ok(PutOutcome::Written(_))) {
            // The next writer removes it if this fails.
            let _ = self.store.disk().remove(&path);
        }
        placed
    }

    /// Adds a file that exists, whose bytes the caller found to be `meta`. [`Draft::prepare`] checks that they are.
    ///
    /// # Errors
    /// As [`Draft::put`].
    pub fn put_file(
        &self,
        artifact: &Artifact,
        source: &Path,
        meta: ArtifactMeta,
        transfer: Transfer,
    ) -> Result<PutOutcome, StoreError> {
        if self.compare(artifact, meta, &self.artifacts())? {
            return Ok(PutOutcome::AlreadyThere(meta));
        }
        let path = self.scratch();
        match transfer {
            Transfer::Copy => self.store.disk().copy(source, &path)?,
            Transfer::HardLink => self.store.disk().hard_link(source, &path)?,
        }
        self.place(artifact, &path, meta)
    }

    /// What the draft, or the release it extends, has under that name. `None` also where the index of that release
    /// cannot be read, which putting the artifact then says.
    pub fn contains(&self, artifact: &Artifact) -> Option<ArtifactMeta> {
        self.known(artifact, &self.artifacts()).ok().flatten()
    }

    /// A file that an interrupted run finished and that is not in the draft yet. Its bytes are unverified:
    /// verify them, then [`Draft::keep`] it, or put the artifact again.
    pub fn existing(&self, artifact: &Artifact) -> Result<Option<File>, StoreError> {
        let path = self.staged(artifact);
        match regular::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(StoreError::io(Operation::Read, &path, error)),
        }
    }

    /// Adds a file of an interrupted run to the draft, as it is.
    ///
    /// # Errors
    /// [`StoreError::NoSuchResource`] if there is none, or a [disk error](StoreError#disk-errors) when it cannot be
    /// read.
    pub fn keep(&self, artifact: &Artifact) -> Result<ArtifactMeta, StoreError> {
        let missing = || StoreError::NoSuchResource(Box::new(Resource::of(self.version, artifact.clone())));
        let file = self.existing(artifact)?.ok_or_else(missing)?;
        let meta = prepared::measure(file).map_err(|e| StoreError::io(Operation::Read, &self.staged(artifact), e))?;
        let mut artifacts = self.artifacts();
        self.compare(artifact, meta, &artifacts)?;
        artifacts.insert(artifact.clone(), meta);
        Ok(meta)
    }

    /// Ends the draft: brings everything to disk, reads every file back and compares it with its digest, writes the
    /// index and the record. The record's counts are filled in; its version is the draft's.
    ///
    /// # Errors
    /// [`StoreError::ArtifactDamaged`] and [`StoreError::ArtifactSize`] if a file is not what was put, or
    /// a [disk error](StoreError#disk-errors) when a file cannot be read, written or synced. The draft stays on disk.
    pub fn prepare(self, record: ReleaseRecord) -> Result<Prepared<'w>, StoreError> {
        Prepared::make(self, record)
    }

    /// Removes the draft.
    ///
    /// # Errors
    /// A [disk error](StoreError#disk-errors) when a file cannot be removed.
    pub fn discard(self) -> Result<(), StoreError> {
        self.store.disk().remove(&self.folder)
    }

    /// Where the file of an artifact is before its release.
    pub(crate) fn staged(&self, artifact: &Artifact) -> PathBuf {
        self.folder.join("content").join(artifact.to_string())
    }

    pub(crate) fn artifacts(&self) -> MutexGuard<'_, BTreeMap<Artifact, ArtifactMeta>> {
        self.artifacts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scratch(&self) -> PathBuf {
        self.folder.join("scratch").join(self.scratch_count.fetch_add(1, Ordering::Relaxed).to_string())
    }

    fn known(
        &self,
        artifact: &Artifact,
        artifacts: &BTreeMap<Artifact, ArtifactMeta>,
    ) -> Result<Option<ArtifactMeta>, StoreError> {
        match (artifacts.get(artifact), &self.released) {
            (Some(meta), _) => Ok(Some(*meta)),
            (None, Some(released)) => released.get(artifact),
            (None, None) => Ok(None),
        }
    }

    /// True if the artifact is there with these bytes, false if it is not there.
    fn compare(
        &self,
        artifact: &Artifact,
        meta: ArtifactMeta,
        artifacts: &BTreeMap<Artifact, ArtifactMeta>,
    ) -> Result<bool, StoreError> {
        match self.known(artifact, artifacts)? {
            None => Ok(false),
            Some(known) if known == meta => Ok(true),
            Some(_) => Err(StoreError::DifferentBytes { version: self.version, artifact: artifact.clone() }),
        }
    }

    /// Gives a finished scratch file its name. Under the lock: of two threads with the same artifact, one finds it
    /// there.
    fn place(&self, artifact: &Artifact, scratch: &Path, meta: ArtifactMeta) -> Result<PutOutcome, StoreError> {
        let mut artifacts = self.artifacts();
        if self.compare(artifact, meta, &artifacts)? {
            return Ok(PutOutcome::AlreadyThere(meta));
        }
        let (disk, path) = (self.store.disk(), self.staged(artifact));
        match disk.rename(scratch, &path) {
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                disk.create_folder(path.parent().unwrap_or(&self.folder))?;
                disk.rename(scratch, &path)?;
            }
            other => other?,
        }
        artifacts.insert(artifact.clone(), meta);
        Ok(PutOutcome::Written(meta))
    }
}

/// Counts and digests what is written, and remembers whether an error was the disk's or the source's.
struct ArtifactWriter {
    out: BufWriter<DiskFile>,
    hasher: Hasher,
    size: u64,
    disk_failed: bool,
}

impl ArtifactWriter {
    fn new(file: DiskFile) -> Self {
        Self { out: BufWriter::with_capacity(BUFFER, file), hasher: Hasher::new(), size: 0, disk_failed: false }
    }

    fn meta(&self) -> ArtifactMeta {
        ArtifactMeta { size: self.size, sha256: self.hasher.clone().finish() }
    }

    /// Writes what is still in memory.
    fn finish(&mut self) -> io::Result<()> {
        self.out.flush().inspect_err(|_| self.disk_failed = true)
    }
}

impl Write for ArtifactWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes).inspect_err(|_| self.disk_failed = true)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        // The caller's flushes would only make small writes; the end flushes.
        Ok(())
    }
}

const BUFFER: usize = 128 << 10;

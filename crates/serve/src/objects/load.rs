//! Reading an object from the origin and comparing it with the index; for threads that may block.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clearwell_format::Resource;
use clearwell_metrics::Metrics;
use clearwell_store::disk::Operation;
use clearwell_store::{ArtifactMeta, Digest, StoreError};

use crate::check::{self, Check, Checker};
use crate::object::{Object, ObjectFile, ObjectMeta};
use crate::objects::checks::Checks;
use crate::origin::{Download, Opened, Origin, OriginError};
use crate::verified::{Stamp, VerifiedFile};

/// Files up to this size are compared before they are answered with, which takes a millisecond; larger ones are checked
/// while they are sent.
const CHECKED_FIRST_BYTES: u64 = 1 << 20;

/// Reads one object.
pub(super) struct Loader {
    pub(super) origin: Arc<dyn Origin>,
    pub(super) resource: Resource,
    pub(super) meta: ObjectMeta,
    pub(super) checks: Arc<Checks>,
    pub(super) metrics: Arc<Metrics>,
}

/// An object for memory.
pub(super) enum Small {
    Read(Object),
    /// Its bytes are still on their way to the origin.
    Arriving(Download),
}

/// An object of any size, ready to be answered with.
pub(super) struct Large {
    pub(super) object: Object,
    /// What answers have to follow.
    pub(super) pending: Option<Pending>,
}

/// A verdict that is still to come.
pub(super) enum Pending {
    /// Of a complete file, once it is read.
    Check(Unchecked),
    /// Of a file that is arriving, once it is complete.
    Arrival(Check),
}

/// A file that is to be read and compared.
pub(super) struct Unchecked {
    file: Arc<VerifiedFile>,
    checker: Checker,
    stamp: Stamp,
    expected: Digest,
    path: PathBuf,
}

impl Loader {
    fn open(&self) -> Result<Opened, OriginError> {
        let Resource::Artifact { version, artifact } = &self.resource else { return Err(OriginError::Absent) };
        let meta = ArtifactMeta { size: self.meta.size, sha256: self.meta.digest };
        self.origin.open(*version, artifact, &meta)
    }

    pub(super) fn load_small(&self) -> Result<Small, OriginError> {
        match self.open()? {
            Opened::File { file, path } => self.read(&file, &path).map(Small::Read),
            Opened::Bytes(bytes) => self.object_of(&bytes).map(Small::Read),
            Opened::Stream(download) => Ok(Small::Arriving(download)),
        }
    }

    pub(super) fn load_large(&self) -> Result<Large, OriginError> {
        match self.open()? {
            Opened::File { file, path } => self.open_large(file, path),
            Opened::Bytes(bytes) => Ok(Large { object: self.object_of(&bytes)?, pending: None }),
            Opened::Stream(download) => {
                let check = download.check.clone();
                let file = VerifiedFile::arriving(download, self.meta.digest, Arc::clone(&self.metrics));
                Ok(Large { object: self.object_in(file), pending: Some(Pending::Arrival(check)) })
            }
        }
    }

    /// The object in a file that has arrived.
    pub(super) fn read_arrived(&self, download: &Download) -> Result<Object, OriginError> {
        self.read(&download.file, Path::new(&self.resource.to_string()))
    }

    fn read(&self, file: &File, path: &Path) -> Result<Object, OriginError> {
        let mut bytes = Vec::new();
        // One byte more than the index says: a file that grew has another digest.
        let read = file.take(self.meta.size.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|source| failed(path, source))?;
        self.object_of(&bytes)
    }

    fn object_of(&self, bytes: &[u8]) -> Result<Object, OriginError> {
        self.metrics.objects.hashed_bytes.inc_by(bytes.len() as u64);
        compare(&self.resource, self.meta.digest, Digest::of(bytes))?;
        Ok(Object::of_bytes(&self.resource, &self.meta, bytes))
    }

    fn object_in(&self, file: VerifiedFile) -> Object {
        Object::of_file(&self.resource, &self.meta, ObjectFile::new(&self.meta, Arc::new(file)))
    }

    fn open_large(&self, file: File, path: PathBuf) -> Result<Large, OriginError> {
        let expected = self.meta.digest;
        // Before the bytes are read: what is written meanwhile shows.
        let stamp = Stamp::settled(&file).map_err(|source| failed(&path, source))?;
        let verified = |file, check| VerifiedFile::new(file, stamp, expected, check, Arc::clone(&self.metrics));
        if let Some(check) = self.checks.of(&stamp, expected) {
            return Ok(Large { object: self.object_in(verified(file, check)), pending: None });
        }
        if self.meta.size <= CHECKED_FIRST_BYTES {
            let found = check::digest(&file, &self.metrics, |_| {}).map_err(|source| failed(&path, source))?;
            compare(&self.resource, expected, found)?;
            self.checks.remember(stamp, expected, Check::sound());
            return Ok(Large { object: self.object_in(verified(file, Check::sound())), pending: None });
        }
        let (checker, check) = check::begin();
        self.checks.remember(stamp, expected, check.clone());
        let file = Arc::new(verified(file, check));
        let unchecked = Unchecked { file: Arc::clone(&file), checker, stamp, expected, path };
        let object = Object::of_file(&self.resource, &self.meta, ObjectFile::new(&self.meta, file));
        Ok(Large { object, pending: Some(Pending::Check(unchecked)) })
    }
}

impl Unchecked {
    /// Reads the file and compares it. Answers follow.
    pub(super) fn check(self, resource: &Resource, checks: &Checks, metrics: &Metrics) -> Result<(), OriginError> {
        let Self { file, checker, stamp, expected, path } = self;
        let found = checker.run(&file.file, expected, metrics).map_err(|source| failed(&path, source))?;
        compare(resource, expected, found)?;
        checks.remember(stamp, expected, Check::sound());
        Ok(())
    }
}

fn compare(resource: &Resource, expected: Digest, found: Digest) -> Result<(), StoreError> {
    if found == expected {
        return Ok(());
    }
    Err(StoreError::ArtifactDamaged { resource: Box::new(resource.clone()), expected, found })
}

fn failed(path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { operation: Operation::Read, path: path.to_owned(), source }
}

//! An object ready to be served: what it is, and where its bytes are.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use bytes::Bytes;
use clearwell_format::resource::{Artifact, Pointer};
use clearwell_store::{ArtifactMeta, Digest};

use crate::etag::Etag;

/// What headers say about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectMeta {
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) etag: Etag,
    pub(crate) content_type: &'static str,
    pub(crate) lifetime: Lifetime,
}

/// How long a cache may keep an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Released: the bytes under this name never change.
    Immutable,
    /// A pointer: to be asked again each time.
    Revalidated,
}

impl ObjectMeta {
    /// Of an artifact, as the index has it.
    pub(crate) fn of_artifact(artifact: &Artifact, meta: &ArtifactMeta) -> Self {
        let content_type = match artifact {
            Artifact::Manifest(_)
            | Artifact::Format
            | Artifact::GeneratorVersion
            | Artifact::UpstreamUrl
            | Artifact::UpstreamVersion => TEXT,
            Artifact::ManifestTar(_)
            | Artifact::MomSignature
            | Artifact::DeltaManifest { .. }
            | Artifact::Fullfile(_)
            | Artifact::Pack { .. }
            | Artifact::Delta(_) => BINARY,
        };
        let etag = Etag::of_digest(meta.sha256.as_bytes());
        Self { size: meta.size, etag, content_type, lifetime: Lifetime::Immutable }
    }
}

/// An object whose bytes have been compared with the index.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) meta: ObjectMeta,
    pub(crate) source: Source,
}

/// Where the bytes of an object are.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// In memory.
    Memory(Bytes),
    /// In an open file, read by position.
    File {
        /// The file.
        file: Arc<File>,
        /// What it was when its bytes were compared.
        stamp: Stamp,
    },
}

/// Size and times of a file: bytes that are written into it change them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

impl Object {
    /// A pointer of some generation.
    pub(crate) fn of_pointer(pointer: Pointer, bytes: &[u8]) -> Self {
        let content_type = match pointer {
            Pointer::Latest(_) | Pointer::First(_) | Pointer::LatestVersion => TEXT,
            Pointer::LatestSignature(_) | Pointer::LatestVersionSignature => BINARY,
        };
        let meta = ObjectMeta {
            size: bytes.len() as u64,
            etag: Etag::of_digest(Digest::of(bytes).as_bytes()),
            content_type,
            lifetime: Lifetime::Revalidated,
        };
        Self { meta, source: Source::Memory(Bytes::copy_from_slice(bytes)) }
    }

    /// True if the bytes are still those that were compared. What lies in memory is; a file may have been written to.
    pub(crate) fn is_unchanged(&self) -> bool {
        match &self.source {
            Source::Memory(_) => true,
            Source::File { file, stamp } => Stamp::of(file).is_ok_and(|now| now == *stamp),
        }
    }

    /// A part of the bytes. The part lies within the size.
    pub(crate) fn part(&self, part: Range<u64>) -> Segment {
        match &self.source {
            Source::Memory(bytes) => {
                let at = |position: u64| usize::try_from(position).expect("what lies in memory has an address");
                Segment::Memory(bytes.slice(at(part.start)..at(part.end)))
            }
            Source::File { file, .. } => Segment::File { file: Arc::clone(file), part },
        }
    }
}

/// A piece of a body.
#[derive(Clone, Debug)]
pub(crate) enum Segment {
    /// Bytes in memory.
    Memory(Bytes),
    /// A part of a file.
    File {
        /// The file.
        file: Arc<File>,
        /// Which bytes of it.
        part: Range<u64>,
    },
}

const TEXT: &str = "text/plain; charset=utf-8";
const BINARY: &str = "application/octet-stream";

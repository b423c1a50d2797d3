//! An object ready to be served: its metadata, and where its bytes are.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use clearwell_format::resource::{Artifact, Pointer, ResourceKind};
use clearwell_format::{BundleName, ManifestName, Resource, Version};
use clearwell_http::etag::Etag;
use clearwell_metrics::FleetRequest;
use clearwell_store::{ArtifactMeta, Digest};

use crate::respond;
use crate::verified::VerifiedFile;

/// The metadata of an object, of which its headers are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectMeta {
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) digest: Digest,
    pub(crate) etag: Etag,
    pub(crate) content_type: &'static str,
    pub(crate) lifetime: Lifetime,
}

/// How long a cache may keep an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Released: the bytes under this name never change.
    Immutable,
    /// A pointer: to be revalidated each time.
    Revalidated,
}

impl ObjectMeta {
    /// Of an artifact with this entry in the index.
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
        Self { size: meta.size, digest: meta.sha256, etag, content_type, lifetime: Lifetime::Immutable }
    }
}

/// An object that is served: its bytes were compared with the index, or follow a check that does.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) meta: ObjectMeta,
    pub(crate) kind: ResourceKind,
    /// What a request for it tells about an endpoint, if anything.
    pub(crate) tells: Option<FleetRequest>,
    pub(crate) source: Source,
}

/// Where the bytes of an object are.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// In memory, behind the header of their answer.
    Memory(Block),
    /// In an open file, read by position.
    File(ObjectFile),
}

/// The whole answer with status 200 except for its first lines: header, empty line and bytes in one piece.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) bytes: Bytes,
    pub(crate) head_length: usize,
}

/// A large object.
#[derive(Clone, Debug)]
pub(crate) struct ObjectFile {
    pub(crate) file: Arc<VerifiedFile>,
    /// The header of its answer with status 200, except for its first lines.
    pub(crate) head: Bytes,
}

impl Block {
    fn new(meta: &ObjectMeta, body: &[u8]) -> Self {
        let head = respond::head_of(meta);
        let mut bytes = Vec::with_capacity(head.len() + body.len());
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(body);
        // Boxed: no more memory than the budget counts.
        Self { bytes: bytes.into_boxed_slice().into(), head_length: head.len() }
    }

    /// What is sent for GET, or for HEAD.
    fn answer(&self, is_head: bool) -> &[u8] {
        if is_head { &self.bytes[..self.head_length] } else { &self.bytes }
    }
}

impl ObjectFile {
    pub(crate) fn new(meta: &ObjectMeta, file: Arc<VerifiedFile>) -> Self {
        Self { file, head: respond::head_of(meta).into() }
    }
}

impl Object {
    /// An artifact with its bytes.
    pub(crate) fn of_bytes(resource: &Resource, meta: &ObjectMeta, bytes: &[u8]) -> Self {
        Self::of_source(resource, meta, Source::Memory(Block::new(meta, bytes)))
    }

    /// An artifact in an open file.
    pub(crate) fn of_file(resource: &Resource, meta: &ObjectMeta, file: ObjectFile) -> Self {
        Self::of_source(resource, meta, Source::File(file))
    }

    fn of_source(resource: &Resource, meta: &ObjectMeta, source: Source) -> Self {
        let tells = match resource {
            Resource::Artifact { version, artifact } => fleet_request(*version, artifact),
            _ => None,
        };
        Self { meta: meta.clone(), kind: resource.kind(), tells, source }
    }

    /// A pointer.
    pub(crate) fn of_pointer(pointer: Pointer, bytes: &[u8]) -> Self {
        let content_type = match pointer {
            pointer if pointer.is_signature() => BINARY,
            _ => TEXT,
        };
        let digest = Digest::of(bytes);
        let meta = ObjectMeta {
            size: bytes.len() as u64,
            digest,
            etag: Etag::of_digest(digest.as_bytes()),
            content_type,
            lifetime: Lifetime::Revalidated,
        };
        let source = Source::Memory(Block::new(&meta, bytes));
        Self { meta, kind: ResourceKind::Pointer, tells: None, source }
    }

    /// True if the bytes are still those that were compared, as bytes in memory always are. A file may have been written
    /// to, or its check may have failed.
    pub(crate) fn is_unchanged(&self) -> bool {
        match &self.source {
            Source::Memory(_) => true,
            Source::File(file) => file.file.check.may_be_sound() && file.file.confirm().is_ok(),
        }
    }

    /// The whole answer with status 200 except for its first lines, and the length of its header; `None` if bytes of a
    /// file belong to it.
    pub(crate) fn at_once(&self, is_head: bool) -> Option<(&[u8], usize)> {
        match &self.source {
            Source::Memory(block) => Some((block.answer(is_head), block.head_length)),
            Source::File(file) if is_head => Some((&file.head, file.head.len())),
            Source::File(_) => None,
        }
    }

    /// Prefetches the memory of the whole answer, which is soon copied to a socket: it is loaded while that is prepared.
    pub(crate) fn prefetch(&self) {
        if let Source::Memory(block) = &self.source {
            for offset in (0..block.bytes.len().min(PREFETCHED_BYTES)).step_by(64) {
                prefetch(&block.bytes, offset);
            }
        }
    }

    /// A part of the bytes, which is within the size.
    pub(crate) fn part(&self, part: Range<u64>) -> Segment {
        match &self.source {
            Source::Memory(Block { bytes, head_length }) => {
                // The size of a block is a `usize`, and the part is within it.
                Segment::Memory(bytes.slice(head_length + part.start as usize..head_length + part.end as usize))
            }
            Source::File(file) => Segment::File(FilePart { file: Arc::clone(&file.file), part }),
        }
    }
}

/// What a request for an artifact tells about an endpoint, if anything.
fn fleet_request(version: Version, artifact: &Artifact) -> Option<FleetRequest> {
    match artifact {
        Artifact::DeltaManifest { from, .. } | Artifact::Pack { from: Some(from), .. } => {
            Some(FleetRequest::Delta { from: *from, to: version })
        }
        Artifact::Pack { from: None, bundle } if *bundle == BundleName::os_core() => {
            Some(FleetRequest::Installation(version))
        }
        Artifact::ManifestTar(ManifestName::Mom) => Some(FleetRequest::Mom(version)),
        _ => None,
    }
}

/// A piece of a body.
#[derive(Clone, Debug)]
pub(crate) enum Segment {
    /// Bytes in memory.
    Memory(Bytes),
    /// A part of a file.
    File(FilePart),
}

/// A part of a file.
#[derive(Clone, Debug)]
pub(crate) struct FilePart {
    pub(crate) file: Arc<VerifiedFile>,
    /// The bytes of it, by position.
    pub(crate) part: Range<u64>,
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(unsafe_code, reason = "the compiler has no safe prefetch")]
fn prefetch(bytes: &[u8], offset: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch is a hint and faults at no address; nothing is read.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().wrapping_add(offset).cast()) }
}

#[cfg(not(target_arch = "x86_64"))]
fn prefetch(_bytes: &[u8], _offset: usize) {}

const PREFETCHED_BYTES: usize = 4096;
const TEXT: &str = "text/plain; charset=utf-8";
const BINARY: &str = "application/octet-stream";

//! Where content comes from: a local store, and later a bucket behind a cache, or a mirror of an upstream.
//!
//! ```text
//!          every second, and when a connection reads its first pointer     generation  -> changed? -> snapshot
//! request: object cached?  yes -> served, the origin is not asked
//!                          no  -> lookup_cached, lookup  -> size and digest, or why there are none
//!                                 open                   -> file, bytes, or a file that is still arriving
//! ```
//!
//! Always true: an origin is asked on misses only, and what it delivers is compared with the digest of the index
//! before its last byte is sent. So a faulty origin cannot cause wrong bytes to be served.
//!
//! | origin | file |
//! |---|---|
//! | a store on this machine | `local` |
//!
//! Elsewhere: what is cached is `objects`; which pointers a request sees is `pointer_view`; statuses are `site`.

mod download;
mod local;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::path::PathBuf;

use bytes::Bytes;
use clearwell_format::Version;
use clearwell_format::resource::Artifact;
use clearwell_store::{ArtifactMeta, Fault, PointerGeneration, StoreError};

pub use download::{Download, DownloadWriter};
pub(crate) use local::LocalOrigin;

/// What the server asks for content.
///
/// All methods are called from several threads. [`Origin::generation`] and [`Origin::lookup_cached`] are called
/// by threads that serve requests and must not wait for a disk or a network; the others run where blocking is allowed.
pub trait Origin: fmt::Debug + Send + Sync + 'static {
    /// The number of the current generation of pointers, which grows with each publication. Asked often.
    ///
    /// # Errors
    /// [`OriginError::Damaged`] or [`OriginError::Unreachable`]; the last snapshot is served meanwhile.
    fn generation(&self) -> Result<u64, OriginError>;

    /// What is published now. Lookups that begin after it returned see the artifacts of its generation.
    ///
    /// # Errors
    /// As [`Origin::generation`].
    fn snapshot(&self) -> Result<Snapshot, OriginError>;

    /// Bytes that can still be written where the content is; `None` if that is unknown.
    fn free_bytes(&self) -> Option<u64> {
        None
    }

    /// As [`Origin::lookup`] if the answer needs no waiting; `None` if it might.
    fn lookup_cached(&self, version: Version, artifact: &Artifact) -> Option<Result<ArtifactMeta, OriginError>>;

    /// Size and digest of an artifact. Not asked for versions above [`Snapshot::newest`].
    ///
    /// # Errors
    /// [`OriginError::Absent`] only for what will never be there: clients do not ask for it again.
    fn lookup(&self, version: Version, artifact: &Artifact) -> Result<ArtifactMeta, OriginError>;

    /// The bytes of an artifact that [`Origin::lookup`] found. Concurrent requests for one artifact share one call.
    ///
    /// # Errors
    /// As [`Origin::lookup`]. After [`OriginError::Damaged`] and [`OriginError::Unreachable`] the artifact is refused for
    /// some seconds before the origin is asked again.
    fn open(&self, version: Version, artifact: &Artifact, meta: &ArtifactMeta) -> Result<Opened, OriginError>;
}

/// What is published.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The pointers of the default channel.
    pub pointers: PointerGeneration,
    /// The newest version that endpoints may have. Anything above it is not here *yet*.
    pub newest: Option<Version>,
    /// When the releases that the pointers name were published, in seconds since the epoch, as far as it is known.
    pub published: BTreeMap<Version, i64>,
    /// Number of releases.
    pub releases: usize,
    /// Of all releases, in bytes.
    pub size_bytes: u64,
}

/// The bytes of an artifact.
#[derive(Debug)]
pub enum Opened {
    /// A complete file. Large ones are sent without a copy.
    File {
        /// Open for reading.
        file: File,
        /// Its path, for messages.
        path: PathBuf,
    },
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file that is still arriving. Answers follow it as it grows.
    Stream(Download),
}

/// Why an origin has no answer.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// The artifact does not exist, and never will: 404.
    #[error("not part of a release")]
    Absent,
    /// It may come: 503.
    #[error("not available yet")]
    NotYet,
    /// It is there, and is not what it should be: 503.
    #[error(transparent)]
    Damaged(Box<dyn Error + Send + Sync>),
    /// It cannot be read now: 503.
    #[error(transparent)]
    Unreachable(Box<dyn Error + Send + Sync>),
}

impl OriginError {
    /// What kind of trouble it is, for exit codes and retries.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Absent | Self::NotYet => Fault::Version,
            Self::Damaged(source) => source.downcast_ref().map_or(Fault::Store, StoreError::fault),
            Self::Unreachable(source) => source.downcast_ref().map_or(Fault::Network, StoreError::fault),
        }
    }
}

impl OriginError {
    /// The error of a store, if it is one.
    pub(crate) fn into_store_error(self) -> Result<StoreError, Self> {
        let of = |variant: fn(Box<dyn Error + Send + Sync>) -> Self, source: Box<dyn Error + Send + Sync>| {
            source.downcast::<StoreError>().map(|error| *error).map_err(variant)
        };
        match self {
            Self::Damaged(source) => of(Self::Damaged, source),
            Self::Unreachable(source) => of(Self::Unreachable, source),
            Self::Absent | Self::NotYet => Err(self),
        }
    }
}

impl From<StoreError> for OriginError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::UnknownVersion { .. } | StoreError::NoSuchResource(_) => Self::Absent,
            StoreError::ArtifactDamaged { .. }
            | StoreError::ArtifactSize { .. }
            | StoreError::IndexDamaged { .. }
            | StoreError::RecordDamaged { .. }
            | StoreError::PointersDamaged { .. } => Self::Damaged(Box::new(error)),
            other => Self::Unreachable(Box::new(other)),
        }
    }
}

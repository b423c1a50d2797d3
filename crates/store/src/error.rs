//! What can go wrong with a store.

use std::io;
use std::path::{Path, PathBuf};

use clearwell_format::archive::ArchiveError;
use clearwell_format::manifest::ParseError;
use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, Resource, Version};

use crate::backup::BackupRefusal;
use crate::disk::Operation;
use crate::index::IndexDamage;
use crate::regular::NotRegular;
use crate::{Digest, DiscardRefusal, LayoutVersion};

/// A failure of the store. Each message names the object and, where there is one, the remedy.
///
/// # Disk errors
/// Reading and writing can end in [`NoSpace`](Self::NoSpace), [`NotPermitted`](Self::NotPermitted),
/// [`AcrossFileSystems`](Self::AcrossFileSystems), [`NotRegular`](Self::NotRegular) or [`Io`](Self::Io), told apart by
/// what the operator can do: see [`StoreError::io`].
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder has no layout stamp.
    #[error("{} is not a Clearwell store: it has no meta/layout; create one with init or adopt", .path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// The folder has a store already.
    #[error("{} is already a Clearwell store", .path.display())]
    StoreExists {
        /// The folder.
        path: PathBuf,
    },
    /// A new store would mix with other files.
    #[error("{} is not empty ({found} is there); give an empty or new folder for the store", .path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// Written by a newer program.
    #[error("store layout {found} is newer than this program's {supported}; use a newer clearwell", supported = LayoutVersion::CURRENT)]
    LayoutTooNew {
        /// What the stamp says.
        found: LayoutVersion,
    },
    /// There are releases, and no stamp says how to read them.
    #[error("the layout stamp {} is missing, and there are releases; restore it from a backup, its text is {stamp:?}", .path.display())]
    StampMissing {
        /// The stamp.
        path: PathBuf,
        /// What this program's layout has there.
        stamp: String,
    },
    /// The stamp is not one of a store.
    #[error("the layout stamp {} cannot be parsed; restore it from a backup", .path.display())]
    LayoutUnreadable {
        /// The stamp.
        path: PathBuf,
    },
    /// Another writer is at work.
    #[error("the store is locked by {by}; wait for it to end")]
    Locked {
        /// Process and command of the holder, as it wrote them.
        by: String,
    },
    /// The version was released before.
    #[error("version {version} exists already; released versions never change, choose a higher one")]
    VersionExists {
        /// The version.
        version: Version,
    },
    /// Endpoints or other releases may need the version, so it is neither discarded nor built again.
    #[error("release {version} {reason}")]
    NotDiscardable {
        /// The version.
        version: Version,
        /// Why not.
        reason: DiscardRefusal,
    },
    /// The store does not have the release.
    #[error("there is no release {version} in the store")]
    UnknownVersion {
        /// The version.
        version: Version,
    },
    /// A folder is where a release would go, and it is not that of a draft.
    #[error("{} is in the way and does not belong to a release; move it away", .path.display())]
    StrayFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The release does not have the artifact.
    #[error("the store has no {0}")]
    NoSuchResource(Box<Resource>),
    /// A tree to adopt or verify that does not exist.
    #[error("folder {} does not exist; give the published tree, which mixer keeps in update/www", .path.display())]
    NoTree {
        /// The folder.
        path: PathBuf,
    },
    /// A tree to adopt or verify that has no release.
    #[error("{} has no numbered folders; give the published tree, which mixer keeps in update/www", .path.display())]
    NotContent {
        /// The folder.
        path: PathBuf,
    },
    /// Two different contents for one artifact.
    #[error("{version}/{artifact} was written twice with different bytes")]
    DifferentBytes {
        /// The version.
        version: Version,
        /// The artifact.
        artifact: Artifact,
    },
    /// The bytes on disk are not those that were stored.
    #[error(
        "{resource} is damaged: its SHA-256 is {found} instead of {expected}; run check --repair, restore it, or adopt it again"
    )]
    ArtifactDamaged {
        /// What is damaged.
        resource: Box<Resource>,
        /// From the index.
        expected: Digest,
        /// Of the bytes.
        found: Digest,
    },
    /// The file of an artifact is gone or has another size.
    #[error(
        "{resource} is damaged: it has {found} bytes instead of {expected}; run check --repair, restore it, or adopt it again"
    )]
    ArtifactSize {
        /// What is damaged.
        resource: Box<Resource>,
        /// From the index.
        expected: u64,
        /// Of the file; 0 if it is gone.
        found: u64,
    },
    /// The index of a release cannot be trusted.
    #[error("the index {} is damaged; run check --repair, or restore it from a backup", .path.display())]
    IndexDamaged {
        /// The index.
        path: PathBuf,
        /// What is wrong with it.
        source: IndexDamage,
    },
    /// A release record cannot be read.
    #[error("the release record {} is damaged; run check --repair, or restore it from a backup", .path.display())]
    RecordDamaged {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// `content/version` or its target is not as a writer left it.
    #[error("the pointers {} are damaged: {reason}; publish a release again", .path.display())]
    PointersDamaged {
        /// The link or the generation's folder.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// A pointer that does not name a release.
    #[error("the pointer {pointer} would not name a release of this store")]
    PointerToNothing {
        /// Its path.
        pointer: String,
    },
    /// A manifest cannot be parsed.
    #[error("{resource} is not a manifest that clients can read")]
    Manifest {
        /// The manifest.
        resource: Box<Resource>,
        /// What is wrong with it.
        source: ParseError,
    },
    /// An archive cannot be read.
    #[error("{resource} is not an archive that clients can read")]
    Archive {
        /// The archive.
        resource: Box<Resource>,
        /// What is wrong with it.
        source: ArchiveError,
    },
    /// A manifest is not the one its MoM names.
    #[error("{resource} has the file hash {found}, but the MoM has {expected}")]
    ManifestHash {
        /// The manifest.
        resource: Box<Resource>,
        /// From the MoM.
        expected: FileHash,
        /// Of the bytes.
        found: FileHash,
    },
    /// A backup or a restoration cannot begin, or cannot go on, as it would harm one of the two copies.
    #[error("{reason}")]
    BackupRefused {
        /// Why.
        reason: BackupRefusal,
    },
    /// The operator asked for an end, see [`Progress`](crate::progress::Progress).
    #[error("interrupted")]
    Cancelled,
    /// The source of an artifact failed while it was stored.
    #[error("failed to make {version}/{artifact}")]
    Content {
        /// The version.
        version: Version,
        /// The artifact.
        artifact: Artifact,
        /// The source's own error.
        source: io::Error,
    },
    /// A FIFO, a link, a folder or the like instead of a file.
    #[error("{} cannot be used; move it away and run check --repair", .path.display())]
    NotRegular {
        /// Where.
        path: PathBuf,
        /// What was found there.
        source: NotRegular,
    },
    /// The disk or a quota is full.
    #[error("no space left to {operation} {}; free some space and try again (nothing was released)", .path.display())]
    NoSpace {
        /// What was tried.
        operation: Operation,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The permissions, or a read-only file system, forbid it.
    #[error("not permitted to {operation} {}; run as the owner of the store or change its permissions", .path.display())]
    NotPermitted {
        /// What was tried.
        operation: Operation,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// `content` and `meta` are on different file systems.
    #[error("cannot {operation} {} across file systems; keep the whole store on one file system", .path.display())]
    AcrossFileSystems {
        /// What was tried.
        operation: Operation,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Any other failure of the system.
    #[error("failed to {operation} {}", .path.display())]
    Io {
        /// What was tried.
        operation: Operation,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl StoreError {
    /// A failed system call, told apart by what the operator can do about it.
    pub fn io(operation: Operation, path: &Path, source: io::Error) -> Self {
        use io::ErrorKind;
        let path = path.to_owned();
        if let Some(found) = source.get_ref().and_then(|inner| inner.downcast_ref::<NotRegular>()) {
            return Self::NotRegular { path, source: *found };
        }
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::NoSpace { operation, path, source },
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Self::NotPermitted { operation, path, source }
            }
            ErrorKind::CrossesDevices => Self::AcrossFileSystems { operation, path, source },
            _ => Self::Io { operation, path, source },
        }
    }

    /// The cause, for exit codes and retries.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Locked { .. } => Fault::Locked,
            Self::VersionExists { .. }
            | Self::NotDiscardable { .. }
            | Self::UnknownVersion { .. }
            | Self::PointerToNothing { .. } => Fault::Version,
            Self::BackupRefused { reason } => reason.fault(),
            Self::NotAStore { .. }
            | Self::StoreExists { .. }
            | Self::NotEmpty { .. }
            | Self::LayoutTooNew { .. }
            | Self::LayoutUnreadable { .. }
            | Self::StampMissing { .. }
            | Self::StrayFolder { .. }
            | Self::NoSuchResource(_)
            | Self::ArtifactDamaged { .. }
            | Self::ArtifactSize { .. }
            | Self::NotRegular { .. }
            | Self::IndexDamaged { .. }
            | Self::RecordDamaged { .. }
            | Self::PointersDamaged { .. }
            | Self::Manifest { .. }
            | Self::Archive { .. }
            | Self::ManifestHash { .. } => Fault::Store,
            Self::Content { .. } | Self::NoTree { .. } | Self::NotContent { .. } => Fault::Input,
            Self::NoSpace { .. } | Self::NotPermitted { .. } | Self::AcrossFileSystems { .. } | Self::Io { .. } => {
                Fault::Disk
            }
            Self::DifferentBytes { .. } => Fault::Internal,
            Self::Cancelled => Fault::Cancelled,
        }
    }
}

/// The cause of an error of any of our libraries: exit codes and retries depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The command line, or a configuration file.
    Usage,
    /// What was to be read is missing or cannot be used as it is.
    Input,
    /// The version or format asked for exists, or does not, or does not follow.
    Version,
    /// Endpoints would be harmed.
    Guard,
    /// Another writer has the lock; a retry may succeed.
    Locked,
    /// The store is damaged, of a newer layout, or not a store.
    Store,
    /// A key, a certificate or a signing command cannot be used.
    Signing,
    /// Space, permissions, hardware.
    Disk,
    /// An address cannot be used, or a server does not answer.
    Network,
    /// There is nothing to do.
    NothingToDo,
    /// The system refused memory or a thread.
    Memory,
    /// A bug of this program.
    Internal,
    /// The work was told to stop.
    Cancelled,
}

//! What can be wrong with a store, or with a tree that is adopted.

use std::io;
use std::path::{Path, PathBuf};

use clearwell_format::manifest::ParseError;
use clearwell_format::printable::chain;
use clearwell_format::{BundleName, EntryPath, FileHash, FormatNumber, Resource, Version};
use clearwell_sign::VerifyError;
use schemars::JsonSchema;
use serde::Serialize;

use super::ContentDefect;
use crate::{Digest, IndexDamage, Layout, StoreError};

/// Something wrong with one file.
#[derive(Debug)]
pub struct Defect {
    /// The file: below the folder of the store, or below the tree that is adopted.
    pub path: PathBuf,
    /// The artifact or pointer, if it is one.
    pub resource: Option<Resource>,
    /// What is wrong.
    pub kind: DefectKind,
}

impl Defect {
    /// Of an artifact or pointer of a store.
    pub(crate) fn in_store(resource: Resource, kind: DefectKind) -> Self {
        Self { path: Path::new("content").join(resource.to_string()), resource: Some(resource), kind }
    }

    /// Of another file of a store.
    pub(crate) fn of_file(path: &Path, layout: &Layout, kind: DefectKind) -> Self {
        let path = path.strip_prefix(layout.root()).unwrap_or(path).to_owned();
        Self { path, resource: None, kind }
    }

    /// Of an artifact or pointer of a tree.
    pub(crate) fn in_tree(resource: Resource, kind: DefectKind) -> Self {
        Self { path: PathBuf::from(resource.to_string()), resource: Some(resource), kind }
    }

    /// Of another file of a tree, or of the folder of a version.
    pub(crate) fn at(path: impl Into<PathBuf>, kind: DefectKind) -> Self {
        Self { path: path.into(), resource: None, kind }
    }

    /// What is wrong, with its causes, in one line.
    pub fn problem(&self) -> String {
        chain(&self.kind)
    }
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum DefectKind {
    // Any file.
    /// The file is gone.
    #[error("the file is missing")]
    Missing,
    /// It has another size.
    #[error("it has {found} bytes instead of {expected}")]
    Size {
        /// From the index.
        expected: u64,
        /// Of the file.
        found: u64,
    },
    /// It has other bytes.
    #[error("its SHA-256 is {found} instead of {expected}")]
    Digest {
        /// From the index.
        expected: Digest,
        /// Of the file.
        found: Digest,
    },
    /// The file system or its permissions refuse it.
    #[error("it cannot be read")]
    Unreadable(#[source] io::Error),
    /// It does not contain what its name promises.
    #[error(transparent)]
    Content(ContentDefect),
    /// The store has the release with other bytes.
    #[error("it differs from the file that the store adopted earlier")]
    DiffersFromStore,
    /// A file of the public tree that no index names.
    #[error("it does not belong to any release")]
    Stray,
    /// A file that is not part of the protocol.
    #[error("it is not a file of the protocol")]
    Unknown,

    // The metadata of a store.
    /// The index of a version.
    #[error("the index cannot be used: {0}")]
    Index(IndexDamage),
    /// The record of a release.
    #[error("the record cannot be read: {0}")]
    Record(String),
    /// Index and content of a version that has no record: readers do not see it.
    #[error("version {version} has content and an index, but no record: it is not served")]
    RecordMissing {
        /// The version.
        version: Version,
    },
    /// The record and the MoM of a release disagree.
    #[error("its {field} differs from the MoM of the release")]
    RecordDiffers {
        /// The key of the record.
        field: &'static str,
    },
    /// The record counts other artifacts than the index has.
    #[error("the record counts {recorded} artifacts, but the index has {indexed}")]
    RecordCounts {
        /// From the record.
        recorded: u64,
        /// From the index.
        indexed: u64,
    },

    // Manifests.
    /// There is neither `Manifest.MoM.tar` nor `Manifest.MoM`.
    #[error("the release has no MoM")]
    MomMissing,
    /// No MoM of the version can be used; the files themselves have separate defects.
    #[error("the version has no MoM that clients would accept")]
    MomUnusable,
    /// Not a manifest that clients can read.
    #[error("it is not a manifest that clients can read")]
    Manifest(#[source] ParseError),
    /// The header names another version than the folder.
    #[error("its header names version {found}")]
    OtherVersion {
        /// From the header.
        found: Version,
    },
    /// A manifest with lines that clients accept and that mean nothing here.
    #[error("lines that this program does not understand: {lines}, the first is")]
    LinesIgnored {
        /// The number of lines.
        lines: usize,
        /// The first of them.
        #[source]
        first: ParseError,
    },
    /// Not the manifest that a MoM names.
    #[error("its hash is {found}, but the MoM of {by} has {expected}")]
    ManifestHash {
        /// The release of the MoM.
        by: Version,
        /// From the MoM.
        expected: FileHash,
        /// Of the file.
        found: FileHash,
    },
    /// A MoM names a manifest that does not exist.
    #[error(
        "the MoM of {by} names the manifest of {bundle}, which is missing; clients with the bundle cannot use the release"
    )]
    ManifestMissing {
        /// The release of the MoM.
        by: Version,
        /// The bundle.
        bundle: BundleName,
    },
    /// The plain manifest is there without its archive.
    #[error("it is missing, and clients read only the archive")]
    ArchiveMissing,
    /// The plain manifest is not the one in the archive.
    #[error("it differs from the manifest in its archive")]
    NotAsArchived,
    /// A manifest that the MoM does not name.
    #[error("the MoM of the version does not name it")]
    NotInMom,
    /// An entry of a manifest has no fullfile.
    #[error("{path} needs this fullfile, which is missing; clients without a pack for it fail")]
    FullfileMissing {
        /// A path with that file.
        path: EntryPath,
    },
    /// Entries of a manifest belong to a version that does not exist.
    #[error("{entries} of its files belong to version {version}, which is missing")]
    VersionMissing {
        /// The version.
        version: Version,
        /// The number of entries.
        entries: u64,
    },
    /// A zero pack without some of the bundle's files.
    #[error("{missing} files of the bundle are not in it; clients fetch them individually")]
    PackIncomplete {
        /// The number of files.
        missing: usize,
    },

    // Signatures.
    /// Not signed, where a certificate is trusted.
    #[error("it is not signed")]
    SignatureMissing,
    /// A signature does not verify.
    #[error("the signature does not verify")]
    Signature(#[source] VerifyError),
    /// A signature of a pointer that does not exist.
    #[error("the file that it signs is missing")]
    SignsNothing,
    /// A trusted certificate that endpoints refuse, or will.
    #[error("certificate \"{subject}\": {problem}")]
    Certificate {
        /// The subject of the certificate.
        subject: String,
        /// What is wrong with it.
        problem: String,
        /// Endpoints refuse it already.
        refused: bool,
    },
    /// No certificate to verify signatures with.
    #[error("signatures were not checked: no certificate was given and no release installs one")]
    NoCertificate,

    // Pointers.
    /// `content/version` leads nowhere.
    #[error("the pointers cannot be read: {0}")]
    Pointers(String),
    /// A pointer that clients cannot read.
    #[error("it does not contain a version")]
    PointerUnreadable,
    /// A pointer to something that is not a release.
    #[error("it names version {version}, which is not a release of the store")]
    PointerToNothing {
        /// The version.
        version: Version,
    },
    /// A pointer to a release of another format.
    #[error("it names version {version}, which has format {format}")]
    PointerFormat {
        /// The version.
        version: Version,
        /// Its format.
        format: FormatNumber,
    },
    /// A pointer to a release that was retracted in the store.
    #[error("it names version {version}, which the store has retracted")]
    PointerToRetracted {
        /// The version.
        version: Version,
    },
    /// The pointer of the store names a newer release.
    #[error("it names version {version}, but the pointer of the store names {current}")]
    PointerBehind {
        /// From the tree.
        version: Version,
        /// Of the store.
        current: Version,
    },
    /// The checksums of a generation of pointers are gone or incomplete.
    #[error("it does not have the SHA-256 of every pointer")]
    PointerSums,
}

impl DefectKind {
    /// The kind as a word, for programs.
    pub const fn code(&self) -> DefectCode {
        match self {
            Self::Missing => DefectCode::Missing,
            Self::Size { .. } => DefectCode::Size,
            Self::Digest { .. } => DefectCode::Digest,
            Self::Unreadable(_) => DefectCode::Unreadable,
            Self::Content(_) => DefectCode::Content,
            Self::DiffersFromStore => DefectCode::DiffersFromStore,
            Self::Stray => DefectCode::Stray,
            Self::Unknown => DefectCode::Unknown,
            Self::Index(_) => DefectCode::Index,
            Self::Record(_) => DefectCode::Record,
            Self::RecordMissing { .. } => DefectCode::RecordMissing,
            Self::RecordDiffers { .. } => DefectCode::RecordDiffers,
            Self::RecordCounts { .. } => DefectCode::RecordCounts,
            Self::MomMissing => DefectCode::MomMissing,
            Self::MomUnusable => DefectCode::MomUnusable,
            Self::Manifest(_) => DefectCode::Manifest,
            Self::OtherVersion { .. } => DefectCode::OtherVersion,
            Self::LinesIgnored { .. } => DefectCode::LinesIgnored,
            Self::ManifestHash { .. } => DefectCode::ManifestHash,
            Self::ManifestMissing { .. } => DefectCode::ManifestMissing,
            Self::ArchiveMissing => DefectCode::ArchiveMissing,
            Self::NotAsArchived => DefectCode::NotAsArchived,
            Self::NotInMom => DefectCode::NotInMom,
            Self::FullfileMissing { .. } => DefectCode::FullfileMissing,
            Self::VersionMissing { .. } => DefectCode::VersionMissing,
            Self::PackIncomplete { .. } => DefectCode::PackIncomplete,
            Self::SignatureMissing => DefectCode::SignatureMissing,
            Self::Signature(_) => DefectCode::Signature,
            Self::SignsNothing => DefectCode::SignsNothing,
            Self::Certificate { .. } => DefectCode::Certificate,
            Self::NoCertificate => DefectCode::NoCertificate,
            Self::Pointers(_) => DefectCode::Pointers,
            Self::PointerUnreadable => DefectCode::PointerUnreadable,
            Self::PointerToNothing { .. } => DefectCode::PointerToNothing,
            Self::PointerFormat { .. } => DefectCode::PointerFormat,
            Self::PointerToRetracted { .. } => DefectCode::PointerToRetracted,
            Self::PointerBehind { .. } => DefectCode::PointerBehind,
            Self::PointerSums => DefectCode::PointerSums,
        }
    }

    /// True if the bytes on disk are not those that were stored, so that the stored ones can be looked for.
    pub fn is_lost_bytes(&self) -> bool {
        matches!(self, Self::Missing | Self::Size { .. } | Self::Digest { .. } | Self::Unreadable(_))
    }
}

/// A kind of defect as a word, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DefectCode {
    /// The file is missing.
    Missing,
    /// The file has another size than the index says.
    Size,
    /// The SHA-256 of the file is not that of the index.
    Digest,
    /// The file cannot be read.
    Unreadable,
    /// The file does not contain what its name promises.
    Content,
    /// `adopt`: the file differs from the one that the store adopted earlier.
    DiffersFromStore,
    /// The file does not belong to any release.
    Stray,
    /// It is not a file of the protocol.
    Unknown,
    /// The index of a version cannot be used.
    Index,
    /// The record of a release cannot be read.
    Record,
    /// The version has content and an index, but no record: it is not served.
    RecordMissing,
    /// The record differs from the MoM of the release.
    RecordDiffers,
    /// The record counts other artifacts than the index.
    RecordCounts,
    /// The release has no MoM.
    MomMissing,
    /// The version has no MoM that clients accept.
    MomUnusable,
    /// It is not a manifest that clients can read.
    Manifest,
    /// The header of the manifest names another version.
    OtherVersion,
    /// The manifest has lines without a known meaning.
    LinesIgnored,
    /// The hash of the manifest is not the one in the MoM.
    ManifestHash,
    /// The MoM names a manifest that is missing.
    ManifestMissing,
    /// The archive of the manifest is missing.
    ArchiveMissing,
    /// The plain manifest differs from the one in its archive.
    NotAsArchived,
    /// The MoM does not name the manifest.
    NotInMom,
    /// An entry of a manifest needs a fullfile that is missing.
    FullfileMissing,
    /// Files of a manifest belong to a version that is missing.
    VersionMissing,
    /// Files of the bundle are missing in its zero pack.
    PackIncomplete,
    /// The file is not signed.
    SignatureMissing,
    /// The signature does not verify.
    Signature,
    /// The signed file is missing.
    SignsNothing,
    /// A trusted certificate is expired, expires soon, or is weak.
    Certificate,
    /// Signatures were not checked, because there is no certificate to check them with.
    NoCertificate,
    /// The pointers cannot be read.
    Pointers,
    /// The pointer does not contain a version.
    PointerUnreadable,
    /// The pointer names a version that is not a release of the store.
    PointerToNothing,
    /// The pointer names a release of another format.
    PointerFormat,
    /// `adopt`: the pointer names a release that the store has retracted.
    PointerToRetracted,
    /// `adopt`: the pointer of the store names a newer release.
    PointerBehind,
    /// The SHA-256 of a pointer is not on record.
    PointerSums,
}

impl From<ContentDefect> for DefectKind {
    fn from(defect: ContentDefect) -> Self {
        match defect {
            ContentDefect::Unreadable(error) => Self::Unreadable(error),
            other => Self::Content(other),
        }
    }
}

impl From<StoreError> for DefectKind {
    /// What a reader of the store was told.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::ArtifactSize { expected, found, .. } if found == 0 && expected > 0 => Self::Missing,
            StoreError::ArtifactSize { expected, found, .. } => Self::Size { expected, found },
            StoreError::ArtifactDamaged { expected, found, .. } => Self::Digest { expected, found },
            StoreError::IndexDamaged { source, .. } => Self::Index(source),
            StoreError::Manifest { source, .. } => Self::Manifest(source),
            StoreError::Archive { source, .. } => ContentDefect::from(source).into(),
            StoreError::RecordDamaged { source, .. } => Self::Record(source.to_string()),
            StoreError::NotRegular { source, .. } => Self::Unreadable(io::Error::other(source)),
            StoreError::NoSpace { source, .. }
            | StoreError::NotPermitted { source, .. }
            | StoreError::AcrossFileSystems { source, .. }
            | StoreError::Io { source, .. } => Self::Unreadable(source),
            other => Self::Unreadable(io::Error::other(other)),
        }
    }
}

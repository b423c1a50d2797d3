//! What can be wrong with a store, or with a tree that is adopted.

use std::io;
use std::path::{Path, PathBuf};

use clearwell_format::manifest::ParseError;
use clearwell_format::printable::chain;
use clearwell_format::{BundleName, EntryPath, FileHash, FormatNumber, Resource, Version};
use clearwell_sign::VerifyError;

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
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Size { .. } => "size",
            Self::Digest { .. } => "digest",
            Self::Unreadable(_) => "unreadable",
            Self::Content(_) => "content",
            Self::DiffersFromStore => "differs-from-store",
            Self::Stray => "stray",
            Self::Unknown => "unknown",
            Self::Index(_) => "index",
            Self::Record(_) => "record",
            Self::RecordMissing { .. } => "record-missing",
            Self::RecordDiffers { .. } => "record-differs",
            Self::RecordCounts { .. } => "record-counts",
            Self::MomMissing => "mom-missing",
            Self::MomUnusable => "mom-unusable",
            Self::Manifest(_) => "manifest",
            Self::OtherVersion { .. } => "other-version",
            Self::LinesIgnored { .. } => "lines-ignored",
            Self::ManifestHash { .. } => "manifest-hash",
            Self::ManifestMissing { .. } => "manifest-missing",
            Self::ArchiveMissing => "archive-missing",
            Self::NotAsArchived => "not-as-archived",
            Self::NotInMom => "not-in-mom",
            Self::FullfileMissing { .. } => "fullfile-missing",
            Self::VersionMissing { .. } => "version-missing",
            Self::PackIncomplete { .. } => "pack-incomplete",
            Self::SignatureMissing => "signature-missing",
            Self::Signature(_) => "signature",
            Self::SignsNothing => "signs-nothing",
            Self::Certificate { .. } => "certificate",
            Self::NoCertificate => "no-certificate",
            Self::Pointers(_) => "pointers",
            Self::PointerUnreadable => "pointer-unreadable",
            Self::PointerToNothing { .. } => "pointer-to-nothing",
            Self::PointerFormat { .. } => "pointer-format",
            Self::PointerToRetracted { .. } => "pointer-to-retracted",
            Self::PointerBehind { .. } => "pointer-behind",
            Self::PointerSums => "pointer-sums",
        }
    }

    /// True if the bytes on disk are not those that were stored, so that the stored ones can be looked for.
    pub fn is_lost_bytes(&self) -> bool {
        matches!(self, Self::Missing | Self::Size { .. } | Self::Digest { .. } | Self::Unreadable(_))
    }
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

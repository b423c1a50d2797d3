//! What can be wrong with a store, and who would notice.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use clearwell_format::manifest::ParseError;
use clearwell_format::printable::chain;
use clearwell_format::{BundleName, EntryPath, FileHash, FormatNumber, Resource, Version};
use clearwell_sign::VerifyError;

use crate::content::ContentProblem;
use crate::{Digest, IndexDamage, Layout, StoreError};

/// Something wrong with a store. Its text names the file, what is wrong and the remedy.
#[derive(Debug)]
pub struct Finding {
    /// The file, below the store's folder.
    pub path: PathBuf,
    /// The artifact or pointer, if it is one.
    pub resource: Option<Resource>,
    /// What is wrong.
    pub kind: FindingKind,
    /// Where endpoints would notice it.
    pub notice: Notice,
}

/// Where endpoints would notice a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// Releases whose endpoints ask for the file.
    pub versions: BTreeSet<Version>,
    /// Bundles that bring them to it; none if every endpoint of the release asks.
    pub bundles: BTreeSet<BundleName>,
}

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; endpoints do not suffer.
    Note,
    /// Endpoints may ask for it in vain, or would be refused.
    Damage,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum FindingKind {
    /// The file is gone.
    #[error("the file is missing")]
    Missing,
    /// It has another size.
    #[error("it has {found} bytes where {expected} were stored")]
    Size {
        /// From the index.
        expected: u64,
        /// Of the file.
        found: u64,
    },
    /// It has other bytes.
    #[error("its SHA-256 is {found} where {expected} was stored")]
    Digest {
        /// From the index.
        expected: Digest,
        /// Of the file.
        found: Digest,
    },
    /// The disk or its permissions refuse it.
    #[error("it cannot be read")]
    Unreadable(#[source] std::io::Error),
    /// It is what was stored, and that is not what its name promises.
    #[error("it was stored wrong")]
    Content(#[source] ContentProblem),
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
    /// The record says something else of the release than its MoM.
    #[error("its {field} is not what the MoM of the release says")]
    RecordDiffers {
        /// The key of the record.
        field: &'static str,
    },
    /// The record counts other artifacts than the index has.
    #[error("the record counts {recorded} artifacts, and the index has {indexed}")]
    RecordCounts {
        /// From the record.
        recorded: u64,
        /// From the index.
        indexed: u64,
    },
    /// Not a manifest.
    #[error("it is no manifest that clients can read")]
    Manifest(#[source] ParseError),
    /// Not the manifest that a MoM names.
    #[error("its hash is {found} where the MoM of {by} says {expected}")]
    ManifestHash {
        /// The release of the MoM.
        by: Version,
        /// From the MoM.
        expected: FileHash,
        /// Of the file.
        found: FileHash,
    },
    /// The plain manifest is not the one in the archive.
    #[error("it is not what its archive holds")]
    NotAsArchived,
    /// A MoM names a manifest that no index has.
    #[error("the MoM of {by} names it and the store does not have it")]
    ManifestMissing {
        /// The release of the MoM.
        by: Version,
    },
    /// An entry of a manifest has no fullfile.
    #[error("{path} needs it and the store does not have it")]
    FullfileMissing {
        /// A path with that file.
        path: EntryPath,
    },
    /// Entries of a manifest lie in the folder of a version that the store does not have.
    #[error("{entries} of its files belong to version {version}, which the store does not have")]
    VersionMissing {
        /// The version.
        version: Version,
        /// How many.
        entries: u64,
    },
    /// A release has no MoM.
    #[error("the release has no MoM")]
    MomMissing,
    /// Where others are signed, this is not.
    #[error("it is not signed")]
    SignatureMissing,
    /// A signature does not verify.
    #[error("the signature does not verify")]
    Signature(#[source] VerifyError),
    /// A trusted certificate that endpoints refuse.
    #[error("certificate \"{subject}\": {problem}")]
    Certificate {
        /// Whose.
        subject: String,
        /// What is wrong with it.
        problem: String,
        /// Endpoints refuse it already.
        refused: bool,
    },
    /// No certificate to check signatures with.
    #[error("signatures were not checked: no certificate was given and no release installs one")]
    NoCertificate,
    /// `content/version` leads nowhere.
    #[error("the pointers cannot be read: {0}")]
    Pointers(String),
    /// A pointer that is no version.
    #[error("it names no version")]
    PointerUnreadable,
    /// A pointer to something that is no release.
    #[error("it names version {version}, which is no release of the store")]
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
    /// The sums of a generation of pointers are gone or incomplete.
    #[error("it does not have the SHA-256 of every pointer")]
    PointerSums,
    /// A file that no index names.
    #[error("no release names it")]
    Stray,
}

impl Finding {
    /// About an artifact or pointer.
    pub(super) fn of(resource: Resource, kind: FindingKind) -> Self {
        let path = Path::new("content").join(resource.to_string());
        Self { path, resource: Some(resource), kind, notice: Notice::default() }
    }

    /// About another file of the store.
    pub(super) fn at(path: &Path, layout: &Layout, kind: FindingKind) -> Self {
        let path = path.strip_prefix(layout.root()).unwrap_or(path).to_owned();
        Self { path, resource: None, kind, notice: Notice::default() }
    }

    /// What it means.
    pub fn severity(&self) -> Severity {
        match &self.kind {
            FindingKind::Stray
            | FindingKind::PointerSums
            | FindingKind::RecordCounts { .. }
            | FindingKind::NoCertificate => Severity::Note,
            FindingKind::Certificate { refused: false, .. } => Severity::Note,
            _ => Severity::Damage,
        }
    }

    /// True if the bytes on disk are not those that were stored, so that the stored ones can be looked for.
    pub fn is_lost_bytes(&self) -> bool {
        use FindingKind as Kind;
        matches!(self.kind, Kind::Missing | Kind::Size { .. } | Kind::Digest { .. } | Kind::Unreadable(_))
    }

    /// True if more may be found once this is repaired.
    pub fn hides_others(&self) -> bool {
        use FindingKind as Kind;
        let is_folder = self.resource.is_none() && matches!(self.kind, Kind::Missing);
        is_folder || matches!(self.kind, Kind::Index(_) | Kind::Record(_) | Kind::RecordMissing { .. })
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        use FindingKind as Kind;
        match &self.kind {
            Kind::Missing | Kind::Size { .. } | Kind::Digest { .. } => {
                "check --repair looks for the same bytes in the store; else restore it from a backup"
            }
            Kind::Unreadable(_) => "check its permissions and the disk, then check --repair",
            Kind::Content(_) => {
                "restore it from a backup, or build a new release; endpoints fetch the files one by one"
            }
            Kind::Index(_) | Kind::Record(_) | Kind::RecordMissing { .. } => {
                "check --repair makes it again from the content"
            }
            Kind::RecordDiffers { .. } => "check --repair takes it from the MoM",
            Kind::RecordCounts { .. } => {
                "check --repair or the next gc counts again; until then the index is what counts"
            }
            Kind::Manifest(_) | Kind::ManifestHash { .. } | Kind::NotAsArchived => {
                "restore the release from a backup, or build a new one with --min-version"
            }
            Kind::ManifestMissing { .. } | Kind::MomMissing => "restore the release from a backup and adopt it",
            Kind::VersionMissing { .. } => "check --repair, or restore the version from a backup and adopt it",
            Kind::FullfileMissing { .. } => "build a new release with --min-version, which releases every file again",
            Kind::SignatureMissing | Kind::Signature(_) => {
                "check that the certificate is the one endpoints have; check --repair takes the other copy"
            }
            Kind::Certificate { .. } => "release a new certificate while endpoints still trust this one",
            Kind::NoCertificate => "give --cert with the certificate that endpoints trust",
            Kind::Pointers(_)
            | Kind::PointerUnreadable
            | Kind::PointerToNothing { .. }
            | Kind::PointerFormat { .. } => "check --repair, or publish a release again",
            Kind::PointerSums => "nothing: the next publication writes new ones",
            Kind::Stray => "nothing: it is not served; gc removes what it knows",
        }
    }

    /// The kind as a word, for programs.
    pub const fn word(&self) -> &'static str {
        use FindingKind as Kind;
        match &self.kind {
            Kind::Missing => "missing",
            Kind::Size { .. } => "size",
            Kind::Digest { .. } => "digest",
            Kind::Unreadable(_) => "unreadable",
            Kind::Content(_) => "content",
            Kind::Index(_) => "index",
            Kind::Record(_) => "record",
            Kind::RecordMissing { .. } => "record-missing",
            Kind::RecordDiffers { .. } => "record-differs",
            Kind::RecordCounts { .. } => "record-counts",
            Kind::Manifest(_) => "manifest",
            Kind::ManifestHash { .. } => "manifest-hash",
            Kind::NotAsArchived => "not-as-archived",
            Kind::ManifestMissing { .. } => "manifest-missing",
            Kind::FullfileMissing { .. } => "fullfile-missing",
            Kind::VersionMissing { .. } => "version-missing",
            Kind::MomMissing => "mom-missing",
            Kind::SignatureMissing => "signature-missing",
            Kind::Signature(_) => "signature",
            Kind::Certificate { .. } => "certificate",
            Kind::NoCertificate => "no-certificate",
            Kind::Pointers(_) => "pointers",
            Kind::PointerUnreadable => "pointer-unreadable",
            Kind::PointerToNothing { .. } => "pointer-to-nothing",
            Kind::PointerFormat { .. } => "pointer-format",
            Kind::PointerSums => "pointer-sums",
            Kind::Stray => "stray",
        }
    }
}

impl From<StoreError> for FindingKind {
    /// What a reader of the store was told.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::ArtifactSize { expected, found, .. } if found == 0 && expected > 0 => Self::Missing,
            StoreError::ArtifactSize { expected, found, .. } => Self::Size { expected, found },
            StoreError::ArtifactDamaged { expected, found, .. } => Self::Digest { expected, found },
            StoreError::IndexDamaged { source, .. } => Self::Index(source),
            StoreError::Manifest { source, .. } => Self::Manifest(source),
            StoreError::Archive { source, .. } => Self::Content(source.into()),
            StoreError::RecordDamaged { source, .. } => Self::Record(source.to_string()),
            StoreError::NotRegular { source, .. } => Self::Unreadable(std::io::Error::other(source)),
            StoreError::NoSpace { source, .. }
            | StoreError::NotPermitted { source, .. }
            | StoreError::AcrossFileSystems { source, .. }
            | StoreError::Io { source, .. } => Self::Unreadable(source),
            other => Self::Unreadable(std::io::Error::other(other)),
        }
    }
}

impl Finding {
    /// What is wrong, with its causes, in one line.
    pub fn problem(&self) -> String {
        chain(&self.kind)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.path.display(), self.problem(), self.remedy())
    }
}

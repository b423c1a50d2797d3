//! What can be wrong with a tree.

use std::fmt;
use std::path::PathBuf;

use clearwell_format::manifest::ParseError;
use clearwell_format::printable::chain;
use clearwell_format::{BundleName, EntryPath, FileHash, Version};
use clearwell_sign::VerifyError;

use crate::content::ContentProblem;

/// Something wrong with a tree that was adopted. Its text names the file, what is wrong and the remedy.
#[derive(Debug)]
pub struct Problem {
    /// The file, below the tree.
    pub path: PathBuf,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// What a problem means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; clients do not suffer.
    Note,
    /// The file was left out, or is missing; some clients suffer.
    Artifact,
    /// The version, or a pointer, was not adopted.
    Release,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum ProblemKind {
    /// There is neither `Manifest.MoM.tar` nor `Manifest.MoM`.
    #[error("the version has no MoM")]
    MomMissing,
    /// No MoM of the version can be used; the files themselves have problems of their own.
    #[error("the version has no MoM that clients would accept")]
    MomUnusable,
    /// A signature is missing where the caller wants it verified.
    #[error("it is not signed")]
    SignatureMissing,
    /// A signature does not verify.
    #[error("its signature is not valid")]
    SignatureInvalid(#[source] VerifyError),
    /// The header names another version than the folder.
    #[error("its header says version {found}")]
    OtherVersion {
        /// From the header.
        found: Version,
    },
    /// Not a manifest that clients can read.
    #[error("it is no manifest that clients can read")]
    Manifest(#[source] ParseError),
    /// A manifest with lines that clients take and that mean nothing here.
    #[error("lines that mean nothing to this program: {lines}, the first is")]
    LinesIgnored {
        /// How many.
        lines: usize,
        /// The first of them.
        #[source]
        first: ParseError,
    },
    /// Not the manifest that the MoM names.
    #[error("its hash is {found} where the MoM says {expected}")]
    ManifestHash {
        /// From the MoM.
        expected: FileHash,
        /// Of the file.
        found: FileHash,
    },
    /// The MoM names a manifest that is nowhere.
    #[error("the manifest of {bundle} is missing; clients that have the bundle cannot use the release")]
    ManifestMissing {
        /// The bundle.
        bundle: BundleName,
    },
    /// The plain manifest is there alone.
    #[error("it is missing, and clients read nothing but the archive")]
    ArchiveMissing,
    /// A manifest that the MoM does not name.
    #[error("the MoM of the version does not name it")]
    NotInMom,
    /// The plain file and its archive are not the same.
    #[error("it is not what its archive holds")]
    NotAsArchived,
    /// A file of the release has no fullfile.
    #[error("the fullfile of {path} is missing; clients without a pack for it fail")]
    FullfileMissing {
        /// An entry that needs it.
        path: EntryPath,
    },
    /// Entries of a manifest belong to a version that is neither in the tree nor in the store.
    #[error("it has entries of version {version}, which is missing")]
    VersionMissing {
        /// The version.
        version: Version,
    },
    /// A zero pack without some of the bundle's files.
    #[error("{missing} files of the bundle are not in it; clients fetch them one by one")]
    PackIncomplete {
        /// How many.
        missing: usize,
    },
    /// What is inside is not what its name promises, or it cannot be read.
    #[error(transparent)]
    Content(#[from] ContentProblem),
    /// Not a file of the protocol.
    #[error("it is no file of the protocol")]
    Unknown,
    /// The release is in the store with other bytes.
    #[error("the store has other bytes for it since it was adopted")]
    DiffersFromStore,
    /// A signature of a pointer that is not there.
    #[error("there is no file that it signs")]
    SignsNothing,
    /// A pointer that no client can read.
    #[error("it names no version")]
    PointerUnreadable,
    /// A pointer to a version that the store does not have.
    #[error("it names version {version}, which is not in the store")]
    PointerToNothing {
        /// The version.
        version: Version,
    },
    /// A pointer to a release that was retracted in the store.
    #[error("it names version {version}, which the store has retracted")]
    PointerToRetracted {
        /// The version.
        version: Version,
    },
    /// The store's pointer is further on.
    #[error("it names version {version}, and the store has moved on to {current}")]
    PointerBehind {
        /// From the tree.
        version: Version,
        /// Of the store.
        current: Version,
    },
}

impl Problem {
    /// What it means.
    pub const fn severity(&self) -> Severity {
        use ProblemKind as Kind;
        match self.kind {
            Kind::MomMissing
            | Kind::MomUnusable
            | Kind::PointerUnreadable
            | Kind::PointerToNothing { .. }
            | Kind::VersionMissing { .. } => Severity::Release,
            Kind::Unknown
            | Kind::NotInMom
            | Kind::LinesIgnored { .. }
            | Kind::PackIncomplete { .. }
            | Kind::SignsNothing
            | Kind::PointerToRetracted { .. }
            | Kind::PointerBehind { .. } => Severity::Note,
            Kind::SignatureMissing
            | Kind::SignatureInvalid(_)
            | Kind::OtherVersion { .. }
            | Kind::Manifest(_)
            | Kind::ManifestHash { .. }
            | Kind::ManifestMissing { .. }
            | Kind::ArchiveMissing
            | Kind::NotAsArchived
            | Kind::FullfileMissing { .. }
            | Kind::Content(_)
            | Kind::DiffersFromStore => Severity::Artifact,
        }
    }

    /// The version whose folder the file is in.
    pub(super) fn version(&self) -> Option<Version> {
        self.path.iter().next()?.to_str()?.parse().ok()
    }

    /// What to do about it.
    pub const fn remedy(&self) -> &'static str {
        use ProblemKind as Kind;
        match &self.kind {
            Kind::MomMissing | Kind::MomUnusable => {
                "restore the version from a backup, or remove its folder if no client is on it"
            }
            Kind::SignatureMissing => "sign it, or adopt without a certificate",
            Kind::SignatureInvalid(_) => "check that the certificate is the one clients have, and sign it again",
            Kind::OtherVersion { .. }
            | Kind::Manifest(_)
            | Kind::ManifestHash { .. }
            | Kind::ManifestMissing { .. }
            | Kind::ArchiveMissing
            | Kind::VersionMissing { .. } => "restore it from a backup and adopt again",
            Kind::LinesIgnored { .. } => "nothing: it was taken as it is; later releases are without them",
            Kind::NotAsArchived => "nothing is lost: clients read the archive, which was taken",
            Kind::FullfileMissing { .. } => MAKE_AGAIN,
            Kind::Content(problem) => match problem {
                ContentProblem::Archive(_) | ContentProblem::Misfit(_) | ContentProblem::ObjectHash { .. } => {
                    MAKE_AGAIN
                }
                ContentProblem::NotADelta | ContentProblem::Patch { .. } | ContentProblem::DeltaResult { .. } => {
                    "delete it; clients do without"
                }
                ContentProblem::OtherFormat { .. } => "correct it and adopt again; clients only show it",
                ContentProblem::Unreadable(_) => "check its permissions and the disk, and adopt again",
            },
            Kind::Unknown | Kind::NotInMom | Kind::SignsNothing => "nothing, if it is not missed: it was left out",
            Kind::PackIncomplete { .. } => "make the pack again if bundles are often installed anew",
            Kind::DiffersFromStore => {
                "find out who changed it: what is released never changes, the store keeps its own"
            }
            Kind::PointerUnreadable | Kind::PointerToNothing { .. } => "publish a release of the store",
            Kind::PointerBehind { .. } | Kind::PointerToRetracted { .. } => "nothing: the store's pointer stays",
        }
    }
}

const MAKE_AGAIN: &str = "delete it if it is there, make it again with mixer or restore it, and adopt again";

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.path.display(), chain(&self.kind), self.remedy())
    }
}

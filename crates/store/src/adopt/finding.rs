//! The policy of an adoption: what each defect of the tree means, and what to do about it.

use std::fmt;

use clearwell_format::Version;
use schemars::JsonSchema;
use serde::Serialize;

use crate::verify::{ContentDefect, Defect, DefectKind};

/// A defect of a tree that was adopted. Its text names the file, what is wrong and the remedy.
#[derive(Debug)]
pub struct Finding {
    /// What is wrong.
    pub defect: Defect,
}

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Endpoints are not affected.
    Note,
    /// The file was not imported, or is missing; endpoints that need it are affected.
    Artifact,
    /// The release or pointer was not imported.
    Release,
}

impl Finding {
    /// What it means.
    pub const fn severity(&self) -> Severity {
        use DefectKind as Kind;
        match self.defect.kind {
            Kind::MomMissing
            | Kind::MomUnusable
            | Kind::Pointers(_)
            | Kind::PointerUnreadable
            | Kind::PointerToNothing { .. }
            | Kind::VersionMissing { .. } => Severity::Release,
            Kind::Unknown
            | Kind::Stray
            | Kind::NotInMom
            | Kind::LinesIgnored { .. }
            | Kind::PackIncomplete { .. }
            | Kind::SignsNothing
            | Kind::PointerToRetracted { .. }
            | Kind::PointerBehind { .. }
            | Kind::PointerSums
            | Kind::RecordCounts { .. }
            | Kind::NoCertificate => Severity::Note,
            Kind::Missing
            | Kind::Size { .. }
            | Kind::Digest { .. }
            | Kind::Unreadable(_)
            | Kind::Content(_)
            | Kind::DiffersFromStore
            | Kind::Index(_)
            | Kind::Record(_)
            | Kind::RecordMissing { .. }
            | Kind::RecordDiffers { .. }
            | Kind::SignatureMissing
            | Kind::Signature(_)
            | Kind::Certificate { .. }
            | Kind::OtherVersion { .. }
            | Kind::Manifest(_)
            | Kind::ManifestHash { .. }
            | Kind::ManifestMissing { .. }
            | Kind::ArchiveMissing
            | Kind::NotAsArchived
            | Kind::FullfileMissing { .. }
            | Kind::PointerFormat { .. } => Severity::Artifact,
        }
    }

    /// The version whose folder the file is in.
    pub(super) fn version(&self) -> Option<Version> {
        self.defect.path.iter().next()?.to_str()?.parse().ok()
    }

    /// What to do about it.
    pub const fn remedy(&self) -> &'static str {
        use DefectKind as Kind;
        match &self.defect.kind {
            Kind::MomMissing | Kind::MomUnusable => {
                "restore the version from a backup, or remove its folder if no client is on it"
            }
            Kind::SignatureMissing => "sign it, or adopt without a certificate",
            Kind::Signature(_) | Kind::Certificate { .. } | Kind::NoCertificate => {
                "check that the certificate is the one that clients have, and sign again"
            }
            Kind::OtherVersion { .. }
            | Kind::Manifest(_)
            | Kind::ManifestHash { .. }
            | Kind::ManifestMissing { .. }
            | Kind::ArchiveMissing
            | Kind::VersionMissing { .. }
            | Kind::Missing
            | Kind::Size { .. }
            | Kind::Digest { .. }
            | Kind::Index(_)
            | Kind::Record(_)
            | Kind::RecordMissing { .. }
            | Kind::RecordDiffers { .. }
            | Kind::RecordCounts { .. } => "restore it from a backup and adopt again",
            Kind::LinesIgnored { .. } => {
                "nothing to do: it was adopted unchanged; later releases do not have these lines"
            }
            Kind::NotAsArchived => "nothing is lost: clients read the archive, which was adopted",
            Kind::FullfileMissing { .. } => MAKE_AGAIN,
            Kind::Content(defect) => match defect {
                ContentDefect::Archive(_) | ContentDefect::Member(_) | ContentDefect::ObjectHash { .. } => MAKE_AGAIN,
                ContentDefect::NotADelta | ContentDefect::Patch { .. } | ContentDefect::DeltaResult { .. } => {
                    "delete it; clients do not need it"
                }
                ContentDefect::OtherFormat { .. } => "correct it and adopt again; clients only show it",
                ContentDefect::Unreadable(_) => UNREADABLE,
            },
            Kind::Unreadable(_) => UNREADABLE,
            Kind::Unknown | Kind::Stray | Kind::NotInMom | Kind::SignsNothing => {
                "nothing to do if it is not needed: it was left out"
            }
            Kind::PackIncomplete { .. } => "make the pack again if endpoints often install the bundle",
            Kind::DiffersFromStore => {
                "find out why it changed: released files never change, so the store keeps its copy"
            }
            Kind::Pointers(_)
            | Kind::PointerUnreadable
            | Kind::PointerToNothing { .. }
            | Kind::PointerFormat { .. }
            | Kind::PointerSums => "publish a release of the store",
            Kind::PointerBehind { .. } | Kind::PointerToRetracted { .. } => {
                "nothing to do: the pointer of the store is kept"
            }
        }
    }
}

const MAKE_AGAIN: &str = "delete it if it exists, make it again with mixer or restore it, and adopt again";
const UNREADABLE: &str = "check its permissions and the disk, and adopt again";

impl From<Defect> for Finding {
    fn from(defect: Defect) -> Self {
        Self { defect }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.defect.path.display(), self.defect.problem(), self.remedy())
    }
}

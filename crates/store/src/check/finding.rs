//! The policy of a check: which defects it reports, how severe each is, and what to do about it.

use std::collections::BTreeSet;
use std::fmt;

use clearwell_format::{BundleName, Version};
use schemars::JsonSchema;
use serde::Serialize;

use crate::verify::{Defect, DefectKind};

/// A defect of a store, with its meaning for endpoints. Its text names the file, what is wrong and the remedy.
#[derive(Debug)]
pub struct Finding {
    /// What is wrong.
    pub defect: Defect,
    /// Which endpoints it affects.
    pub affected: Affected,
}

/// The endpoints that ask for the file of a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affected {
    /// The releases whose endpoints ask for it.
    pub versions: BTreeSet<Version>,
    /// The bundles that need it; empty if every endpoint of the releases asks.
    pub bundles: BTreeSet<BundleName>,
}

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Endpoints are not affected.
    Note,
    /// Endpoints may request the file and fail, or would refuse it.
    Damage,
}

impl Severity {
    /// `None` for what a check does not report: adoption has said so, and what was released like this never changes.
    const fn of(kind: &DefectKind) -> Option<Self> {
        match kind {
            DefectKind::OtherVersion { .. } | DefectKind::LinesIgnored { .. } => None,
            DefectKind::Stray
            | DefectKind::PointerSums
            | DefectKind::RecordCounts { .. }
            | DefectKind::NoCertificate
            | DefectKind::Certificate { refused: false, .. } => Some(Self::Note),
            _ => Some(Self::Damage),
        }
    }
}

impl Finding {
    /// `None` if a check does not report the defect.
    pub(super) fn of(defect: Defect) -> Option<Self> {
        Severity::of(&defect.kind).map(|_| Self { defect, affected: Affected::default() })
    }

    /// What it means.
    pub fn severity(&self) -> Severity {
        Severity::of(&self.defect.kind).unwrap_or(Severity::Note)
    }

    /// True if more may be found once this is repaired.
    pub fn hides_others(&self) -> bool {
        use DefectKind as Kind;
        let is_folder = self.defect.resource.is_none() && matches!(self.defect.kind, Kind::Missing);
        is_folder || matches!(self.defect.kind, Kind::Index(_) | Kind::Record(_) | Kind::RecordMissing { .. })
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        use DefectKind as Kind;
        match &self.defect.kind {
            Kind::Missing | Kind::Size { .. } | Kind::Digest { .. } => {
                "check --repair looks for the same bytes in the store; otherwise restore it from a backup"
            }
            Kind::Unreadable(_) => "check its permissions and the disk, then check --repair",
            Kind::Content(_) | Kind::PackIncomplete { .. } => {
                "it was stored like this: restore it from a backup, or build a new release; endpoints fetch the files \
                 individually"
            }
            Kind::Index(_) | Kind::Record(_) | Kind::RecordMissing { .. } => {
                "check --repair recreates it from the content"
            }
            Kind::RecordDiffers { .. } => "check --repair takes it from the MoM",
            Kind::RecordCounts { .. } => {
                "check --repair or the next gc corrects the counts; until then the index is authoritative"
            }
            Kind::Manifest(_) | Kind::ManifestHash { .. } | Kind::NotAsArchived => {
                "restore the release from a backup, or build a new one with --min-version"
            }
            Kind::ManifestMissing { .. } | Kind::MomMissing | Kind::MomUnusable | Kind::ArchiveMissing => {
                "restore the release from a backup and adopt it"
            }
            Kind::VersionMissing { .. } => "check --repair, or restore the version from a backup and adopt it",
            Kind::FullfileMissing { .. } => "build a new release with --min-version, which releases every file again",
            Kind::SignatureMissing | Kind::Signature(_) => {
                "check that the certificate is the one that endpoints have; check --repair restores the other copy"
            }
            Kind::Certificate { .. } => "release a new certificate while endpoints still trust this one",
            Kind::NoCertificate => "give --cert with the certificate that endpoints trust",
            Kind::Pointers(_)
            | Kind::PointerUnreadable
            | Kind::PointerToNothing { .. }
            | Kind::PointerToRetracted { .. }
            | Kind::PointerBehind { .. }
            | Kind::PointerFormat { .. } => "check --repair, or publish a release again",
            Kind::PointerSums => "nothing to do: the next publication writes new ones",
            Kind::Stray | Kind::Unknown | Kind::NotInMom | Kind::SignsNothing => {
                "nothing to do: it is not served; gc removes files of the protocol"
            }
            Kind::OtherVersion { .. } | Kind::LinesIgnored { .. } | Kind::DiffersFromStore => {
                "nothing to do: released files never change"
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.defect.path.display(), self.defect.problem(), self.remedy())
    }
}

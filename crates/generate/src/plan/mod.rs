//! The plan of a release: every manifest, and every artifact to make, as a value.
//!
//! [`plan`] is a pure function of the [`Inputs`], the manifests of the release before and the [`PlanOptions`]. It reads
//! no file, so the golden scenarios and a real build run the same code. The rules are those of the spec's manifest 5;
//! where this generator decides otherwise than the reference (manifest 6), the place says so.
//!
//! | Module | Noun |
//! |---|---|
//! | [`previous`] | the manifests of an earlier release |
//! | `closure` | who includes whom, directly or not |
//! | `contents` | which nodes of its list a bundle's manifest holds |
//! | `history` | the version of each entry: changed, added, deleted, kept |
//! | `variants` | optimised builds: prefixes to modifiers |
//! | `mom`, `full` | the two manifests over all bundles |
//! | [`packs`] | what each pack holds |

pub mod packs;
pub mod previous;

use std::collections::BTreeMap;
use std::sync::Arc;

use clearwell_format::{BundleName, EntryPath, FileHash, Manifest, Mom, Version};

use crate::inputs::{Inputs, Warning};
use crate::tree::NodeId;

pub use packs::{Origin, PackItem, PackPlan};
pub use previous::Previous;

/// Choices that have defaults.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// Make fullfiles.
    pub fullfiles: bool,
    /// Make packs for new installations.
    pub zero_packs: bool,
    /// Earlier releases to make update packs from. The previous release is only among them if it is named here.
    pub packs_from: Vec<Arc<Previous>>,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self { fullfiles: true, zero_packs: true, packs_from: Vec::new() }
    }
}

/// What a release consists of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The version.
    pub version: Version,
    /// Manifests of the bundles that are released in this version, by name.
    pub bundles: Vec<PlannedManifest>,
    /// Bundles that did not change, with the manifests they had.
    pub carried: BTreeMap<BundleName, Arc<Manifest>>,
    /// `Manifest.full`.
    pub full: Arc<Manifest>,
    /// `Manifest.MoM`.
    pub mom: Mom,
    /// Fullfiles of this version's folder, sorted by hash.
    pub fullfiles: Vec<PlannedFullfile>,
    /// Packs to make. Most lie in this version's folder; [`PackPlan::to`] says.
    pub packs: Vec<PackPlan>,
    /// What was noticed, the source's warnings first.
    pub warnings: Vec<Warning>,
}

/// A bundle manifest of this release.
#[derive(Clone, Debug)]
pub struct PlannedManifest {
    /// The bundle.
    pub bundle: BundleName,
    /// Its manifest.
    pub manifest: Arc<Manifest>,
    /// Hash of the manifest's bytes, as the MoM has it.
    pub hash: FileHash,
}

/// A fullfile to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedFullfile {
    /// Its hash and name.
    pub hash: FileHash,
    /// A node with that hash.
    pub node: NodeId,
}

/// Why a release cannot be planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The version is not above the one before.
    #[error("version {version} is not above {previous}, the version before; choose a higher one")]
    VersionNotAbovePrevious {
        /// The version asked for.
        version: Version,
        /// The previous one.
        previous: Version,
    },
    /// The inputs name a previous version, and its manifests were not given (or the other way round).
    #[error(
        "the manifests of version {0}, the version before, are missing; name the version that was released last, or 0 for a first release"
    )]
    PreviousMissing(Version),
    /// The manifests given are of another version than the inputs name.
    #[error("the version before is {named}, but the manifests given are those of {given}")]
    OtherPrevious {
        /// What the inputs name.
        named: Version,
        /// What was given.
        given: Version,
    },
    /// The minimum version is above the version.
    #[error("the minimum version {min_version} is above the version {version}; it can be at most {version}")]
    MinVersionAboveVersion {
        /// The minimum asked for.
        min_version: Version,
        /// The version.
        version: Version,
    },
    /// There is no os-core.
    #[error("the mix has no bundle os-core, which every other bundle includes; add it")]
    NoOsCore,
    /// Two bundles of one name.
    #[error("the mix has the bundle {0} twice; remove one")]
    BundleTwice(BundleName),
    /// A bundle without any entry.
    #[error(
        "bundle {0} has no files of its own and never had any; give it a file (its tracking file will do) or remove it from the mix"
    )]
    EmptyBundle(BundleName),
    /// An optimised build without its baseline.
    #[error(
        "{path} of bundle {bundle} has optimised builds, but the bundle has no {path} itself (missing SSE version of binary); add the baseline or remove the builds below /V3, /V4 and /VA"
    )]
    NoBaseline {
        /// The bundle, or `full`.
        bundle: String,
        /// The installed path.
        path: String,
    },
    /// Nothing differs from the release before.
    #[error("nothing changed since version {0}; there is nothing to release")]
    NothingChanged(Version),
    /// More than a client takes.
    #[error("{manifest} would state {what} of {value}, but clients take at most {limit}; split it")]
    TooLarge {
        /// The manifest.
        manifest: String,
        /// `filecount` or `contentsize`.
        what: &'static str,
        /// The value.
        value: u64,
        /// The largest a client takes.
        limit: u64,
    },
    /// A line longer than a client reads.
    #[error("{0} is too long for a manifest line; shorten it")]
    LineTooLong(EntryPath),
    /// The previous release lists a bundle whose manifest was not given.
    #[error("the manifest of bundle {bundle} at version {version} is missing, though the release before lists it")]
    ManifestMissing {
        /// The bundle.
        bundle: BundleName,
        /// Its version.
        version: Version,
    },
}

/// Plans a release.
///
/// # Errors
/// If the inputs cannot be released; nothing has happened then.
pub fn plan(inputs: &Inputs, previous: Option<&Previous>, options: &PlanOptions) -> Result<Plan, PlanError> {
    let _ = (inputs, previous, options);
    Err(PlanError::NoOsCore)
}

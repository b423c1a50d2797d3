//! Why a release cannot be planned.

use clearwell_format::{BundleName, Version};
use clearwell_store::Fault;

/// Why a release cannot be planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The version is not above the one before.
    #[error("version {version} is not above {previous}, the previous version; choose a higher one")]
    VersionNotAbovePrevious {
        /// The version asked for.
        version: Version,
        /// The previous one.
        previous: Version,
    },
    /// Manifests were given of a version that the inputs do not name as the one before.
    #[error("version {0} is already released; name it as the previous version")]
    PreviousNotNamed(Version),
    /// The inputs name a previous version, and its manifests were not given.
    #[error(
        "the manifests of version {0}, the previous version, are missing; name the last released version, or 0 for a first release"
    )]
    PreviousMissing(Version),
    /// The manifests given are of another version than the inputs name.
    #[error("the previous version is {named}, but the manifests given are those of {given}")]
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
    /// The mix lacks os-core.
    #[error("the mix has no bundle os-core, which every other bundle includes; add it")]
    NoOsCore,
    /// Two bundles of one name.
    #[error("the mix has the bundle {0} twice; remove one")]
    BundleTwice(BundleName),
    /// A bundle without any entry.
    #[error(
        "bundle {0} has no files and never had any; add a file (its tracking file is enough) or remove it from the mix"
    )]
    EmptyBundle(BundleName),
    /// An optimised build without its baseline.
    #[error(
        "{path} of bundle {bundle} has optimised builds, but the bundle has no {path} itself (missing SSE version of binary); add the baseline or remove the builds; top-level names that begin with V3, V4 or VA are reserved for them"
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
    /// More than a client accepts.
    #[error("{manifest} would have a {what} of {value}, but clients accept at most {limit}; split the bundle")]
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
}

impl PlanError {
    /// The kind of fault, for exit codes and retries.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::VersionNotAbovePrevious { .. } => Fault::Version,
            Self::NothingChanged(_) => Fault::NothingToDo,
            Self::PreviousNotNamed(_)
            | Self::PreviousMissing(_)
            | Self::OtherPrevious { .. }
            | Self::MinVersionAboveVersion { .. }
            | Self::NoOsCore
            | Self::BundleTwice(_)
            | Self::EmptyBundle(_)
            | Self::NoBaseline { .. }
            | Self::TooLarge { .. } => Fault::Input,
        }
    }
}

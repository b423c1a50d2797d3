//! Errors of a build. Each message names the object and, where there is one, the remedy.

use std::io;
use std::path::PathBuf;

use clearwell_format::archive::ArchiveError;
use clearwell_format::{FileHash, FormatNumber, Resource, Version};
use clearwell_sign::SignError;
use clearwell_store::{Fault, StoreError};

use crate::guard::Finding;
use crate::plan::PlanError;

/// Why a build failed. Nothing was published then, and nothing that was released has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The inputs cannot be released.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file is not what it was when the tree was scanned.
    #[error("{} changed during the build; stop all writers to the tree and build again", .path.display())]
    SourceChanged {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("failed to read {}", .path.display())]
    ReadSource {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A fullfile of an earlier release, whose content is needed, cannot be read.
    #[error("{resource} is needed for its content but cannot be read; run \"clearwell check\" on the store")]
    StoredArchive {
        /// The archive.
        resource: Box<Resource>,
        /// What is wrong with it.
        source: ArchiveError,
    },
    /// A fullfile of an earlier release does not match its name.
    #[error("{resource} does not contain the file it is named after; run \"clearwell check\" on the store")]
    StoredContent {
        /// The archive.
        resource: Box<Resource>,
    },
    /// A pack of an earlier release, parts of which are kept, is not what its release made.
    #[error(
        "{resource}, whose segments are reused, cannot be read or is damaged; run \"clearwell check\" on the store"
    )]
    StoredPack {
        /// The pack.
        resource: Box<Resource>,
    },
    /// An object can be found neither in the tree nor in the store.
    #[error(
        "the content of {hash} is in neither the tree nor the store: {resource} is missing; run \"clearwell check\" on the store"
    )]
    NoContent {
        /// The object.
        hash: FileHash,
        /// Where its content was looked for.
        resource: Box<Resource>,
    },
    /// A source release is not earlier than the target.
    #[error("release {from} is not before {to}; name earlier releases")]
    NotEarlier {
        /// The release that endpoints come from.
        from: Version,
        /// The one that they go to.
        to: Version,
    },
    /// Endpoints of one format never fetch packs of another directly.
    #[error(
        "release {from} has format {old_format} and {to} has {format}: endpoints first update to the last release of \
         format {old_format}; name releases of format {format}"
    )]
    FormatBoundary {
        /// The release that endpoints come from.
        from: Version,
        /// Its format.
        old_format: FormatNumber,
        /// The release that they go to.
        to: Version,
        /// Its format.
        format: FormatNumber,
    },
    /// No earlier release can take the place of the retracted one.
    #[error("release {version} has no earlier published release of its format; release a higher version instead")]
    NothingBefore {
        /// The release that was to be retracted.
        version: Version,
    },
    /// A retraction names a target of another format.
    #[error(
        "release {to} has format {to_format} and {version} has {format}; name a release of format {format} with --to"
    )]
    TargetFormat {
        /// The release that was to be retracted.
        version: Version,
        /// Its format.
        format: FormatNumber,
        /// The release that was named.
        to: Version,
        /// Its format.
        to_format: FormatNumber,
    },
    /// A retraction names a target that was never published.
    #[error("release {version} was never published; name a published release with --to")]
    StagedTarget {
        /// The release.
        version: Version,
    },
    /// A retraction names a target that was itself retracted.
    #[error("release {version} is retracted as well; name another with --to")]
    RetractedTarget {
        /// The release.
        version: Version,
    },
    /// A retracted release is published again only with an explicit option.
    #[error("release {version} is retracted; release a higher version, or use --again to publish this one anyway")]
    Retracted {
        /// The release.
        version: Version,
    },
    /// The release was never visible to endpoints, so there is nothing to retract.
    #[error("release {version} is staged and was never published; \"clearwell discard {version}\" drops it")]
    NeverPublished {
        /// The release.
        version: Version,
    },
    /// A compressor failed, or what it writes to. Failures of the store's disk are [`BuildError::Store`].
    #[error("failed to compress {object}")]
    Compress {
        /// What was compressed.
        object: String,
        /// The error of the compressor.
        source: io::Error,
    },
    /// A signature could not be made.
    #[error("failed to sign {object}")]
    Sign {
        /// What was to be signed.
        object: Box<Resource>,
        /// Why it was not.
        source: SignError,
    },
    /// Endpoints would be harmed. Each finding has its remedy; they are meant to be shown one to a line.
    #[error("release {version} is refused because endpoints would be harmed: {}", count(.findings))]
    Refused {
        /// The release.
        version: Version,
        /// Everything that forbids it.
        findings: Vec<Finding>,
    },
}

impl BuildError {
    /// The kind of fault, for exit codes and retries.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Plan(error) => error.fault(),
            Self::NotEarlier { .. }
            | Self::NothingBefore { .. }
            | Self::TargetFormat { .. }
            | Self::StagedTarget { .. }
            | Self::RetractedTarget { .. }
            | Self::Retracted { .. }
            | Self::NeverPublished { .. }
            | Self::FormatBoundary { .. } => Fault::Version,
            Self::SourceChanged { .. } | Self::ReadSource { .. } => Fault::Input,
            Self::Store(error) => error.fault(),
            Self::StoredArchive { .. }
            | Self::StoredContent { .. }
            | Self::StoredPack { .. }
            | Self::NoContent { .. } => Fault::Store,
            Self::Compress { .. } => Fault::Internal,
            Self::Sign { .. } => Fault::Signing,
            Self::Refused { .. } => Fault::Guard,
        }
    }
}

fn count(findings: &[Finding]) -> String {
    match findings.len() {
        1 => "one finding".to_owned(),
        number => format!("{number} findings"),
    }
}

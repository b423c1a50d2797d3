//! The names of artifacts: the files in the folder of a version.
//!
//! A new kind of artifact is a variant of [`Artifact`] with its name in the `Display` below and in
//! [`Artifact::from_file_name`]; the compiler asks for the first only. It then finds every `match` that has to know the
//! variant: the checks, repairs and collections of the store, the guard, the content types of the server.

use std::fmt;

use super::ResourceKind;
use crate::pack::DeltaName;
use crate::{BundleName, FileHash, Version};

/// A file in the folder of a version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Artifact {
    /// `Manifest.<name>`, plain; generators and inspectors read it.
    Manifest(ManifestName),
    /// `Manifest.<name>.tar`; clients read it.
    ManifestTar(ManifestName),
    /// `Manifest.MoM.sig`.
    MomSignature,
    /// `Manifest-<bundle>-delta-from-<from>`.
    DeltaManifest {
        /// The bundle.
        bundle: BundleName,
        /// Version of the old manifest.
        from: Version,
    },
    /// `files/<hash>.tar`.
    Fullfile(FileHash),
    /// `pack-<bundle>-from-<from>.tar`.
    Pack {
        /// The bundle.
        bundle: BundleName,
        /// The bundle's old version; `None` for the zero pack.
        from: Option<Version>,
    },
    /// `delta/10-20-<from>-<to>`; no client asks for it, other generators read it.
    Delta(DeltaName),
    /// `format`.
    Format,
    /// `mixer-src-version`.
    GeneratorVersion,
    /// `upstreamurl`.
    UpstreamUrl,
    /// `upstreamver`.
    UpstreamVersion,
}

/// Which manifest of a version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ManifestName {
    /// The manifest of manifests.
    Mom,
    /// Every path of the version; for generators.
    Full,
    /// One bundle.
    Bundle(BundleName),
}

impl Artifact {
    /// Parses a file name, and the name below it for `files/` and `delta/`.
    pub(super) fn parse(name: &str, below: Option<&str>) -> Option<Self> {
        match (name, below) {
            ("files", Some(file)) => file.strip_suffix(".tar")?.parse().ok().map(Self::Fullfile),
            ("delta", Some(file)) => {
                let delta = DeltaName::parse(file.as_bytes())?;
                (delta.to_string() == file).then_some(Self::Delta(delta))
            }
            (_, Some(_)) => None,
            (name, None) => Self::from_file_name(name),
        }
    }

    /// Parses the name of a file directly in the folder of a version.
    fn from_file_name(name: &str) -> Option<Self> {
        match name {
            "format" => return Some(Self::Format),
            "mixer-src-version" => return Some(Self::GeneratorVersion),
            "upstreamurl" => return Some(Self::UpstreamUrl),
            "upstreamver" => return Some(Self::UpstreamVersion),
            "Manifest.MoM.sig" => return Some(Self::MomSignature),
            _ => {}
        }
        if let Some(name) = name.strip_prefix("Manifest.") {
            return match name.strip_suffix(".tar") {
                Some(name) => ManifestName::parse(name).map(Self::ManifestTar),
                None => ManifestName::parse(name).map(Self::Manifest),
            };
        }
        if let Some(name) = name.strip_prefix("Manifest-") {
            let (bundle, from) = name.rsplit_once("-delta-from-")?;
            return Some(Self::DeltaManifest { bundle: bundle.parse().ok()?, from: from.parse().ok()? });
        }
        let (bundle, from) = name.strip_prefix("pack-")?.strip_suffix(".tar")?.rsplit_once("-from-")?;
        let from = if from == "0" { None } else { Some(from.parse().ok()?) };
        Some(Self::Pack { bundle: bundle.parse().ok()?, from })
    }

    /// Reads a path below a version's folder, as the index of a release has it.
    pub fn from_path(path: &str) -> Option<Self> {
        match path.split_once('/') {
            Some((folder, file)) => Self::parse(folder, Some(file)),
            None => Self::parse(path, None),
        }
    }

    /// The kind, for counting.
    pub const fn kind(&self) -> ResourceKind {
        match self {
            Self::Manifest(_) | Self::ManifestTar(_) | Self::MomSignature => ResourceKind::Manifest,
            Self::DeltaManifest { .. } => ResourceKind::DeltaManifest,
            Self::Fullfile(_) => ResourceKind::Fullfile,
            Self::Pack { from: None, .. } => ResourceKind::ZeroPack,
            Self::Pack { from: Some(_), .. } => ResourceKind::DeltaPack,
            Self::Delta(_) => ResourceKind::Delta,
            Self::Format | Self::GeneratorVersion | Self::UpstreamUrl | Self::UpstreamVersion => {
                ResourceKind::VersionInfo
            }
        }
    }
}

impl ManifestName {
    /// Parses what follows `Manifest.`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "MoM" => Some(Self::Mom),
            "full" => Some(Self::Full),
            _ => name.parse().ok().map(Self::Bundle),
        }
    }
}

impl fmt::Display for Artifact {
    /// The path below the version's folder.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest(name) => write!(f, "Manifest.{name}"),
            Self::ManifestTar(name) => write!(f, "Manifest.{name}.tar"),
            Self::MomSignature => f.write_str("Manifest.MoM.sig"),
            Self::DeltaManifest { bundle, from } => write!(f, "Manifest-{bundle}-delta-from-{from}"),
            Self::Fullfile(hash) => write!(f, "files/{hash}.tar"),
            Self::Pack { bundle, from } => {
                write!(f, "pack-{bundle}-from-{}.tar", from.map_or(0, Version::number))
            }
            Self::Delta(name) => write!(f, "delta/{name}"),
            Self::Format => f.write_str("format"),
            Self::GeneratorVersion => f.write_str("mixer-src-version"),
            Self::UpstreamUrl => f.write_str("upstreamurl"),
            Self::UpstreamVersion => f.write_str("upstreamver"),
        }
    }
}

impl fmt::Display for ManifestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mom => f.write_str("MoM"),
            Self::Full => f.write_str("full"),
            Self::Bundle(bundle) => bundle.fmt(f),
        }
    }
}

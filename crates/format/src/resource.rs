//! Request path to typed resource and back: the only place that knows the shape of URLs (content layout §1).
//!
//! ```text
//! version/format<F>/latest(.sig)   version/format<F>/first   version/latest_version(.sig)   version/formatstaging/latest(.sig)
//! <ver>/Manifest.<name>(.tar)      <ver>/Manifest.MoM.sig    <ver>/Manifest-<b>-delta-from-<old>
//! <ver>/files/<hash>.tar           <ver>/pack-<b>-from-<old>.tar
//! <ver>/delta/10-20-<from>-<to>    <ver>/format   <ver>/mixer-src-version   <ver>/upstreamurl   <ver>/upstreamver
//! ```
//!
//! The grammar is closed: `..`, escapes and stray names never become a resource.

use std::fmt;

use crate::pack::DeltaName;
use crate::{BundleName, FileHash, FormatNumber, Version};

/// What a path of the public tree names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// `version/…`: changes with each publication.
    Pointer(Pointer),
    /// `<ver>/…`: never changes once released.
    Artifact {
        /// The folder.
        version: Version,
        /// What lies in it.
        artifact: Artifact,
    },
}

/// What lies below `version/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pointer {
    /// `format<F>/latest`: the newest release of a format.
    Latest(FormatNumber),
    /// `format<F>/latest.sig`.
    LatestSignature(FormatNumber),
    /// `format<F>/first`: the oldest release of a format.
    First(FormatNumber),
    /// `latest_version`: the newest release of any format.
    LatestVersion,
    /// `latest_version.sig`.
    LatestVersionSignature,
    /// `formatstaging/latest`: what clients with `-F staging` take, whatever its format (client behaviour §2).
    Staging,
    /// `formatstaging/latest.sig`.
    StagingSignature,
}

impl Pointer {
    /// The format whose clients read it; `None` for the pointers of all formats.
    pub const fn format(self) -> Option<FormatNumber> {
        match self {
            Self::Latest(format) | Self::LatestSignature(format) | Self::First(format) => Some(format),
            Self::LatestVersion | Self::LatestVersionSignature | Self::Staging | Self::StagingSignature => None,
        }
    }

    /// The signature beside a pointer; `None` for `first`, which has none, and for signatures.
    pub const fn signature(self) -> Option<Self> {
        match self {
            Self::Latest(format) => Some(Self::LatestSignature(format)),
            Self::LatestVersion => Some(Self::LatestVersionSignature),
            Self::Staging => Some(Self::StagingSignature),
            Self::First(_) | Self::LatestSignature(_) | Self::LatestVersionSignature | Self::StagingSignature => None,
        }
    }

    /// What a signature signs; `None` for what is none.
    pub const fn signed(self) -> Option<Self> {
        match self {
            Self::LatestSignature(format) => Some(Self::Latest(format)),
            Self::LatestVersionSignature => Some(Self::LatestVersion),
            Self::StagingSignature => Some(Self::Staging),
            Self::Latest(_) | Self::LatestVersion | Self::Staging | Self::First(_) => None,
        }
    }

    /// True for the signature of another pointer.
    pub const fn is_signature(self) -> bool {
        self.signed().is_some()
    }
}

/// What lies in the folder of a version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Artifact {
    /// `Manifest.<name>`, plain; generators and inspectors read it.
    Manifest(ManifestName),
    /// `Manifest.<name>.tar`, what clients read.
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

impl Resource {
    /// An artifact in the folder of `version`.
    pub const fn of(version: Version, artifact: Artifact) -> Self {
        Self::Artifact { version, artifact }
    }

    /// Reads the path of a request: without scheme, host and query. Slashes in front and double slashes collapse;
    /// percent escapes are no part of the grammar.
    pub fn from_request_path(path: &str) -> Option<Self> {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let resource = match (parts.next()?, parts.next()?, parts.next()) {
            ("version", "latest_version", None) => Self::Pointer(Pointer::LatestVersion),
            ("version", "latest_version.sig", None) => Self::Pointer(Pointer::LatestVersionSignature),
            ("version", "formatstaging", Some("latest")) => Self::Pointer(Pointer::Staging),
            ("version", "formatstaging", Some("latest.sig")) => Self::Pointer(Pointer::StagingSignature),
            ("version", folder, Some(file)) => {
                let format = folder.strip_prefix("format")?.parse().ok()?;
                Self::Pointer(match file {
                    "latest" => Pointer::Latest(format),
                    "latest.sig" => Pointer::LatestSignature(format),
                    "first" => Pointer::First(format),
                    _ => return None,
                })
            }
            (version, name, file) => Self::of(version.parse().ok()?, Artifact::parse(name, file)?),
        };
        // A slash at the end names a folder, and folders are no resources.
        (parts.next().is_none() && !path.ends_with('/')).then_some(resource)
    }

    /// The version in whose folder the resource lies; `None` for a pointer.
    pub const fn version(&self) -> Option<Version> {
        match self {
            Self::Pointer(_) => None,
            Self::Artifact { version, .. } => Some(*version),
        }
    }

    /// The kind, for counting.
    pub const fn kind(&self) -> ResourceKind {
        match self {
            Self::Pointer(_) => ResourceKind::Pointer,
            Self::Artifact { artifact, .. } => artifact.kind(),
        }
    }
}

impl Artifact {
    /// Reads a file name, and the name below it for what lies in `files/` and `delta/`.
    fn parse(name: &str, below: Option<&str>) -> Option<Self> {
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

    /// Reads the name of a file that lies directly in a version's folder.
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
            Self::Format | Self::GeneratorVersion | Self::UpstreamUrl | Self::UpstreamVersion => ResourceKind::Note,
        }
    }
}

impl ManifestName {
    /// Reads what stands behind `Manifest.`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "MoM" => Some(Self::Mom),
            "full" => Some(Self::Full),
            _ => name.parse().ok().map(Self::Bundle),
        }
    }
}

/// The few kinds of resources, as labels of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// Below `version/`.
    Pointer,
    /// Manifests, plain, as tar, and the signature of the MoM.
    Manifest,
    /// Deltas between manifests.
    DeltaManifest,
    /// Single files.
    Fullfile,
    /// Packs for new installations.
    ZeroPack,
    /// Packs for updates.
    DeltaPack,
    /// Loose deltas.
    Delta,
    /// Small text files beside.
    Note,
}

impl ResourceKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Pointer,
        Self::Manifest,
        Self::DeltaManifest,
        Self::Fullfile,
        Self::ZeroPack,
        Self::DeltaPack,
        Self::Delta,
        Self::Note,
    ];

    /// The kind as a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pointer => "pointer",
            Self::Manifest => "manifest",
            Self::DeltaManifest => "delta_manifest",
            Self::Fullfile => "fullfile",
            Self::ZeroPack => "zero_pack",
            Self::DeltaPack => "delta_pack",
            Self::Delta => "delta",
            Self::Note => "version_info",
        }
    }

    /// The same in kebab-case, as JSON results and people have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeltaManifest => "delta-manifest",
            Self::ZeroPack => "zero-pack",
            Self::DeltaPack => "delta-pack",
            other => other.as_str(),
        }
    }
}

impl fmt::Display for Resource {
    /// The path below the root of the public tree, without a slash in front.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pointer(pointer) => pointer.fmt(f),
            Self::Artifact { version, artifact } => write!(f, "{version}/{artifact}"),
        }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest(format) => write!(f, "version/format{format}/latest"),
            Self::LatestSignature(format) => write!(f, "version/format{format}/latest.sig"),
            Self::First(format) => write!(f, "version/format{format}/first"),
            Self::LatestVersion => f.write_str("version/latest_version"),
            Self::LatestVersionSignature => f.write_str("version/latest_version.sig"),
            Self::Staging => f.write_str("version/formatstaging/latest"),
            Self::StagingSignature => f.write_str("version/formatstaging/latest.sig"),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_shape_comes_back() {
        let hash = "28cb7c6cad23920f344157f48ae353caca34e9a2f5cff934a4fdaaf7509f2062";
        for path in [
            "version/format30/latest",
            "version/format30/latest.sig",
            "version/format30/first",
            "version/latest_version",
            "version/latest_version.sig",
            "version/formatstaging/latest",
            "version/formatstaging/latest.sig",
            "30/Manifest.MoM",
            "30/Manifest.MoM.tar",
            "30/Manifest.MoM.sig",
            "30/Manifest.full",
            "30/Manifest.full.tar",
            "30/Manifest.os-core",
            "30/Manifest.os-core.tar",
            "30/Manifest-os-core-delta-from-10",
            "30/Manifest-a-delta-from-5-delta-from-10",
            &format!("30/files/{hash}.tar"),
            "30/pack-os-core-from-0.tar",
            "30/pack-c++-from-20.tar",
            "30/pack-a-from-b-from-20.tar",
            &format!("30/delta/10-20-{hash}-{hash}"),
            "30/format",
            "30/mixer-src-version",
            "30/upstreamurl",
            "30/upstreamver",
            // A bundle may begin with a dot: two dots in a row are no folder yet.
            "1/Manifest..0",
        ] {
            let resource = Resource::from_request_path(path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!(resource.to_string(), path);
            assert_eq!(Resource::from_request_path(&format!("//{}", path.replace('/', "//"))), Some(resource.clone()));
            if let Resource::Artifact { artifact, .. } = resource {
                assert_eq!(Artifact::from_path(path.split_once('/').unwrap().1), Some(artifact));
            }
        }
    }

    #[test]
    fn nothing_else_is_a_resource() {
        let hash = "28cb7c6cad23920f344157f48ae353caca34e9a2f5cff934a4fdaaf7509f2062";
        for path in [
            "",
            "/",
            "version",
            "version/",
            "version/format30",
            "version/format30/",
            "version/format030/latest",
            "version/formatstaging/first",
            "version/formatStaging/latest",
            "version/format30/latest/",
            "version/format30/x",
            "version/latest",
            "30",
            "30/",
            "0/format",
            "030/format",
            "30/../30/format",
            "./30/format",
            "30/./format",
            "30/format/",
            "30/format/x",
            "30/files",
            "30/files/",
            "30/files/x.tar",
            "30/Manifest.",
            "30/Manifest.a/b",
            "30/Manifest.MoM.sig.tar",
            "30/pack-os-core-from-.tar",
            "30/pack-os-core-from-010.tar",
            "30/pack-os-core-from-10",
            "30/pack--from-10.tar",
            "30/%6dormat",
            "30/form%61t",
            "30/Manifest.os core",
            "30\\format",
            "30/format\0",
            "30/index",
            "30/delta/x",
            "2147483648/format",
            "meta/layout",
            "30/Manifest.full.sig",
            &format!("30/files/{hash}"),
            &format!("30/files/{}.tar", hash.to_uppercase()),
            &format!("30/files/x/{hash}.tar"),
            &format!("30/delta/1-2-{hash}-{hash}"),
        ] {
            assert_eq!(Resource::from_request_path(path), None, "{path:?}");
        }
    }

    #[test]
    fn pointers_and_their_signatures() {
        let format = FormatNumber::new(30).unwrap();
        for pointer in [Pointer::Latest(format), Pointer::LatestVersion, Pointer::Staging] {
            let signature = pointer.signature().unwrap();
            assert_eq!(signature.to_string(), format!("{pointer}.sig"));
            assert_eq!((signature.signed(), signature.signature()), (Some(pointer), None));
        }
        assert_eq!(Pointer::First(format).signature(), None);
    }

    proptest! {
        #[test]
        fn what_is_accepted_has_one_spelling(path in "(/{0,2})([0-9]{1,3}|version|\\.\\.)(/{1,2})(files|delta|Manifest\\.|format30|pack-)?[a-z0-9./-]{0,12}") {
            if let Some(resource) = Resource::from_request_path(&path) {
                let canonical = resource.to_string();
                prop_assert_eq!(Resource::from_request_path(&canonical), Some(resource));
                prop_assert!(canonical.split('/').all(|part| !matches!(part, "" | "." | "..")));
            }
        }
    }
}

//! The kinds of resources, as metrics and reports count them.

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// Files below `version/`.
    Pointer,
    /// Manifests, plain, as tar, and the signature of the MoM.
    Manifest,
    /// Delta manifests.
    DeltaManifest,
    /// Fullfiles.
    Fullfile,
    /// Zero packs.
    ZeroPack,
    /// Delta packs.
    DeltaPack,
    /// Deltas outside of packs.
    Delta,
    /// Small text files about the version: `format`, `upstreamver` and others.
    VersionInfo,
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
        Self::VersionInfo,
    ];

    /// The kind as a label of metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pointer => "pointer",
            Self::Manifest => "manifest",
            Self::DeltaManifest => "delta_manifest",
            Self::Fullfile => "fullfile",
            Self::ZeroPack => "zero_pack",
            Self::DeltaPack => "delta_pack",
            Self::Delta => "delta",
            Self::VersionInfo => "version_info",
        }
    }

    /// The kind as a key of release records. These names are on disk: they stay as the first layout wrote them.
    pub const fn record_key(self) -> &'static str {
        match self {
            Self::VersionInfo => "note",
            other => other.label(),
        }
    }

    /// The kind in kebab-case, for JSON results and people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeltaManifest => "delta-manifest",
            Self::ZeroPack => "zero-pack",
            Self::DeltaPack => "delta-pack",
            Self::VersionInfo => "version-info",
            other => other.label(),
        }
    }
}

/// `ALL` has every kind at the position of its number: metrics use the number as an index.
const _: () = {
    let mut position = 0;
    while position < ResourceKind::ALL.len() {
        assert!(ResourceKind::ALL[position] as usize == position, "a kind is not at its position");
        position += 1;
    }
};

//! What a build did, for people and for programs.

use std::collections::BTreeMap;

use clearwell_format::resource::{Artifact, ResourceKind};
use clearwell_format::{ManifestName, Resource, Version};
use clearwell_store::{PhaseTime, Store, StoreError};
use schemars::JsonSchema;
use serde::Serialize;

use crate::inputs::Release;
use crate::make::Made;
use crate::plan::ReleaseManifests;
use crate::tree::Tree;

/// A build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BuildOutcome {
    /// The version of the release.
    pub version: u32,
    /// The previous version; 0 for the first release.
    pub previous: u32,
    /// The format of the release.
    pub format: u16,
    /// `timestamp:` of its manifests, in seconds since the epoch.
    pub timestamp: i64,
    /// True if the MoM is signed.
    pub signed: bool,
    /// Number of the new generation of pointers; null if the release is staged.
    pub generation: Option<u64>,
    /// True if an interrupted build had made the release already, and only the pointers moved.
    pub resumed: bool,
    /// The artifacts of the release, by kind of artifact.
    #[schemars(extend("propertyNames" = kinds()))]
    pub made: BTreeMap<&'static str, MadeCounts>,
    /// Earlier releases that got delta packs or manifest deltas.
    pub extended: Vec<u32>,
    /// What endpoints fetch of each bundle.
    pub bundles: Vec<BundleFetch>,
    /// Duration of each phase, in order.
    pub phases: Vec<PhaseTime>,
    /// The artifacts that took longest.
    pub slowest: Vec<Slow>,
    /// Warnings, one line each.
    pub warnings: Vec<String>,
    /// Findings of the publish guard that `--allow` overruled, one line each.
    pub overruled: Vec<String>,
}

/// The schema of a kind of artifact.
fn kinds() -> serde_json::Value {
    let of_releases = ResourceKind::ALL.into_iter().filter(|kind| *kind != ResourceKind::Pointer);
    serde_json::json!({ "enum": of_releases.map(ResourceKind::name).collect::<Vec<_>>() })
}

impl BuildOutcome {
    pub(super) fn new(release: &Release, signed: bool) -> Self {
        Self {
            version: release.version.number(),
            previous: release.previous.map_or(0, Version::number),
            format: release.format.number(),
            timestamp: release.timestamp,
            signed,
            generation: None,
            resumed: false,
            made: BTreeMap::new(),
            extended: Vec::new(),
            bundles: Vec::new(),
            phases: Vec::new(),
            slowest: Vec::new(),
            warnings: Vec::new(),
            overruled: Vec::new(),
        }
    }
}

/// Artifacts of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct MadeCounts {
    /// Number of artifacts.
    pub number: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Number of artifacts that an interrupted build had made.
    pub reused: u64,
}

/// What endpoints fetch of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BundleFetch {
    /// The bundle.
    pub bundle: String,
    /// The release that last changed it.
    pub version: u32,
    /// Size of the archive of its manifest in bytes.
    pub manifest_bytes: u64,
    /// Size of its zero pack in bytes; null if there is none.
    pub zero_pack_bytes: Option<u64>,
    /// Size of its delta packs in bytes, by the release that endpoints update from. Releases with the same bundle are
    /// not listed: their endpoints fetch nothing.
    pub update_bytes: BTreeMap<u32, u64>,
}

/// An artifact that took long to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Slow {
    /// Its name below the folder of the version; of a fullfile, the path of the first file that has the content.
    pub object: String,
    /// Time of one thread, in milliseconds.
    pub milliseconds: u64,
}

/// The slowest of what was made.
pub(super) fn slowest(made: &[Made], tree: &Tree) -> Vec<Slow> {
    let mut made: Vec<&Made> = made.iter().filter(|made| !made.took.is_zero()).collect();
    made.sort_by_key(|made| std::cmp::Reverse(made.took));
    let object = |artifact: &Artifact| match artifact {
        Artifact::Fullfile(hash) => {
            tree.nodes().find(|(_, node)| node.hash == *hash).map(|(_, node)| node.path.to_string())
        }
        _ => None,
    };
    let slow = |made: &&Made| Slow {
        object: object(&made.artifact).unwrap_or_else(|| made.artifact.to_string()),
        milliseconds: u64::try_from(made.took.as_millis()).unwrap_or(u64::MAX),
    };
    made.iter().take(SLOWEST).map(slow).collect()
}

const SLOWEST: usize = 5;

/// Adds up what was made, by kind.
pub(super) fn count(made: &[Made]) -> BTreeMap<&'static str, MadeCounts> {
    let mut counts: BTreeMap<_, MadeCounts> = BTreeMap::new();
    for made in made {
        let counts = counts.entry(made.artifact.kind().name()).or_default();
        counts.number += 1;
        counts.bytes += made.meta.size;
        counts.reused += u64::from(made.reused);
    }
    counts
}

/// What endpoints fetch, by the store as it is with the release.
pub(super) fn fetches(
    release: &ReleaseManifests,
    earlier: &[impl AsRef<ReleaseManifests>],
    store: &Store,
) -> Result<Vec<BundleFetch>, StoreError> {
    let mut fetches = Vec::new();
    for entry in release.mom.bundles() {
        let size = |artifact| -> Result<Option<u64>, StoreError> {
            Ok(store.lookup(&Resource::of(entry.version, artifact))?.map(|meta| meta.size))
        };
        let pack = |from| Artifact::Pack { bundle: entry.bundle.clone(), from };
        let mut update_bytes = BTreeMap::new();
        for earlier in earlier.iter().map(AsRef::as_ref) {
            let Some(old) = earlier.mom.bundle(&entry.bundle).filter(|old| old.version < entry.version) else {
                continue;
            };
            if let Some(bytes) = size(pack(Some(old.version)))? {
                update_bytes.insert(earlier.version().number(), bytes);
            }
        }
        let manifest = Artifact::ManifestTar(ManifestName::Bundle(entry.bundle.clone()));
        fetches.push(BundleFetch {
            bundle: entry.bundle.to_string(),
            version: entry.version.number(),
            manifest_bytes: size(manifest)?.unwrap_or(0),
            zero_pack_bytes: size(pack(None))?,
            update_bytes,
        });
    }
    Ok(fetches)
}

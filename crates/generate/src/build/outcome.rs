//! What a build did, for people and for programs.

use std::collections::BTreeMap;

use clearwell_format::resource::Artifact;
use clearwell_format::{ManifestName, Resource, Version};
use clearwell_store::{PhaseTime, Store, StoreError};
use serde::Serialize;

use crate::inputs::Release;
use crate::make::Made;
use crate::plan::ReleaseManifests;
use crate::tree::Tree;

/// What a build did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BuildOutcome {
    /// The release.
    pub version: u32,
    /// The one before; 0 for a first release.
    pub previous: u32,
    /// Its format.
    pub format: u16,
    /// `timestamp:` of its manifests.
    pub timestamp: i64,
    /// The MoM has a signature.
    pub signed: bool,
    /// The pointers' new generation; `None` if the release is staged.
    pub generation: Option<u64>,
    /// An interrupted run had made the release already, and only the pointers were moved.
    pub resumed: bool,
    /// Artifacts of the release by kind.
    pub made: BTreeMap<&'static str, MadeCounts>,
    /// Older releases that got packs they lacked.
    pub extended: Vec<u32>,
    /// What endpoints fetch of each bundle.
    pub bundles: Vec<BundleFetch>,
    /// How long each phase took, in order.
    pub phases: Vec<PhaseTime>,
    /// The artifacts that kept one worker busy longest.
    pub slowest: Vec<Slow>,
    /// What a maintainer should look at, one line each.
    pub warnings: Vec<String>,
    /// Findings of the guard that were overruled.
    pub overruled: Vec<String>,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MadeCounts {
    /// How many there are.
    pub number: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many of them an interrupted run had made.
    pub reused: u64,
}

/// What endpoints fetch of a bundle, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BundleFetch {
    /// The bundle.
    pub bundle: String,
    /// The release in which it last changed.
    pub version: u32,
    /// Its manifest.
    pub manifest_bytes: u64,
    /// The zero pack; `None` if there is none.
    pub zero_pack_bytes: Option<u64>,
    /// Packs by the release that an endpoint comes from. A release whose bundle is the same is left out: its endpoints
    /// fetch nothing.
    pub update_bytes: BTreeMap<u32, u64>,
}

/// An artifact that took long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Slow {
    /// Its name below the version's folder; of a fullfile, the path of the first file that has the content.
    pub object: String,
    /// Milliseconds of one worker.
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

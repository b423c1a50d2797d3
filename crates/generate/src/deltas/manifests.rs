//! Deltas between manifests: what an endpoint fetches instead of a whole manifest (delta §6).
//!
//! ```text
//! 30/Manifest-editor-delta-from-10      10/Manifest.editor to 30/Manifest.editor, both as they are stored plain
//! ```
//!
//! Optional: an endpoint that finds none, or one with a wrong result, fetches the manifest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clearwell_delta::{Delta, DiffOptions, NewFile, diff, patch};
use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, FileHash, Manifest, ManifestName, MomEntry, Version};
use clearwell_store::Draft;

use crate::error::BuildError;
use crate::fan_out::fan_out;
use crate::make::{Made, MakeContext};
use crate::plan::ReleaseManifests;

/// Makes the deltas of all manifests in the folder of the draft, from those of `earlier` releases. What is there
/// already stays, and what would be no smaller than the archive of the manifest is left out.
///
/// # Errors
/// [`BuildError::Store`] if a delta cannot be written.
pub(crate) fn make(
    earlier: &[Arc<ReleaseManifests>],
    new: &ReleaseManifests,
    draft: &Draft<'_>,
    context: &MakeContext<'_>,
) -> Result<Vec<Made>, BuildError> {
    let mut pairs: BTreeMap<(BundleName, Version), Pair> = BTreeMap::new();
    for entry in new.mom.bundles().filter(|entry| entry.version == draft.version()) {
        for release in earlier {
            let Some(old) = release.mom.bundle(&entry.bundle).filter(|old| old.version < entry.version) else {
                continue;
            };
            if let Some(pair) = Pair::of(old, entry, release, new) {
                pairs.insert((entry.bundle.clone(), old.version), pair);
            }
        }
    }
    let pairs: Vec<_> = pairs.into_iter().collect();
    let made = fan_out(&pairs, context.workers, |((bundle, from), pair)| {
        let artifact = Artifact::DeltaManifest { bundle: bundle.clone(), from: *from };
        if draft.contains(&artifact).is_some() {
            return Ok(None);
        }
        let archive = Artifact::ManifestTar(ManifestName::Bundle(bundle.clone()));
        let limit = draft.contains(&archive).map_or(u64::MAX, |meta| meta.size);
        let Some(delta) = pair.delta(context).filter(|delta| (delta.len() as u64) < limit) else {
            return Ok(None);
        };
        let meta = draft.put(&artifact, &delta)?.meta();
        Ok::<_, BuildError>(Some(Made { artifact, meta, reused: false, took: Duration::ZERO }))
    })?;
    Ok(made.into_iter().flatten().collect())
}

/// Two manifests of a bundle.
struct Pair {
    old: Arc<Manifest>,
    new: Arc<Manifest>,
    hash: FileHash,
}

impl Pair {
    /// `None` if the old manifest is not the one that endpoints have.
    fn of(old: &MomEntry, new: &MomEntry, release: &ReleaseManifests, with: &ReleaseManifests) -> Option<Self> {
        let before = release.bundles.get(&old.bundle)?;
        let after = with.bundles.get(&new.bundle)?;
        let is_original = FileHash::of_manifest(&before.to_bytes()) == old.hash;
        is_original.then(|| Self { old: Arc::clone(before), new: Arc::clone(after), hash: new.hash })
    }

    /// The delta, if there is one that makes the new manifest.
    fn delta(&self, context: &MakeContext<'_>) -> Option<Vec<u8>> {
        let (old, new) = (self.old.to_bytes(), self.new.to_bytes());
        let bytes = (old.len() + new.len()) as u64;
        let _memory = context.budget.reserve(7 * bytes + ENGINE_BYTES);
        let Ok(Delta::Bytes(delta)) = diff(&old, &new, MANIFEST, &DiffOptions::default()) else { return None };
        let patched = patch(&old, &delta).ok()?;
        (patched.meta == MANIFEST && FileHash::of_manifest(&patched.bytes) == self.hash).then_some(delta)
    }
}

/// How clients hash manifests: a regular file of root with mode 0644.
const MANIFEST: NewFile = NewFile { mode: 0o100644, uid: 0, gid: 0 };
/// Memory of the delta engine, without the files.
const ENGINE_BYTES: u64 = 64 << 20;

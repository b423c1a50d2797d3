//! The guard, called by builds and publications.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::sync::Arc;

use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, EntryPath, ManifestName, Mom, MomEntry, Resource, Version};
use clearwell_sign::Signer;
use clearwell_store::{ReleaseState, Store, StoreError};

use crate::error::BuildError;
use crate::guard::{self, Artifacts, Context, EarlierEntries, PointerMove, Rule, Signing, Stored, Verdict};
use crate::inputs::Inputs;
use crate::plan::ReleaseManifests;
use crate::tree::Tree;

/// The inputs of the guard that are the same in all stages of a release.
pub(crate) struct Inspection<'a> {
    pub(crate) release: &'a ReleaseManifests,
    pub(crate) previous: Option<&'a ReleaseManifests>,
    pub(crate) kept: &'a BTreeMap<Version, Mom>,
    pub(crate) earlier_entries: Arc<EarlierEntries>,
    pub(crate) wanted: BTreeMap<BundleName, BTreeSet<&'a EntryPath>>,
    pub(crate) tree: Option<&'a Tree>,
    pub(crate) signer: Option<&'a Signer>,
    pub(crate) now: i64,
    pub(crate) allowed: &'a BTreeSet<Rule>,
}

impl Inspection<'_> {
    /// The verdict on what is known so far.
    ///
    /// # Errors
    /// [`BuildError::Refused`].
    pub(crate) fn pass(&self, store: Option<Stored<'_>>, pointers: Option<PointerMove>) -> Result<Verdict, BuildError> {
        self.weigh(guard::check(&self.context(store, pointers)))
    }

    /// The verdict on pointers alone.
    ///
    /// # Errors
    /// [`BuildError::Refused`].
    pub(crate) fn pass_pointers(&self, store: Stored<'_>, pointers: PointerMove) -> Result<(), BuildError> {
        self.weigh(guard::check_pointers(&self.context(Some(store), Some(pointers)))).map(drop)
    }

    fn context<'c>(&'c self, store: Option<Stored<'c>>, pointers: Option<PointerMove>) -> Context<'c> {
        Context {
            release: self.release.clone(),
            previous: self.previous.cloned(),
            kept: self.kept.iter().map(|(&version, mom)| (version, mom)).collect(),
            earlier_entries: Arc::clone(&self.earlier_entries),
            wanted: self.wanted.clone(),
            tree: self.tree,
            signing: match self.signer {
                Some(signer) => Signing::On { anchor: signer.anchor(), now: self.now },
                None => Signing::Off,
            },
            store,
            pointers,
        }
    }

    fn weigh(&self, findings: Vec<guard::Finding>) -> Result<Verdict, BuildError> {
        let verdict = Verdict::new(findings, self.allowed);
        if verdict.may_publish() {
            return Ok(verdict);
        }
        Err(BuildError::Refused { version: self.release.version(), findings: verdict.refusals })
    }
}

/// The paths that each bundle lists in its inputs.
pub(crate) fn wanted(inputs: &Inputs) -> BTreeMap<BundleName, BTreeSet<&EntryPath>> {
    let paths =
        |files: &[crate::inputs::Listed]| files.iter().map(|listed| &inputs.tree.node(listed.node).path).collect();
    inputs.bundles.iter().map(|bundle| (bundle.name.clone(), paths(&bundle.files))).collect()
}

/// The MoMs of all releases of a store.
///
/// # Errors
/// [`StoreError`] if a record or manifest of the store is missing or cannot be read.
pub(crate) fn kept(store: &Store) -> Result<BTreeMap<Version, Mom>, StoreError> {
    store.releases()?.into_iter().map(|version| Ok((version, store.mom(version)?))).collect()
}

/// What endpoints that update to `release` may have installed: every published release of its format, those of the
/// staging channel included, and the release that it is built on.
///
/// # Errors
/// [`StoreError`] if a release record cannot be read. Manifests that cannot be read are skipped.
pub(crate) fn earlier_entries(
    release: &ReleaseManifests,
    previous: Option<&ReleaseManifests>,
    kept: &BTreeMap<Version, Mom>,
    store: &Store,
) -> Result<EarlierEntries, StoreError> {
    let header = &release.mom.header;
    let states = store.states()?;
    let mut moms = Vec::new();
    for (version, mom) in kept.range(..header.version).filter(|(_, mom)| mom.header.format == header.format) {
        let is_staged = states.get(version) == Some(&ReleaseState::Staged);
        moms.extend((!is_staged || store.record(*version)?.channel.is_some()).then_some(mom));
    }
    let previous = previous.map(|previous| &previous.mom);
    moms.extend(previous.filter(|previous| moms.iter().all(|mom| mom.header.version != previous.header.version)));
    Ok(EarlierEntries::read(release, moms, |entry| manifest_text(store, entry)))
}

/// The text of a manifest, not compared with its digest: that would take longer than all the guard does with it, and is
/// what `check` is for.
fn manifest_text(store: &Store, entry: &MomEntry) -> Option<Vec<u8>> {
    let plain = Artifact::Manifest(ManifestName::Bundle(entry.bundle.clone()));
    let Ok((mut file, meta)) = store.open_artifact(&Resource::of(entry.version, plain)) else {
        return store.bundle_manifest(entry).ok().map(|manifest| manifest.to_bytes());
    };
    let mut text = Vec::with_capacity(usize::try_from(meta.size).ok()?);
    file.read_to_end(&mut text).ok()?;
    Some(text)
}

/// A store, a draft in it included, as the guard reads it.
pub(crate) struct StoredArtifacts<'s>(pub(crate) &'s Store);

impl Artifacts for StoredArtifacts<'_> {
    fn size(&self, resource: &Resource) -> Option<u64> {
        self.0.lookup(resource).ok().flatten().map(|meta| meta.size)
    }

    fn open(&self, resource: &Resource) -> io::Result<Box<dyn BufRead + Send + '_>> {
        match self.0.open_artifact(resource) {
            Ok((file, _)) => Ok(Box::new(BufReader::<File>::with_capacity(64 << 10, file))),
            Err(error @ StoreError::NoSuchResource(_)) => Err(io::Error::new(io::ErrorKind::NotFound, error)),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

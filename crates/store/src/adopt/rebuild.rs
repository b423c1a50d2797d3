//! The index and the record of a release, recreated from its content.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use clearwell_format::resource::Artifact;
use clearwell_format::{FormatNumber, Mom, Version};

use super::manifests::ManifestCheck;
use super::release::{ReleaseCheck, record};
use super::source;
use crate::progress::{Meter, Phase, Silent};
use crate::throttle::Throttle;
use crate::verify::{Anchors, ArtifactInspector, Rules, StoreBases, TreeBases, Verification};
use crate::{ArtifactMeta, ReleaseRecord, Store, StoreError};

/// A version whose index or record cannot be trusted, as its content shows it.
pub(crate) struct RebuiltRelease {
    /// The artifacts that clients would accept.
    pub(crate) sound: BTreeMap<Artifact, ArtifactMeta>,
    /// Files that they would not.
    pub(crate) unsound: Vec<PathBuf>,
    /// The record that follows from the manifests, without counts.
    pub(crate) record: ReleaseRecord,
}

/// Checks the content of a version in the store as that of a tree that is adopted. `None` for a version without a MoM
/// that is signed by one of the certificates; if there are none, for a version without a MoM.
///
/// # Errors
/// [`StoreError::Io`], [`StoreError::NotPermitted`] and the other variants for a disk that fails; those of
/// [`Store::mom`] where nothing is left of the version but what MoMs of releases name.
pub(crate) fn rebuild(
    store: &Store,
    version: Version,
    anchors: &Anchors,
) -> Result<Option<RebuiltRelease>, StoreError> {
    let content = store.layout().content();
    if !content.join(version.to_string()).is_dir() {
        return Ok(None);
    }
    let (files, _) = source::artifacts(&content, version)?;
    let mut check =
        ReleaseCheck { version, known: None, files: files.clone(), sound: BTreeMap::new(), defects: Vec::new() };
    let meter = Meter::begin(&Silent, Phase::Read, 0, 0);
    if let Some(checked) = check.run(store, anchors, &meter)? {
        let mut record = record(&content, &checked, &check);
        record.sources.clear();
        return Ok(Some(RebuiltRelease::new(check.sound, files, record)));
    }
    if store.has_release(version) || !store.has_content(version) {
        return Ok(None);
    }
    rebuild_remnant(store, version, files).map(Some)
}

impl RebuiltRelease {
    fn new(sound: BTreeMap<Artifact, ArtifactMeta>, files: BTreeMap<Artifact, PathBuf>, record: ReleaseRecord) -> Self {
        let unsound = files.into_iter().filter(|(artifact, _)| !sound.contains_key(artifact));
        Self { unsound: unsound.map(|(_, path)| path).collect(), sound, record }
    }
}

/// The rest of a version that was collected with its MoM: files whose content has the hash in their names, and
/// manifests that MoMs of releases name. A MoM that cannot be read might name what would be taken for unsound, so all
/// are needed.
fn rebuild_remnant(
    store: &Store,
    version: Version,
    files: BTreeMap<Artifact, PathBuf>,
) -> Result<RebuiltRelease, StoreError> {
    let moms: Vec<Mom> =
        store.releases()?.into_iter().map(|release| store.mom(release)).collect::<Result<_, StoreError>>()?;
    let mut manifests = ManifestCheck::new(version, &files);
    for mom in &moms {
        for entry in mom.bundles().filter(|entry| entry.version == version) {
            manifests.bundle(entry, mom.header.version);
        }
    }
    let mut sound = manifests.sound;
    let bases = TreeBases { version, files: &files, store: StoreBases::new(store) };
    let (throttle, large) = (Throttle::default(), Mutex::new(()));
    let meter = Meter::begin(&Silent, Phase::Read, 0, 0);
    let rules = Rules::new(version, &bases);
    let (throttle, large, meter) = (&throttle, &large, &meter);
    let inspector = ArtifactInspector { version, format: None, bases: &bases, rules: &rules, throttle, large, meter };
    for (artifact, path) in files.iter().filter(|(artifact, _)| Verification::of(artifact) == Verification::Contents) {
        if let Ok(contents) = inspector.check(artifact, path) {
            sound.insert(artifact.clone(), contents.meta);
        }
    }
    let format = moms.first().map_or(FormatNumber::new(30).expect("not zero"), |mom| mom.header.format);
    Ok(RebuiltRelease::new(sound, files, ReleaseRecord::new(version, format, 0)))
}

//! The files that kept releases need.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, FileHash, ManifestName, MomEntry, Version};

use crate::fan_out::{fan_out_metered, processors};
use crate::progress::Meter;
use crate::{Store, StoreError};

/// A bundle in one of its versions.
pub(super) type BundleVersion = (BundleName, Version);

/// The files that must stay.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Releases that stay as they are.
    pub(super) kept: BTreeSet<Version>,
    /// Versions that go, and whose manifests stay.
    pub(super) left: BTreeSet<Version>,
    /// What the MoMs of kept releases name.
    bundles: BTreeSet<BundleVersion>,
    /// What the MoMs of left ones name.
    left_bundles: BTreeSet<BundleVersion>,
    /// By folder, the fullfiles that entries point at; only of versions that go.
    files: HashMap<Version, HashSet<FileHash>>,
}

impl Needs {
    /// # Errors
    /// All errors of [`Store::mom`] and [`Store::bundle_manifest`]: without a MoM or manifest it is not known what is
    /// needed.
    pub(super) fn of(
        store: &Store,
        kept: BTreeSet<Version>,
        left: BTreeSet<Version>,
        meter: &Meter<'_>,
    ) -> Result<Self, StoreError> {
        let mut needs = Self { kept, left, ..Self::default() };
        let mut entries: BTreeMap<BundleVersion, MomEntry> = BTreeMap::new();
        for version in &needs.kept {
            for entry in store.mom(*version)?.bundles() {
                entries.insert((entry.bundle.clone(), entry.version), entry.clone());
            }
        }
        for version in &needs.left {
            let mom = store.mom(*version)?;
            needs.left_bundles.extend(mom.bundles().map(|entry| (entry.bundle.clone(), entry.version)));
        }
        let files = Mutex::new(HashMap::new());
        let entries: Vec<MomEntry> = entries.into_values().collect();
        meter.expect(entries.len() as u64, 0);
        fan_out_metered(&entries, processors(), meter, |_| 0, |entry| needs.files_of(store, entry, &files))?;
        needs.files = files.into_inner().unwrap_or_else(PoisonError::into_inner);
        needs.bundles = entries.into_iter().map(|entry| (entry.bundle, entry.version)).collect();
        Ok(needs)
    }

    fn files_of(
        &self,
        store: &Store,
        entry: &MomEntry,
        files: &Mutex<HashMap<Version, HashSet<FileHash>>>,
    ) -> Result<(), StoreError> {
        let manifest = store.bundle_manifest(entry)?;
        let going = manifest.present().filter(|entry| !self.kept.contains(&entry.version));
        let mut found: Vec<(Version, FileHash)> = going.map(|entry| (entry.version, entry.hash())).collect();
        drop(manifest);
        found.sort_unstable();
        let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
        for of_version in found.chunk_by(|one, other| one.0 == other.0) {
            files.entry(of_version[0].0).or_default().extend(of_version.iter().map(|(_, hash)| *hash));
        }
        Ok(())
    }

    /// True if an artifact in the folder of `version` must stay.
    pub(super) fn has(&self, version: Version, artifact: &Artifact) -> bool {
        let is_kept = self.kept.contains(&version);
        match artifact {
            Artifact::Pack { bundle, from: Some(from) } => {
                self.installs(bundle, version) && self.installs(bundle, *from)
            }
            Artifact::DeltaManifest { bundle, from } => {
                self.installs(bundle, version) && (self.installs(bundle, *from) || self.leaves(bundle, *from))
            }
            _ if is_kept => true,
            Artifact::Fullfile(hash) => self.files.get(&version).is_some_and(|files| files.contains(hash)),
            Artifact::Pack { bundle, from: None } => self.installs(bundle, version),
            // Generators read it: mixer, and the guard of the next build.
            Artifact::Manifest(ManifestName::Bundle(bundle)) => self.installs(bundle, version),
            Artifact::ManifestTar(ManifestName::Bundle(bundle)) => {
                self.installs(bundle, version) || self.leaves(bundle, version)
            }
            Artifact::ManifestTar(ManifestName::Mom) | Artifact::MomSignature => self.left.contains(&version),
            Artifact::Manifest(ManifestName::Mom | ManifestName::Full)
            | Artifact::ManifestTar(ManifestName::Full)
            | Artifact::Delta(_)
            | Artifact::Format
            | Artifact::GeneratorVersion
            | Artifact::UpstreamUrl
            | Artifact::UpstreamVersion => false,
        }
    }

    fn installs(&self, bundle: &BundleName, version: Version) -> bool {
        self.bundles.contains(&(bundle.clone(), version))
    }

    fn leaves(&self, bundle: &BundleName, version: Version) -> bool {
        self.left_bundles.contains(&(bundle.clone(), version))
    }
}

//! Which endpoints ask for a file: releases by their records, files by the manifests that list them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use clearwell_format::resource::{Artifact, Pointer};
use clearwell_format::{BundleName, FileHash, ManifestName, Resource, Version};

use super::{Affected, Finding, Run};
use crate::Store;

impl Run<'_> {
    /// Enters for each finding the endpoints that it affects.
    pub(super) fn affected(&mut self) {
        if self.report.findings.iter().all(|finding| finding.defect.resource.is_none()) {
            return;
        }
        let uses = Uses::of(self.store, &self.report.findings);
        for finding in &mut self.report.findings {
            finding.affected = uses.affected(self.store, finding);
        }
    }
}

/// Which releases have which manifests, and which manifests list which files.
struct Uses {
    releases: BTreeMap<(BundleName, Version), BTreeSet<Version>>,
    listed: HashMap<(FileHash, Version), BTreeSet<(BundleName, Version)>>,
}

impl Uses {
    fn of(store: &Store, findings: &[Finding]) -> Self {
        let mut uses = Self { releases: BTreeMap::new(), listed: HashMap::new() };
        for version in store.releases().unwrap_or_default() {
            let Ok(record) = store.record(version) else { continue };
            for bundle in record.bundles {
                uses.releases.entry((bundle.name, bundle.version)).or_default().insert(version);
            }
        }
        for finding in findings {
            if let Some(Resource::Artifact { version, artifact: Artifact::Fullfile(hash) }) = &finding.defect.resource {
                uses.listed.insert((*hash, *version), BTreeSet::new());
            }
        }
        if !uses.listed.is_empty() {
            uses.list_files(store);
        }
        uses
    }

    fn list_files(&mut self, store: &Store) {
        for (bundle, version) in self.releases.keys() {
            let Ok(manifest) = store.manifest(*version, &ManifestName::Bundle(bundle.clone())) else { continue };
            for entry in manifest.present() {
                if let Some(manifests) = self.listed.get_mut(&(entry.hash(), entry.version)) {
                    manifests.insert((bundle.clone(), *version));
                }
            }
        }
    }

    fn affected(&self, store: &Store, finding: &Finding) -> Affected {
        let mut affected = Affected::default();
        match &finding.defect.resource {
            Some(Resource::Artifact { version, artifact }) => match artifact {
                // Only generators and people read these.
                Artifact::Manifest(_) | Artifact::ManifestTar(ManifestName::Full) | Artifact::Delta(_) => {}
                Artifact::GeneratorVersion | Artifact::UpstreamUrl | Artifact::UpstreamVersion => {}
                Artifact::ManifestTar(ManifestName::Mom) | Artifact::MomSignature | Artifact::Format => {
                    affected.versions.insert(*version);
                }
                Artifact::ManifestTar(ManifestName::Bundle(bundle))
                | Artifact::DeltaManifest { bundle, .. }
                | Artifact::Pack { bundle, .. } => self.add(&mut affected, bundle, *version),
                Artifact::Fullfile(hash) => {
                    for (bundle, version) in self.listed.get(&(*hash, *version)).into_iter().flatten() {
                        self.add(&mut affected, bundle, *version);
                    }
                }
            },
            // `first` is for other programs.
            None | Some(Resource::Pointer(Pointer::First(_))) => {}
            Some(Resource::Pointer(pointer)) => {
                let text = pointer.signed().unwrap_or(*pointer);
                affected.versions.extend(store.pointers().ok().and_then(|pointers| pointers.version(text)));
            }
        }
        affected
    }

    fn add(&self, affected: &mut Affected, bundle: &BundleName, version: Version) {
        if let Some(releases) = self.releases.get(&(bundle.clone(), version)) {
            affected.versions.extend(releases);
            affected.bundles.insert(bundle.clone());
        }
    }
}

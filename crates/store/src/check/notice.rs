//! Who asks for a file: releases by their records, files by the manifests that list them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use clearwell_format::resource::{Artifact, Pointer};
use clearwell_format::{BundleName, FileHash, ManifestName, Resource, Version};

use super::{Finding, Notice, Run};
use crate::Store;

impl Run<'_> {
    /// Says of each finding where endpoints would notice it.
    pub(super) fn notices(&mut self) {
        if self.report.findings.iter().all(|finding| finding.resource.is_none()) {
            return;
        }
        let uses = Uses::of(self.store, &self.report.findings);
        for finding in &mut self.report.findings {
            finding.notice = uses.notice(self.store, finding);
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
            if let Some(Resource::Artifact { version, artifact: Artifact::Fullfile(hash) }) = &finding.resource {
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

    fn notice(&self, store: &Store, finding: &Finding) -> Notice {
        let mut notice = Notice::default();
        match &finding.resource {
            Some(Resource::Artifact { version, artifact }) => match artifact {
                Artifact::Manifest(_) | Artifact::Delta(_) | Artifact::UpstreamUrl | Artifact::UpstreamVersion => {}
                Artifact::GeneratorVersion => {}
                Artifact::ManifestTar(ManifestName::Full) => {}
                Artifact::ManifestTar(ManifestName::Mom) | Artifact::MomSignature | Artifact::Format => {
                    notice.versions.insert(*version);
                }
                Artifact::ManifestTar(ManifestName::Bundle(bundle))
                | Artifact::DeltaManifest { bundle, .. }
                | Artifact::Pack { bundle, .. } => self.add(&mut notice, bundle, *version),
                Artifact::Fullfile(hash) => {
                    for (bundle, version) in self.listed.get(&(*hash, *version)).into_iter().flatten() {
                        self.add(&mut notice, bundle, *version);
                    }
                }
            },
            // `first` is for other programs.
            None | Some(Resource::Pointer(Pointer::First(_))) => {}
            Some(Resource::Pointer(pointer)) => {
                let text = pointer.signed().unwrap_or(*pointer);
                notice.versions.extend(store.pointers().ok().and_then(|pointers| pointers.version(text)));
            }
        }
        notice
    }

    fn add(&self, notice: &mut Notice, bundle: &BundleName, version: Version) {
        if let Some(releases) = self.releases.get(&(bundle.clone(), version)) {
            notice.versions.extend(releases);
            notice.bundles.insert(bundle.clone());
        }
    }
}

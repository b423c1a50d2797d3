//! From each MoM to the manifests it names, and from their entries to fullfiles.

use std::collections::{BTreeMap, BTreeSet};

use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, FileHash, ManifestName, Mom, Owner, Resource, Version};

use super::Run;
use crate::fan_out::fan_out_metered;
use crate::manifest_archive::ArchivedManifest;
use crate::progress::Meter;
use crate::verify::{Anchors, Defect, DefectKind, manifest as judge, missing};
use crate::{Store, StoreError};

/// A manifest that MoMs name: by which hash, and for which releases.
type Named = BTreeMap<(BundleName, Version), Vec<(FileHash, Version)>>;

impl Run<'_> {
    pub(super) fn manifests(&mut self, anchors: &Anchors, meter: &Meter<'_>) -> Result<(), StoreError> {
        let mut named = Named::new();
        let releases = self.store.releases()?;
        meter.expect(releases.len() as u64, 0);
        for version in releases {
            meter.advance(1, 0);
            let Some(mom) = self.mom(version, anchors) else { continue };
            self.compare_record(version, &mom);
            for entry in mom.bundles() {
                named.entry((entry.bundle.clone(), entry.version)).or_default().push((entry.hash, version));
            }
        }
        let named: Vec<_> = named.into_iter().collect();
        let store = self.store;
        meter.expect(named.len() as u64, 0);
        let found = fan_out_metered(
            &named,
            self.options.jobs,
            meter,
            |_| 0,
            |((bundle, version), by)| Ok::<_, StoreError>(bundle_of(store, bundle, *version, by)),
        )?;
        // Bundles share files: each is named once.
        let mut seen = BTreeSet::new();
        for defect in found.into_iter().flatten() {
            let missing = matches!(defect.kind, DefectKind::FullfileMissing { .. });
            if !missing || seen.insert(defect.path.clone()) {
                self.find(defect);
            }
        }
        Ok(())
    }

    /// The MoM of a release, with its signatures checked.
    fn mom(&mut self, version: Version, anchors: &Anchors) -> Option<Mom> {
        let resource = Resource::of(version, Artifact::ManifestTar(ManifestName::Mom));
        let files = match files(self.store, version, &ManifestName::Mom) {
            Ok(files) => files,
            Err(Unread::Elsewhere) => return None,
            Err(Unread::Absent) => {
                // The release may have been collected meanwhile.
                if self.store.has_release(version) {
                    self.find(Defect::in_store(resource, DefectKind::MomMissing));
                }
                return None;
            }
            Err(Unread::Defect(kind)) => {
                self.find(Defect::in_store(resource, kind));
                return None;
            }
        };
        if let Some(kind) = files.plain_defect {
            self.find(Defect::in_store(Resource::of(version, Artifact::Manifest(ManifestName::Mom)), kind));
        }
        self.mom_signatures(version, &files.archived, anchors);
        let inspection = judge::mom(&files.archived.bytes, version);
        inspection.defects.into_iter().for_each(|kind| self.find(Defect::in_store(resource.clone(), kind)));
        inspection.value
    }

    /// Clients take the signature in the archive, and the separate file where that fails. Both have to be good.
    fn mom_signatures(&mut self, version: Version, mom: &ArchivedManifest, anchors: &Anchors) {
        let (archive, file) = (Artifact::ManifestTar(ManifestName::Mom), Artifact::MomSignature);
        let separate = self.store.read(&Resource::of(version, file.clone())).ok();
        let is_signed = separate.is_some() || mom.signature.is_some();
        for (artifact, signature) in [(archive, &mom.signature), (file.clone(), &separate)] {
            let Some(verdict) = signature.as_ref().and_then(|signature| anchors.verdict(&mom.bytes, signature)) else {
                continue;
            };
            self.report.signatures += 1;
            if let Err(error) = verdict {
                self.find(Defect::in_store(Resource::of(version, artifact), DefectKind::Signature(error)));
            }
        }
        // With a certificate in the content endpoints want a signature; a release can be unsigned on purpose only
        // where all are.
        let file = Resource::of(version, file);
        if !is_signed && !anchors.is_empty() && self.store.lookup(&file).is_ok_and(|found| found.is_none()) {
            self.find(Defect::in_store(file, DefectKind::SignatureMissing));
        }
    }
}

/// The files of a manifest, with the bytes that were stored.
struct ManifestFiles {
    /// As clients read it; the plain file if the archive is damaged.
    archived: ArchivedManifest,
    /// What is wrong with the plain file.
    plain_defect: Option<DefectKind>,
}

/// Why the files of a manifest were not read.
enum Unread {
    /// The release has no archive of it, which is all that clients read.
    Absent,
    /// They are not what was stored: a defect of the artifacts, which is reported there.
    Elsewhere,
    Defect(DefectKind),
}

fn files(store: &Store, version: Version, name: &ManifestName) -> Result<ManifestFiles, Unread> {
    let plain = store.read(&Resource::of(version, Artifact::Manifest(name.clone())));
    let archive = match store.read(&Resource::of(version, Artifact::ManifestTar(name.clone()))) {
        Ok(archive) => archive,
        Err(StoreError::NoSuchResource(_) | StoreError::UnknownVersion { .. }) => return Err(Unread::Absent),
        Err(StoreError::ArtifactSize { .. } | StoreError::ArtifactDamaged { .. } | StoreError::IndexDamaged { .. }) => {
            let bytes = plain.map_err(|_| Unread::Elsewhere)?;
            let archived = ArchivedManifest { bytes, owner: Owner::MANIFEST, signature: None };
            return Ok(ManifestFiles { archived, plain_defect: None });
        }
        Err(error) => return Err(Unread::Defect(error.into())),
    };
    let archived = judge::unpack(&archive, name).map_err(Unread::Defect)?;
    let plain_defect = plain.ok().and_then(|plain| judge::same_text(&plain, &archived.bytes).err());
    Ok(ManifestFiles { archived, plain_defect })
}

/// Checks one manifest, and all its entries.
fn bundle_of(store: &Store, bundle: &BundleName, version: Version, by: &[(FileHash, Version)]) -> Vec<Defect> {
    let name = ManifestName::Bundle(bundle.clone());
    let resource = Resource::of(version, Artifact::ManifestTar(name.clone()));
    let newest = by.iter().map(|(_, release)| *release).max().unwrap_or(version);
    let of_archive = |kind| Defect::in_store(resource.clone(), kind);
    let ManifestFiles { archived, plain_defect } = match files(store, version, &name) {
        Ok(files) => files,
        Err(Unread::Elsewhere) => return Vec::new(),
        Err(Unread::Absent) => {
            // The release may have been collected meanwhile.
            let is_needed = by.iter().any(|(_, release)| store.has_release(*release));
            let missing = DefectKind::ManifestMissing { by: newest, bundle: bundle.clone() };
            return is_needed.then(|| of_archive(missing)).into_iter().collect();
        }
        Err(Unread::Defect(kind)) => return vec![of_archive(kind)],
    };
    let of_plain = |kind| Defect::in_store(Resource::of(version, Artifact::Manifest(name.clone())), kind);
    let mut defects: Vec<Defect> = plain_defect.map(of_plain).into_iter().collect();
    let hashes =
        by.iter().filter_map(|(expected, by)| judge::hash(&archived.bytes, archived.owner, *by, *expected).err());
    defects.extend(hashes.map(of_archive));
    let inspection = judge::manifest(&archived.bytes, version);
    defects.extend(inspection.defects.into_iter().map(of_archive));
    if let Some(manifest) = inspection.value {
        let missing = missing(store, &manifest, &resource, newest);
        defects.extend(missing.into_iter().map(|(resource, kind)| Defect::in_store(resource, kind)));
    }
    defects
}

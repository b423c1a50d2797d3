//! From each MoM to the manifests it names, and from their entries to fullfiles.

use std::collections::{BTreeMap, BTreeSet};

use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, FileHash, Manifest, ManifestName, Mom, Owner, Resource, Version};

use super::trust::Trust;
use super::{Finding, FindingKind, Run};
use crate::content::ContentProblem;
use crate::fan_out::fan_out_metered;
use crate::fullfiles::lacking;
use crate::manifest_archive::{self, ArchivedManifest};
use crate::progress::Meter;
use crate::{Store, StoreError};

/// A manifest that MoMs name: by which hash, and for which releases.
type Named = BTreeMap<(BundleName, Version), Vec<(FileHash, Version)>>;

impl Run<'_> {
    pub(super) fn manifests(&mut self, trust: &Trust, meter: &Meter<'_>) -> Result<(), StoreError> {
        let mut named = Named::new();
        let releases = self.store.releases()?;
        meter.expect(releases.len() as u64, 0);
        for version in releases {
            meter.advance(1, 0);
            let Some(mom) = self.mom(version, trust) else { continue };
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
        for finding in found.into_iter().flatten() {
            let missing = matches!(finding.kind, FindingKind::FullfileMissing { .. });
            if !missing || seen.insert(finding.path.clone()) {
                self.find(finding);
            }
        }
        Ok(())
    }

    /// The MoM of a release, with its signatures checked.
    fn mom(&mut self, version: Version, trust: &Trust) -> Option<Mom> {
        let resource = Resource::of(version, Artifact::ManifestTar(ManifestName::Mom));
        let text = match texts(self.store, version, &ManifestName::Mom) {
            Ok(texts) => texts,
            Err(StoreError::UnknownVersion { .. }) => return None,
            Err(StoreError::NoSuchResource(_)) => {
                self.find(Finding::of(resource, FindingKind::MomMissing));
                return None;
            }
            // Found already, as a file that is not what was stored.
            Err(error) if is_found_elsewhere(&error) => return None,
            Err(error) => {
                self.find(Finding::of(resource, error.into()));
                return None;
            }
        };
        self.compare(version, &ManifestName::Mom, &text);
        self.mom_signatures(version, &text, trust);
        match Mom::parse(&text.bytes) {
            Ok(mom) => Some(mom),
            Err(source) => {
                self.find(Finding::of(resource, FindingKind::Manifest(source)));
                None
            }
        }
    }

    /// Clients take the signature in the archive, and the one beside where that fails. Both have to be good.
    fn mom_signatures(&mut self, version: Version, text: &Texts, trust: &Trust) {
        let (archive, beside) = (Artifact::ManifestTar(ManifestName::Mom), Artifact::MomSignature);
        let loose = self.store.read(&Resource::of(version, beside.clone())).ok();
        let is_signed = loose.is_some() || text.signature.is_some();
        for (artifact, signature) in [(archive, text.signature.as_ref()), (beside, loose.as_ref())] {
            let Some(signature) = signature else { continue };
            let Some(verdict) = trust.verdict(&text.bytes, signature) else { continue };
            self.report.signatures += 1;
            if let Err(error) = verdict {
                self.find(Finding::of(Resource::of(version, artifact), FindingKind::Signature(error)));
            }
        }
        // With a certificate in the content endpoints want a signature; a release can be unsigned on purpose only
        // where all are.
        if !is_signed
            && !trust.anchors.is_empty()
            && self.store.lookup(&mom_signature(version)).is_ok_and(|found| found.is_none())
        {
            self.find(Finding::of(mom_signature(version), FindingKind::SignatureMissing));
        }
    }

    fn compare(&mut self, version: Version, name: &ManifestName, text: &Texts) {
        if text.plain_differs {
            let plain = Resource::of(version, Artifact::Manifest(name.clone()));
            self.find(Finding::of(plain, FindingKind::NotAsArchived));
        }
    }
}

fn mom_signature(version: Version) -> Resource {
    Resource::of(version, Artifact::MomSignature)
}

/// What the files of a manifest hold.
struct Texts {
    /// As clients read it, or else the plain file.
    bytes: Vec<u8>,
    owner: Owner,
    /// The second member of the archive of a MoM.
    signature: Option<Vec<u8>>,
    /// Both files are as they were stored, and not the same.
    plain_differs: bool,
}

/// # Errors
/// [`StoreError::NoSuchResource`] if the release has no archive of it, which is all that clients read.
fn texts(store: &Store, version: Version, name: &ManifestName) -> Result<Texts, StoreError> {
    let plain = store.read(&Resource::of(version, Artifact::Manifest(name.clone())));
    let resource = Resource::of(version, Artifact::ManifestTar(name.clone()));
    let archive = match (store.read(&resource), plain.as_ref()) {
        (Ok(archive), _) => archive,
        (Err(error), Ok(plain)) if is_found_elsewhere(&error) => {
            let bytes = plain.clone();
            return Ok(Texts { bytes, owner: Owner::MANIFEST, signature: None, plain_differs: false });
        }
        (Err(error), _) => return Err(error),
    };
    let archive_error = |source| StoreError::Archive { resource: Box::new(resource.clone()), source };
    let ArchivedManifest { bytes, owner, signature } = manifest_archive::read(&archive, name).map_err(archive_error)?;
    let plain_differs = plain.is_ok_and(|plain| plain != bytes);
    Ok(Texts { bytes, owner, signature, plain_differs })
}

fn is_found_elsewhere(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::ArtifactSize { .. } | StoreError::ArtifactDamaged { .. } | StoreError::IndexDamaged { .. }
    )
}

/// Checks one manifest, and all its entries.
fn bundle_of(store: &Store, bundle: &BundleName, version: Version, by: &[(FileHash, Version)]) -> Vec<Finding> {
    let name = ManifestName::Bundle(bundle.clone());
    let resource = Resource::of(version, Artifact::ManifestTar(name.clone()));
    let newest = by.iter().map(|(_, release)| *release).max().unwrap_or(version);
    let only = |kind| vec![Finding::of(resource.clone(), kind)];
    let text = match texts(store, version, &name) {
        Ok(text) => text,
        Err(StoreError::NoSuchResource(_) | StoreError::UnknownVersion { .. }) => {
            // The release may have been collected meanwhile.
            let is_needed = by.iter().any(|(_, release)| store.has_release(*release));
            return if is_needed { only(FindingKind::ManifestMissing { by: newest }) } else { Vec::new() };
        }
        Err(error) if is_found_elsewhere(&error) => return Vec::new(),
        Err(error) => return only(error.into()),
    };
    let mut findings = Vec::new();
    if text.plain_differs {
        findings.push(Finding::of(Resource::of(version, Artifact::Manifest(name)), FindingKind::NotAsArchived));
    }
    let found = FileHash::of_file(&text.bytes, text.owner);
    for (expected, by) in by {
        if *expected != found {
            let kind = FindingKind::ManifestHash { by: *by, expected: *expected, found };
            findings.push(Finding::of(resource.clone(), kind));
        }
    }
    match Manifest::parse(&text.bytes) {
        Ok(manifest) => findings.extend(entries(store, &manifest, &resource, newest)),
        Err(source) => findings.push(Finding::of(resource, FindingKind::Manifest(source))),
    }
    findings
}

/// Entries without a fullfile.
fn entries(store: &Store, manifest: &Manifest, resource: &Resource, release: Version) -> Vec<Finding> {
    let lacking = lacking(store, manifest, release);
    let fullfiles = lacking
        .fullfiles
        .into_iter()
        .map(|(fullfile, path)| Finding::of(fullfile, FindingKind::FullfileMissing { path }));
    let of_manifest =
        |(version, entries)| Finding::of(resource.clone(), FindingKind::VersionMissing { version, entries });
    fullfiles.chain(lacking.versions.into_iter().map(of_manifest)).collect()
}

impl From<ContentProblem> for FindingKind {
    fn from(problem: ContentProblem) -> Self {
        Self::Content(problem)
    }
}

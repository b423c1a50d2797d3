//! The manifests of releases, read out of a store.

use std::sync::Arc;

use clearwell_format::resource::Artifact;
use clearwell_format::{FormatNumber, Manifest, ManifestName, Mom, MomEntry, Resource, Version};
use clearwell_store::{Store, StoreError};

use crate::plan::ReleaseManifests;
use crate::plan::release_manifests::ManifestSource;

/// A store as a source of manifests. Bundle manifests are those that the MoM names by hash.
pub struct StoredManifests<'s>(pub &'s Store);

impl ManifestSource for StoredManifests<'_> {
    type Error = StoreError;

    fn mom(&self, version: Version) -> Result<Mom, StoreError> {
        self.0.mom(version)
    }

    fn bundle(&self, entry: &MomEntry) -> Result<Manifest, StoreError> {
        self.0.bundle_manifest(entry)
    }

    fn full(&self, version: Version) -> Result<Option<Manifest>, StoreError> {
        let full = [Artifact::Manifest(ManifestName::Full), Artifact::ManifestTar(ManifestName::Full)];
        for artifact in full {
            if self.0.lookup(&Resource::of(version, artifact))?.is_some() {
                return self.0.manifest(version, &ManifestName::Full).map(Some);
            }
        }
        Ok(None)
    }
}

/// The releases that endpoints update from: `newest` and those it was made on top of, at most `limit`, up to the first
/// of another format. An endpoint of another format first updates to the last release of that one (manifest §5.12).
///
/// # Errors
/// [`StoreError`] if a record or manifest of the store is missing or cannot be read.
pub fn lineage(
    newest: Arc<ReleaseManifests>,
    limit: usize,
    format: FormatNumber,
    store: &Store,
) -> Result<Vec<Arc<ReleaseManifests>>, StoreError> {
    let mut lineage = Vec::new();
    let mut next = Some(newest);
    while let Some(release) = next.filter(|release| lineage.len() < limit && release.mom.header.format == format) {
        let before = release.mom.header.previous.filter(|before| *before < release.version());
        lineage.push(release);
        next = match before.filter(|_| lineage.len() < limit) {
            Some(version) if store.has_release(version) => {
                Some(Arc::new(ReleaseManifests::read(&StoredManifests(store), version)?))
            }
            _ => None,
        };
    }
    Ok(lineage)
}

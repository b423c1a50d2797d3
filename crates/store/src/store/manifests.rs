//! Reading the manifests of a store: the plain file, or else the archive.

use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, Manifest, ManifestName, Mom, MomEntry, Resource, Version};

use super::Store;
use crate::{StoreError, manifest_archive};

impl Store {
    /// The MoM of a release.
    pub fn mom(&self, version: Version) -> Result<Mom, StoreError> {
        let (resource, bytes) = self.manifest_bytes(version, &ManifestName::Mom)?;
        Mom::parse(&bytes).map_err(|source| StoreError::Manifest { resource: Box::new(resource), source })
    }

    /// A manifest in the folder of `version`, which for a bundle is the release in which the bundle last changed.
    pub fn manifest(&self, version: Version, name: &ManifestName) -> Result<Manifest, StoreError> {
        let (resource, bytes) = self.manifest_bytes(version, name)?;
        Manifest::parse(&bytes).map_err(|source| StoreError::Manifest { resource: Box::new(resource), source })
    }

    /// The manifest that an entry of a MoM names, with the file hash that the MoM has for it.
    ///
    /// # Errors
    /// Also [`StoreError::ManifestHash`].
    pub fn bundle_manifest(&self, entry: &MomEntry) -> Result<Manifest, StoreError> {
        let name = ManifestName::Bundle(entry.bundle.clone());
        let (resource, bytes) = self.manifest_bytes(entry.version, &name)?;
        let found = FileHash::of_manifest(&bytes);
        if found != entry.hash && !self.archive_has_hash(entry, &name) {
            return Err(StoreError::ManifestHash { resource: Box::new(resource), expected: entry.hash, found });
        }
        Manifest::parse(&bytes).map_err(|source| StoreError::Manifest { resource: Box::new(resource), source })
    }

    /// Clients hash a manifest with the owner and mode it has in its archive. Nearly always they are
    /// [`clearwell_format::Owner::MANIFEST`]; the reference run by another user makes others.
    fn archive_has_hash(&self, entry: &MomEntry, name: &ManifestName) -> bool {
        let resource = Resource::of(entry.version, Artifact::ManifestTar(name.clone()));
        self.read(&resource)
            .is_ok_and(|archive| manifest_archive::hash(&archive[..], name).is_ok_and(|hash| hash == entry.hash))
    }

    /// The bytes of a manifest: the plain file, or else the member of its archive.
    fn manifest_bytes(&self, version: Version, name: &ManifestName) -> Result<(Resource, Vec<u8>), StoreError> {
        let plain = Resource::of(version, Artifact::Manifest(name.clone()));
        if self.lookup(&plain)?.is_some() {
            match self.read(&plain) {
                // What a collection left of a version: on a full disk files go before the index that names them.
                Err(StoreError::ArtifactSize { found: 0, .. }) if !self.has_release(version) => {}
                other => return other.map(|bytes| (plain, bytes)),
            }
        }
        let resource = Resource::of(version, Artifact::ManifestTar(name.clone()));
        if self.lookup(&resource)?.is_none() {
            return Err(match self.has_content(version) {
                true => StoreError::NoSuchResource(Box::new(plain)),
                false => StoreError::UnknownVersion { version },
            });
        }
        let archive = self.read(&resource)?;
        match manifest_archive::read(&archive, name) {
            Ok(found) => Ok((resource, found.bytes)),
            Err(source) => Err(StoreError::Archive { resource: Box::new(resource), source }),
        }
    }

    /// The bytes of a manifest, whichever of its two files has them.
    pub(crate) fn manifest_text(&self, version: Version, name: &ManifestName) -> Result<Vec<u8>, StoreError> {
        self.manifest_bytes(version, name).map(|(_, bytes)| bytes)
    }
}

//! Files with the same content as another: equal artifacts, and manifests in their two forms.

use std::collections::HashMap;

use clearwell_delta::{Delta, DiffOptions, NewFile, diff};
use clearwell_format::resource::Artifact;
use clearwell_format::{Manifest, ManifestName, Mom, Resource, Version};

use super::{Lost, Repair, encode};
use crate::manifest_archive::{self, ArchivedManifest};
use crate::{Digest, Store, StoreError};

impl Repair<'_> {
    /// Puts back what another file of the store gives, and leaves the rest in `lost`.
    pub(super) fn siblings(&mut self, lost: &mut Vec<Lost>) -> Result<(), StoreError> {
        let twins = twins(self.writer.store(), lost);
        let mut left = Vec::new();
        for lost in lost.drain(..) {
            let store = self.writer.store().clone();
            let twin = twins.get(&lost.meta.sha256).into_iter().flatten().find_map(|twin| store.read(twin).ok());
            let bytes = twin.into_iter().chain(others(&store, &lost));
            let mut is_back = false;
            for bytes in bytes {
                is_back = self.put_back(&lost, &bytes)?;
                if is_back {
                    break;
                }
            }
            if !is_back {
                left.push(lost);
            }
        }
        *lost = left;
        Ok(())
    }
}

/// Artifacts with the digests of those that are lost.
fn twins(store: &Store, lost: &[Lost]) -> HashMap<Digest, Vec<Resource>> {
    let mut twins: HashMap<Digest, Vec<Resource>> = lost.iter().map(|lost| (lost.meta.sha256, Vec::new())).collect();
    for version in store.contents().unwrap_or_default() {
        let Ok(index) = store.index(version) else { continue };
        for (artifact, meta) in index.iter().flatten() {
            if let Some(twins) = twins.get_mut(&meta.sha256) {
                twins.push(Resource::of(version, artifact));
            }
        }
    }
    twins
}

/// What the file may have been, made from others of its release.
fn others(store: &Store, lost: &Lost) -> Vec<Vec<u8>> {
    let Resource::Artifact { version, artifact } = &lost.resource else { return Vec::new() };
    match artifact {
        Artifact::Manifest(name) => archived(store, *version, name, |found| Some(found.bytes)),
        Artifact::MomSignature => archived(store, *version, &ManifestName::Mom, |found| found.signature),
        Artifact::ManifestTar(name) => archives(store, *version, name),
        Artifact::DeltaManifest { bundle, from } => {
            let text = |version| store.manifest_text(version, &ManifestName::Bundle(bundle.clone()));
            let (Ok(old), Ok(new)) = (text(*from), text(*version)) else { return Vec::new() };
            match diff(&old, &new, MANIFEST, &DiffOptions::default()) {
                Ok(Delta::Bytes(delta)) => vec![delta],
                _ => Vec::new(),
            }
        }
        Artifact::Format => {
            store.record(*version).map(|record| record.format.to_string().into_bytes()).into_iter().collect()
        }
        // Fullfiles and deltas come from packs, packs from `generate`; the bytes of the notes are nowhere else.
        Artifact::Fullfile(_) | Artifact::Delta(_) | Artifact::Pack { .. } => Vec::new(),
        Artifact::GeneratorVersion | Artifact::UpstreamUrl | Artifact::UpstreamVersion => Vec::new(),
    }
}

/// A part of the archive of a manifest.
fn archived(
    store: &Store,
    version: Version,
    name: &ManifestName,
    part: impl Fn(ArchivedManifest) -> Option<Vec<u8>>,
) -> Vec<Vec<u8>> {
    let archive = store.read(&Resource::of(version, Artifact::ManifestTar(name.clone())));
    let found = archive.ok().and_then(|archive| manifest_archive::read(&archive, name).ok());
    found.and_then(part).into_iter().collect()
}

/// The archive of a manifest, with the times that generators write in it.
fn archives(store: &Store, version: Version, name: &ManifestName) -> Vec<Vec<u8>> {
    let Ok(text) = store.read(&Resource::of(version, Artifact::Manifest(name.clone()))) else { return Vec::new() };
    let timestamp = match name {
        ManifestName::Mom => Mom::parse(&text).map(|mom| mom.header.timestamp),
        _ => Manifest::parse(&text).map(|manifest| manifest.header.timestamp),
    };
    // The manifest of a release made with another's timestamp keeps that; its archive has that of the build.
    let of_release = store.record(version).map(|record| record.timestamp);
    let times = timestamp.into_iter().chain(of_release).chain([0]).filter_map(|time| u64::try_from(time).ok());
    let signature = match name {
        ManifestName::Mom => store.read(&Resource::of(version, Artifact::MomSignature)).ok(),
        _ => None,
    };
    times.filter_map(|time| encode::manifest(name, &text, signature.as_deref(), time).ok()).collect()
}

const MANIFEST: NewFile = NewFile { mode: 0o100_644, uid: 0, gid: 0 };

//! Entries of manifests without a fullfile. Which entries need one is decided in [`crate::fullfiles`].

use std::collections::BTreeMap;

use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, Entry, EntryPath, Manifest, Resource, Version};

use super::DefectKind;
use crate::Store;
use crate::fullfiles::OsCore;

/// Each fullfile that the entries of a manifest need and the store does not have, and on `resource`, the manifest, each
/// version of which nothing is there. For the endpoints of `release`, the newest one that names the manifest: what
/// os-core carries there it carries in the earlier ones too, as versions of entries only grow.
pub(crate) fn missing(
    store: &Store,
    manifest: &Manifest,
    resource: &Resource,
    release: Version,
) -> Vec<(Resource, DefectKind)> {
    let fullfile = |entry: &Entry| Resource::of(entry.version, Artifact::Fullfile(entry.hash()));
    let absent: Vec<&Entry> =
        manifest.present().filter(|entry| matches!(store.lookup(&fullfile(entry)), Ok(None))).collect();
    // The release may have been collected meanwhile.
    if absent.is_empty() || !store.has_release(release) {
        return Vec::new();
    }
    let os_core = os_core(store, release);
    let os_core = OsCore::new(os_core.as_ref());
    let mut fullfiles: BTreeMap<Resource, &EntryPath> = BTreeMap::new();
    let mut versions: BTreeMap<Version, u64> = BTreeMap::new();
    for entry in absent.into_iter().filter(|entry| !os_core.carries(entry)) {
        if store.has_content(entry.version) {
            fullfiles.entry(fullfile(entry)).or_insert(&entry.path);
        } else {
            *versions.entry(entry.version).or_default() += 1;
        }
    }
    let of_fullfiles =
        fullfiles.into_iter().map(|(fullfile, path)| (fullfile, DefectKind::FullfileMissing { path: path.clone() }));
    let of_versions = versions
        .into_iter()
        .map(|(version, entries)| (resource.clone(), DefectKind::VersionMissing { version, entries }));
    of_fullfiles.chain(of_versions).collect()
}

fn os_core(store: &Store, release: Version) -> Option<Manifest> {
    let mom = store.mom(release).ok()?;
    store.bundle_manifest(mom.bundle(&BundleName::os_core())?).ok()
}

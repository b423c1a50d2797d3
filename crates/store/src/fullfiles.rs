//! Which fullfiles endpoints need of a release.
//!
//! Each present entry needs its own, in the folder of its version (content layout §1): it is what endpoints fall back
//! to for everything. Not needed is that of an entry that os-core carries: see [`is_carried`].

use std::collections::BTreeMap;

use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, Entry, EntryPath, Manifest, Resource, Version};

use crate::Store;

/// True if os-core has the same entry with a lower version: every endpoint has os-core and keeps the lower one (manifest
/// §3.4), so nobody fetches the other. The index bundle has such directories when it is released and os-core is not,
/// and the reference makes no fullfiles for them.
pub fn is_carried(entry: &Entry, of_os_core: &Entry) -> bool {
    of_os_core.path == entry.path
        && (of_os_core.state, of_os_core.modifier, of_os_core.misc) == (entry.state, entry.modifier, entry.misc)
        && of_os_core.version < entry.version
}

/// The entries of os-core, to ask what it carries.
pub struct OsCore<'m>(BTreeMap<&'m EntryPath, Vec<&'m Entry>>);

impl<'m> OsCore<'m> {
    /// Of its manifest; without one it carries nothing.
    pub fn new(manifest: Option<&'m Manifest>) -> Self {
        let mut entries: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for entry in manifest.into_iter().flat_map(Manifest::present) {
            entries.entry(&entry.path).or_default().push(entry);
        }
        Self(entries)
    }

    /// See [`is_carried`].
    pub fn carries(&self, entry: &Entry) -> bool {
        self.0.get(&entry.path).is_some_and(|others| others.iter().any(|other| is_carried(entry, other)))
    }
}

/// What the entries of a manifest need and the store does not have.
#[derive(Debug, Default)]
pub(crate) struct Lacking {
    /// Fullfiles, each with an entry that needs it.
    pub(crate) fullfiles: BTreeMap<Resource, EntryPath>,
    /// Versions of which nothing is there, with the number of entries that belong to them.
    pub(crate) versions: BTreeMap<Version, u64>,
}

/// What is lacking for the endpoints of `release`, the newest one that names the manifest. What os-core carries there it
/// carries in the earlier ones too: versions of entries only grow.
pub(crate) fn lacking(store: &Store, manifest: &Manifest, release: Version) -> Lacking {
    let fullfile = |entry: &Entry| Resource::of(entry.version, Artifact::Fullfile(entry.hash()));
    let absent: Vec<&Entry> =
        manifest.present().filter(|entry| matches!(store.lookup(&fullfile(entry)), Ok(None))).collect();
    let mut lacking = Lacking::default();
    // The release may have been collected meanwhile.
    if absent.is_empty() || !store.has_release(release) {
        return lacking;
    }
    let os_core = os_core(store, release);
    let os_core = OsCore::new(os_core.as_ref());
    for entry in absent.into_iter().filter(|entry| !os_core.carries(entry)) {
        if store.has_content(entry.version) {
            lacking.fullfiles.entry(fullfile(entry)).or_insert_with(|| entry.path.clone());
        } else {
            *lacking.versions.entry(entry.version).or_default() += 1;
        }
    }
    lacking
}

fn os_core(store: &Store, release: Version) -> Option<Manifest> {
    let mom = store.mom(release).ok()?;
    store.bundle_manifest(mom.bundle(&BundleName::os_core())?).ok()
}

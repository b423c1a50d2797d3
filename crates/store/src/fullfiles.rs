//! Which fullfiles endpoints need of a release.
//!
//! Each present entry needs its own, in the folder of its version (content layout §1): it is what endpoints fall back
//! to for everything. Not needed is that of an entry that os-core carries: see [`is_carried`].

use std::collections::BTreeMap;

use clearwell_format::{Entry, EntryPath, Manifest};

/// True if os-core has the same entry with a lower version: every endpoint has os-core and keeps the lower one
/// (manifest §3.4), so no endpoint fetches the other. The index bundle has such directories when it is released and
/// os-core is not, and the reference makes no fullfiles for them.
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

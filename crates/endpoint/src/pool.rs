//! Data that many endpoints of one process share.
//!
//! Each endpoint fetches and compares everything itself; only the result is shared: the text of a manifest and
//! its entries, and the list of installed files of those that have the same release with the same bundles. Nothing
//! outlives the last endpoint that uses it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use clearwell_format::{BundleName, FileHash, Version};

use crate::disk::Files;
use crate::manifests::Loaded;

/// Shared by all endpoints whose options contain a clone of it.
#[derive(Clone, Debug, Default)]
pub struct Pool(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    manifests: HashMap<FileHash, Weak<Loaded>>,
    systems: HashMap<(Version, BTreeSet<BundleName>), Weak<Files>>,
}

impl Pool {
    /// The manifest with this hash, if another endpoint has it.
    pub(crate) fn manifest(&self, hash: &FileHash) -> Option<Arc<Loaded>> {
        self.with(|contents| contents.manifests.get(hash)?.upgrade())
    }

    /// Offers a manifest to others.
    pub(crate) fn add_manifest(&self, hash: FileHash, loaded: &Arc<Loaded>) {
        self.with(|contents| {
            contents.manifests.retain(|_, kept| kept.strong_count() > 0);
            contents.manifests.insert(hash, Arc::downgrade(loaded));
        });
    }

    /// Exchanges a list of files for the same list of another endpoint, or offers it.
    pub(crate) fn share_system(&self, version: Version, bundles: &BTreeSet<BundleName>, files: &mut Arc<Files>) {
        let key = (version, bundles.clone());
        let known = self.with(|contents| contents.systems.get(&key)?.upgrade());
        match known {
            Some(known) if *known == **files => *files = known,
            Some(_) => {}
            None => self.with(|contents| {
                contents.systems.retain(|_, kept| kept.strong_count() > 0);
                contents.systems.insert(key, Arc::downgrade(files));
            }),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Contents) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

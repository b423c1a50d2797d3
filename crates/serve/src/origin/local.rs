//! The origin that is a store on this machine.
//!
//! A generation is one `readlink`. An index is opened when its release is first asked for, and read by position: at
//! once if it is in the page cache, otherwise by a thread that may block. An index that was changed in place, by a
//! restore for example, is opened and checked again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use clearwell_format::resource::Artifact;
use clearwell_format::{Resource, Version};
use clearwell_store::{ArtifactMeta, Index, Store};

use crate::origin::{Opened, Origin, OriginError, Snapshot};

/// A store.
#[derive(Debug)]
pub(crate) struct LocalOrigin {
    store: Store,
    indexes: RwLock<OpenIndexes>,
}

/// Indexes that were opened since the last snapshot.
#[derive(Debug, Default)]
struct OpenIndexes {
    /// Counts snapshots: an index that was opened before one does not show artifacts that were added since.
    round: u64,
    by_version: HashMap<Version, Arc<Index>>,
}

impl LocalOrigin {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, indexes: RwLock::default() }
    }

    fn index(&self, version: Version) -> Result<Arc<Index>, OriginError> {
        let round = self.indexes.read().unwrap_or_else(PoisonError::into_inner).round;
        let index = self.store.index(version)?;
        let mut indexes = self.indexes.write().unwrap_or_else(PoisonError::into_inner);
        if indexes.round == round {
            indexes.by_version.insert(version, Arc::clone(&index));
        }
        Ok(index)
    }
}

impl Origin for LocalOrigin {
    fn free_bytes(&self) -> Option<u64> {
        self.store.free_bytes().ok()
    }

    fn generation(&self) -> Result<u64, OriginError> {
        Ok(self.store.generation()?)
    }

    /// Reads every release record, so that artifacts that were added to a release count. That happens with each
    /// publication only.
    fn snapshot(&self) -> Result<Snapshot, OriginError> {
        let pointers = self.store.pointers()?;
        let releases = self.store.releases()?;
        // A record that cannot be read is missing from the sum, which is a metric. Serving goes on.
        let (mut size_bytes, mut published) = (0, BTreeMap::new());
        let named: BTreeSet<Version> = pointers.formats().filter_map(|format| pointers.latest(format)).collect();
        for version in &releases {
            let Ok(record) = self.store.record(*version) else { continue };
            size_bytes += record.total().bytes;
            if named.contains(version)
                // The record says it a moment after the pointers name the release.
                && let Some(time) = record.published.or_else(|| self.store.switched(pointers.number).ok())
            {
                published.insert(*version, time);
            }
        }
        let newest = self.store.newest_seen()?;
        // Last: after an error the indexes stay open, as the last snapshot is served on.
        self.store.refresh();
        let mut indexes = self.indexes.write().unwrap_or_else(PoisonError::into_inner);
        *indexes = OpenIndexes { round: indexes.round + 1, by_version: HashMap::new() };
        Ok(Snapshot { pointers, newest, published, releases: releases.len(), size_bytes })
    }

    fn lookup_cached(&self, version: Version, artifact: &Artifact) -> Option<Result<ArtifactMeta, OriginError>> {
        let open = {
            let indexes = self.indexes.read().unwrap_or_else(PoisonError::into_inner);
            indexes.by_version.get(&version).cloned()
        };
        match open.and_then(|index| index.get_cached(artifact)) {
            Some(Ok(found)) => Some(found.ok_or(OriginError::Absent)),
            // Not open yet, changed since, or not in the page cache. One `stat` tells whether there is an index.
            Some(Err(_)) | None => (!self.store.has_content(version)).then_some(Err(OriginError::Absent)),
        }
    }

    fn lookup(&self, version: Version, artifact: &Artifact) -> Result<ArtifactMeta, OriginError> {
        self.index(version)?.get(artifact)?.ok_or(OriginError::Absent)
    }

    fn open(&self, version: Version, artifact: &Artifact, _: &ArtifactMeta) -> Result<Opened, OriginError> {
        let resource = Resource::of(version, artifact.clone());
        let (file, _) = self.store.open_artifact(&resource)?;
        Ok(Opened::File { file, path: self.store.path(&resource) })
    }
}

//! A draft that is complete, checked and on disk, and its release.
//!
//! A new version becomes visible in three renames, each synced before the next:
//!
//! ```text
//! meta/staging/30/content      -> content/30
//! meta/staging/30/index        -> meta/index/30
//! meta/staging/30/record.json  -> meta/releases/30.json     from here on the release exists
//! ```
//!
//! An extension moves its files first, then the index (from here on readers find them), then the record.

mod check;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use clearwell_format::Version;
use clearwell_format::resource::Artifact;

use crate::draft::Draft;
use crate::pointers;
use crate::{Index, Layout, ReleaseRecord, Store, StoreError, index};

pub(crate) use check::measure;

/// Everything a release names is on disk and was read back. Readers still do not see it.
#[derive(Debug)]
pub struct Prepared<'w> {
    store: &'w Store,
    folder: PathBuf,
    record: ReleaseRecord,
    index: Arc<Index>,
    /// The index of the release that is extended.
    released: Option<Arc<Index>>,
    added: Vec<Artifact>,
}

/// What was released.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// Its record, as it is on disk.
    pub record: ReleaseRecord,
}

impl<'w> Prepared<'w> {
    pub(crate) fn make(draft: Draft<'w>, mut record: ReleaseRecord) -> Result<Self, StoreError> {
        let (store, version) = (draft.store, draft.version);
        check::remove_strays(&draft)?;
        check::sync_and_compare(&draft)?;

        let Draft { folder, released, artifacts, .. } = draft;
        let mut artifacts = artifacts.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(released) = &released {
            artifacts.retain(|artifact, _| released.get(artifact).is_none());
        }
        let added = artifacts.keys().cloned().collect();
        artifacts.extend(released.iter().flat_map(|released| released.iter()));
        record.version = version;
        record.count(artifacts.iter().map(|(artifact, meta)| (artifact.kind(), *meta)));

        let (disk, path) = (store.disk(), folder.join("index"));
        index::store(version, &artifacts, &path, disk)?;
        let index = Arc::new(Index::open(&path, version)?);
        disk.write_synced(&folder.join("record.json"), &record.to_json())?;
        disk.sync_folder(&folder)?;
        disk.sync_folder(&store.layout().staging())?;
        Ok(Self { store, folder, record, index, released, added })
    }

    /// The record it will have.
    pub const fn record(&self) -> &ReleaseRecord {
        &self.record
    }

    /// Every artifact it will have.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The store as it will be once this is released, for a last look. Valid until then.
    pub fn preview(&self) -> Store {
        self.store.with_preview(Preview {
            record: self.record.clone(),
            index: self.index.clone(),
            staged: self.folder.join("content"),
            released: self.released.clone(),
        })
    }

    /// Makes it visible: the version exists from now on. Pointers stay where they are.
    ///
    /// # Errors
    /// The disk's. Unless the very last sync failed, the version does not exist after an error, and the next draft
    /// with the same fingerprint continues.
    pub fn release(self) -> Result<Release, StoreError> {
        let (layout, disk, version) = (self.store.layout(), self.store.disk(), self.record.version);
        if self.released.is_some() {
            self.move_added()?;
            disk.rename(&self.folder.join("index"), &layout.index(version))?;
            disk.sync_folder(&layout.indexes())?;
            finish_extension(self.store, version, &self.folder)?;
            self.store.refresh();
        } else {
            disk.rename(&self.folder.join("content"), &layout.release_folder(version))?;
            disk.sync_folder(&layout.content())?;
            disk.rename(&self.folder.join("index"), &layout.index(version))?;
            disk.sync_folder(&layout.indexes())?;
            disk.rename(&self.folder.join("record.json"), &layout.record(version))?;
            disk.sync_folder(&layout.records())?;
        }
        // The next writer removes it if this fails; the release is complete.
        let _ = disk.remove(&self.folder);
        Ok(Release { record: self.record })
    }

    fn move_added(&self) -> Result<(), StoreError> {
        let (disk, to) = (self.store.disk(), self.store.layout().release_folder(self.record.version));
        let mut folders = vec![to.clone()];
        for artifact in &self.added {
            let name = artifact.to_string();
            let path = to.join(&name);
            let parent = path.parent().unwrap_or(&to).to_owned();
            if !folders.contains(&parent) {
                disk.create_folder(&parent)?;
                folders.push(parent);
            }
            disk.rename(&self.folder.join("content").join(name), &path)?;
        }
        folders.iter().rev().try_for_each(|folder| disk.sync_folder(folder))
    }
}

/// The end of an extension, after its index is in place: the record, and a new generation of the same pointers, so
/// that readers look again.
pub(crate) fn finish_extension(store: &Store, version: Version, folder: &Path) -> Result<(), StoreError> {
    let (layout, disk) = (store.layout(), store.disk());
    pointers::renew(layout, disk)?;
    // Last: as long as the new record is in staging, the next writer completes this.
    disk.rename(&folder.join("record.json"), &layout.record(version))?;
    disk.sync_folder(&layout.records())
}

/// A prepared release laid over a store.
#[derive(Debug)]
pub(crate) struct Preview {
    pub(crate) record: ReleaseRecord,
    pub(crate) index: Arc<Index>,
    staged: PathBuf,
    released: Option<Arc<Index>>,
}

impl Preview {
    pub(crate) fn path(&self, layout: &Layout, artifact: &Artifact) -> PathBuf {
        let is_released = self.released.as_ref().is_some_and(|released| released.get(artifact).is_some());
        let folder = if is_released { layout.release_folder(self.record.version) } else { self.staged.clone() };
        folder.join(artifact.to_string())
    }
}

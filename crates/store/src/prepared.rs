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
//!
//! Where a staged release has the version, that one makes room first: no reader ever sees one with files of the other.
//!
//! ```text
//! meta/staging/30/replaces     from here on the next writer completes it, unless the old record is still there
//! meta/releases/30.json        is removed: no release has the version
//! content/30                   -> meta/staging/30/replaced
//! …                            the three renames, and a new generation of pointers, so that readers forget the old index
//! ```

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
        let before = released.as_ref().map(|released| released.to_map()).transpose()?.unwrap_or_default();
        artifacts.retain(|artifact, _| !before.contains_key(artifact));
        let added = artifacts.keys().cloned().collect();
        artifacts.extend(before);
        record.version = version;
        record.count(&artifacts);

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

    /// Makes it visible: the version exists from now on, replacing a staged release of that version. Pointers stay
    /// where they are.
    ///
    /// # Errors
    /// A [disk error](StoreError#disk-errors) when a file cannot be moved or synced. Unless the very last sync failed,
    /// the version does not exist after an error, and the next draft with the same fingerprint continues. Of a staged
    /// release that was being replaced the next writer makes one of the two, whole.
    pub fn release(self) -> Result<Release, StoreError> {
        let (layout, disk, version) = (self.store.layout(), self.store.disk(), self.record.version);
        if self.released.is_some() {
            self.move_added()?;
            disk.rename(&self.folder.join("index"), &layout.index(version))?;
            disk.sync_folder(&layout.indexes())?;
            finish_extension(self.store, version, &self.folder)?;
            self.store.refresh();
        } else if self.store.has_release(version) {
            disk.write_synced(&self.folder.join(REPLACES), b"")?;
            disk.sync_folder(&self.folder)?;
            disk.remove(&layout.record(version))?;
            disk.sync_folder(&layout.records())?;
            replace(self.store, version, &self.folder)?;
            self.store.refresh();
        } else {
            make_visible(self.store, version, &self.folder)?;
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

/// The three renames. What was done before an interruption is passed over.
fn make_visible(store: &Store, version: Version, folder: &Path) -> Result<(), StoreError> {
    let (layout, disk) = (store.layout(), store.disk());
    let move_to = |name: &str, to: &Path, into: &Path| {
        let from = folder.join(name);
        if from.exists() {
            disk.rename(&from, to)?;
        }
        disk.sync_folder(into)
    };
    move_to("content", &layout.release_folder(version), &layout.content())?;
    move_to("index", &layout.index(version), &layout.indexes())?;
    move_to("record.json", &layout.record(version), &layout.records())
}

/// A staged release whose record is gone makes room for the draft in `folder`.
fn replace(store: &Store, version: Version, folder: &Path) -> Result<(), StoreError> {
    let (layout, disk) = (store.layout(), store.disk());
    // As long as the draft has its content, what is in the public tree is the old release's.
    if folder.join("content").exists() && layout.release_folder(version).exists() {
        disk.rename(&layout.release_folder(version), &folder.join("replaced"))?;
        disk.sync_folder(folder)?;
    }
    make_visible(store, version, folder)?;
    pointers::renew(layout, disk)
}

/// True for a draft that was taking the place of a staged release.
pub(crate) fn is_replacing(folder: &Path) -> bool {
    folder.join(REPLACES).exists()
}

/// Ends an interrupted replacement: with the old release if its record is still there, else with the new one.
pub(crate) fn recover_replacement(store: &Store, version: Version, folder: &Path) -> Result<(), StoreError> {
    if folder.join("record.json").exists() && store.has_release(version) {
        return store.disk().remove(&folder.join(REPLACES));
    }
    replace(store, version, folder)?;
    store.disk().remove(folder)
}

const REPLACES: &str = "replaces";

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
        let is_released = self.released.as_ref().is_some_and(|released| matches!(released.get(artifact), Ok(Some(_))));
        let folder = if is_released { layout.release_folder(self.record.version) } else { self.staged.clone() };
        folder.join(artifact.to_string())
    }
}

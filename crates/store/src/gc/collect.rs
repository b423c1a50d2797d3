//! A collection, in steps that a crash may separate.
//!
//! ```text
//! 1  first pointers move
//! 2  meta/releases/20.json -> meta/remnants/20.json     for each release that goes: from here on it is not one
//! 3  meta/index/20 is replaced by one of what is left   readers that reload find nothing else
//! 4  a new generation of the same pointers              readers reload
//! 5  a moment of waiting, then files are removed        no index names them
//! 6  of what is gone: folder, index and record          the record last: while it is there, a collection continues
//! 7  records that count other files than their index    a collection was stopped in step 3
//! ```
//!
//! Steps 1 to 4 write a little. On a full disk the cache is removed first. Where that is not enough, step 5 comes early
//! for versions that are not releases any more; their indexes name files that are gone until step 3 is done, by this
//! collection or the next.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clearwell_format::Version;
use clearwell_format::resource::Artifact;

use super::plan::{Change, GcPlan, Outcome, plan};
use super::retention::Retention;
use crate::listing::list;
use crate::progress::{Meter, Phase, Progress};
use crate::{ArtifactMeta, Index, StoreError, Writer, index, pointers};

/// What a collection did.
#[derive(Debug)]
pub struct GcReport {
    /// The plan, which was carried out.
    pub plan: GcPlan,
    /// Files that an interrupted collection had left.
    pub strays: u64,
    /// The generation of pointers afterwards.
    pub generation: u64,
}

/// Plans a collection and carries it out. `settle` is the time between the last switch of indexes and the first
/// removal, in which readers notice the switch: a server looks once per second. Drafts of interrupted builds are
/// removed too.
///
/// # Errors
/// Those of [`plan()`], [`StoreError::Cancelled`], or a [disk error](StoreError#disk-errors) when a file cannot be
/// written or removed. The next collection does what is left.
pub fn collect(
    writer: &mut Writer,
    retention: &Retention,
    settle: Duration,
    progress: &dyn Progress,
) -> Result<GcReport, StoreError> {
    let plan = plan(writer.store(), retention, progress)?;
    progress.go_on()?;
    writer.discard_drafts()?;
    let removed = plan.removed();
    let meter = Meter::begin(progress, Phase::Remove, removed.number, removed.bytes);
    let collection = Collection { writer, plan: &plan };
    let mut strays = 0;
    if !plan.changes.is_empty() {
        let before = collection.indexes()?;
        if !plan.pointers.is_empty() {
            collection.writer.store().with_room(|| collection.writer.publish(&plan.pointers))?;
        }
        collection.writer.store().with_room(|| collection.retire())?;
        collection.with_room(&before, || collection.shrink())?;
        let store = collection.writer.store();
        store.refresh();
        collection.with_room(&before, || pointers::renew(store.layout(), store.disk()))?;
        std::thread::sleep(settle);
        collection.remove(&before, &meter)?;
    }
    strays += collection.remove_strays()?;
    collection.writer.store().with_room(|| collection.recount())?;
    meter.finish();
    let generation = writer.store().generation()?;
    Ok(GcReport { plan, strays, generation })
}

struct Collection<'a> {
    writer: &'a Writer,
    plan: &'a GcPlan,
}

impl Collection<'_> {
    fn changes(&self) -> impl Iterator<Item = &Change> {
        self.plan.changes.iter()
    }

    /// The indexes as they are, to know what goes.
    fn indexes(&self) -> Result<BTreeMap<Version, Arc<Index>>, StoreError> {
        self.changes().map(|change| Ok((change.version, self.writer.store().index(change.version)?))).collect()
    }

    /// Runs a step that writes. On a full disk it runs after files of versions that are not releases any more were
    /// removed.
    fn with_room(
        &self,
        before: &BTreeMap<Version, Arc<Index>>,
        step: impl Fn() -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        match self.writer.store().with_room(&step) {
            Err(StoreError::NoSpace { .. }) => {
                for change in self.changes().filter(|change| change.outcome != Outcome::Trimmed) {
                    self.remove_unneeded(change.version, before, &mut |_| Ok(()))?;
                }
                step()
            }
            other => other,
        }
    }

    /// Step 2.
    fn retire(&self) -> Result<(), StoreError> {
        let (layout, disk) = (self.writer.store().layout(), self.writer.store().disk());
        let going = |change: &&Change| change.outcome != Outcome::Trimmed && layout.record(change.version).exists();
        let going: Vec<_> = self.changes().filter(going).collect();
        if going.is_empty() {
            return Ok(());
        }
        if !layout.remnants().is_dir() {
            disk.create_folder(&layout.remnants())?;
            disk.sync_folder(&layout.meta())?;
        }
        for change in going {
            disk.rename(&layout.record(change.version), &layout.remnant(change.version))?;
        }
        disk.sync_folder(&layout.remnants())?;
        disk.sync_folder(&layout.records())
    }

    /// Step 3. The record of a release that lost packs counts what is left.
    fn shrink(&self) -> Result<(), StoreError> {
        let store = self.writer.store();
        let (layout, disk) = (store.layout(), store.disk());
        let scratch = layout.staging().join("collect");
        for change in self.changes().filter(|change| change.removed.number > 0) {
            let left = self.left(change.version)?;
            index::store(change.version, &left, &scratch, disk)?;
            disk.rename(&scratch, &layout.index(change.version))?;
            if change.outcome == Outcome::Trimmed {
                let mut record = store.record(change.version)?;
                record.count(&left);
                disk.replace_deferred(&layout.record(change.version), &scratch, &record.to_json())?;
            }
        }
        disk.sync_folder(&layout.indexes())?;
        disk.sync_folder(&layout.records())
    }

    fn left(&self, version: Version) -> Result<BTreeMap<Artifact, ArtifactMeta>, StoreError> {
        let index = self.writer.store().index(version)?;
        let mut left = index.to_map()?;
        left.retain(|artifact, _| self.plan.needs.has(version, artifact));
        Ok(left)
    }

    /// Steps 5 and 6.
    fn remove(&self, before: &BTreeMap<Version, Arc<Index>>, meter: &Meter<'_>) -> Result<(), StoreError> {
        for change in self.changes() {
            meter.go_on()?;
            if change.outcome == Outcome::Removed {
                self.remove_whole(change.version)?;
                meter.advance(change.removed.number, change.removed.bytes);
                continue;
            }
            self.remove_unneeded(change.version, before, &mut |bytes| {
                meter.advance(1, bytes);
                meter.go_on()
            })?;
        }
        Ok(())
    }

    fn remove_unneeded(
        &self,
        version: Version,
        before: &BTreeMap<Version, Arc<Index>>,
        removed: &mut dyn FnMut(u64) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let store = self.writer.store();
        let folder = store.layout().release_folder(version);
        for entry in before[&version].iter() {
            let (artifact, meta) = entry?;
            if !self.plan.needs.has(version, &artifact) {
                store.disk().remove(&folder.join(artifact.to_string()))?;
                removed(meta.size)?;
            }
        }
        Ok(())
    }

    fn remove_whole(&self, version: Version) -> Result<(), StoreError> {
        let (layout, disk) = (self.writer.store().layout(), self.writer.store().disk());
        let (folder, trash) = (layout.release_folder(version), layout.staging().join(format!("collected-{version}")));
        if folder.symlink_metadata().is_ok() {
            disk.remove(&trash)?;
            disk.rename(&folder, &trash)?;
            disk.sync_folder(&layout.content())?;
        }
        disk.remove(&layout.remnant(version))?;
        disk.sync_folder(&layout.remnants())?;
        disk.remove(&layout.index(version))?;
        // The next writer removes it too.
        disk.remove(&trash)
    }

    /// Removes files that an interrupted collection had taken from the indexes and not removed. Files whose name is not
    /// one of an artifact stay.
    fn remove_strays(&self) -> Result<u64, StoreError> {
        let store = self.writer.store();
        store.refresh();
        let mut strays = 0;
        for version in store.contents()? {
            let index = store.index(version)?;
            let folder = store.layout().release_folder(version);
            let is_release = store.has_release(version);
            let mut files: Vec<_> = list_if_there(&folder)?;
            if !is_release {
                for below in ["files", "delta"] {
                    files.extend(list_if_there(&folder.join(below))?);
                }
            }
            for found in files.into_iter().filter(|found| !found.is_folder) {
                let name = found.path.strip_prefix(&folder).ok().and_then(std::path::Path::to_str);
                let Some(artifact) = name.and_then(Artifact::from_path) else { continue };
                let is_ours = !is_release || matches!(artifact, Artifact::Pack { .. } | Artifact::DeltaManifest { .. });
                if is_ours && index.get(&artifact)?.is_none() {
                    store.disk().remove(&found.path)?;
                    strays += 1;
                }
            }
        }
        // An index whose record and folder are gone is the last of a version that was collected whole.
        for found in list(&store.layout().indexes())? {
            let Ok(version) = found.name.parse::<Version>() else { continue };
            if !store.has_content(version) && !store.layout().release_folder(version).exists() {
                store.disk().remove(&found.path)?;
            }
        }
        Ok(strays)
    }

    /// Step 7.
    fn recount(&self) -> Result<(), StoreError> {
        let store = self.writer.store();
        for version in store.releases()? {
            let (mut record, index) = (store.record(version)?, store.index(version)?);
            if record.total().number != index.len() {
                record.count(&index.to_map()?);
                self.writer.amend(&record)?;
            }
        }
        Ok(())
    }
}

fn list_if_there(folder: &std::path::Path) -> Result<Vec<crate::listing::Found>, StoreError> {
    if folder.is_dir() { list(folder) } else { Ok(Vec::new()) }
}

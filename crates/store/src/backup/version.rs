//! One version: its files, then its index, then its record.
//!
//! The copy keeps what it has: its index names the artifacts of both, and a release stays one when the original has
//! collected it. While `meta/staging/30` is there, a check does not take files without an index or an index without a
//! record for damage.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::SystemTime;

use clearwell_format::resource::Artifact;
use clearwell_format::{ManifestName, Version};

use super::files::Artifacts;
use super::folder::refused;
use super::snapshot::{Kind, Member, Snapshot};
use super::{BackupNote, BackupRefusal, Copying, Stop};
use crate::disk::Operation;
use crate::identity::FileIdentity;
use crate::verify::Defect;
use crate::{Digest, Index, Layout, ReleaseRecord, ReleaseState, Store, StoreError, index};

/// A version in the original, as the snapshot says.
pub(super) struct Original {
    kind: Kind,
    pub(super) artifacts: Artifacts,
    index: Digest,
    record: ReleaseRecord,
    bytes: Vec<u8>,
    modified: SystemTime,
}

/// A version in the copy.
#[derive(Default)]
pub(super) struct Present {
    kind: Option<Kind>,
    pub(super) artifacts: Artifacts,
    /// `None` if there is none that can be used.
    index: Option<Digest>,
    /// The bytes of the record; likewise.
    record: Option<Vec<u8>>,
}

impl Copying<'_> {
    pub(super) fn version(&mut self, version: Version, member: &Member) -> Result<(), Stop> {
        self.incomplete.remove(&version);
        let Some(original) = self.original(version, member)? else { return Ok(()) };
        if !self.announced.remove(&version) {
            original.artifacts.values().for_each(|meta| self.meter.expect(1, meta.size));
        }
        let mut present = self.present(version)?;
        let is_other = if present.kind.is_none() {
            // Dropping one like this was interrupted.
            Index::open(&self.to.layout().index(version), version).is_ok_and(|index| index.digest() != original.index)
        } else {
            self.is_staged(version, &present) && present.index != Some(original.index)
        };
        if is_other {
            // A staged release that was built again is another release.
            self.drop_version(version)?;
            present = Present::default();
        }
        let copied = self.files(version, original.artifacts.clone(), &present.artifacts)?;
        if copied.is_written {
            self.to.disk().sync_all(&self.to.layout().content())?;
        }
        let mut artifacts = present.artifacts.clone();
        artifacts.extend(copied.artifacts);
        let kind = present.kind.filter(|kind| *kind == Kind::Release).unwrap_or(original.kind);
        let is_new = present.kind.is_none();
        if self.install(version, &original, &present, &artifacts, kind)? || copied.is_written {
            let changed = if is_new { &mut self.report.added } else { &mut self.report.changed };
            changed.push(version);
        }
        if !copied.is_complete {
            self.incomplete.insert(version);
        }
        if copied.is_sound {
            self.done.insert(version, *member);
        }
        Ok(())
    }

    /// Reads what the original has; `None`, and noted, if it is damaged.
    pub(super) fn original(&self, version: Version, member: &Member) -> Result<Option<Original>, Stop> {
        let layout = self.from.layout();
        let (index_path, path) = (layout.index(version), record_path(layout, version, member.kind));
        let opened = Index::open(&index_path, version);
        let modified = path.metadata().and_then(|found| found.modified());
        let record = self.from.read_record(path.clone(), version);
        if FileIdentity::at(&path) != Some(member.record) || FileIdentity::at(&index_path) != member.index {
            return Err(Stop::Changed);
        }
        let read = opened.and_then(|index| Ok((index.to_map()?, index.digest())));
        let (artifacts, index) = match read {
            Err(error @ StoreError::IndexDamaged { .. }) => {
                self.found(Defect::of_file(&index_path, layout, error.into()));
                return Ok(None);
            }
            other => other?,
        };
        let (bytes, record) = match record {
            Err(error @ StoreError::RecordDamaged { .. }) => {
                self.found(Defect::of_file(&path, layout, error.into()));
                return Ok(None);
            }
            other => other?,
        };
        let modified = modified.map_err(|error| StoreError::io(Operation::Read, &path, error))?;
        Ok(Some(Original { kind: member.kind, artifacts, index, record, bytes, modified }))
    }

    /// Reads what the copy has, as far as it can be used.
    pub(super) fn present(&self, version: Version) -> Result<Present, StoreError> {
        let layout = self.to.layout();
        let is_there = |kind: &Kind| record_path(layout, version, *kind).symlink_metadata().is_ok();
        let Some(kind) = [Kind::Release, Kind::Remnant].into_iter().find(is_there) else {
            return Ok(Present::default());
        };
        let mut present = Present { kind: Some(kind), ..Present::default() };
        let opened = Index::open(&layout.index(version), version);
        match opened.and_then(|index| Ok((index.to_map()?, index.digest()))) {
            Ok((artifacts, digest)) => (present.artifacts, present.index) = (artifacts, Some(digest)),
            Err(StoreError::IndexDamaged { .. }) => {}
            Err(error) => return Err(error),
        }
        match self.to.read_record(record_path(layout, version, kind), version) {
            Ok((bytes, _)) => present.record = Some(bytes),
            Err(StoreError::RecordDamaged { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(present)
    }

    /// True for a release of the copy that no endpoint can have.
    fn is_staged(&self, version: Version, present: &Present) -> bool {
        present.kind == Some(Kind::Release) && is_staged(self.to, version)
    }

    /// Writes index and record as far as they differ, the record as one of `kind`. Returns whether they did.
    pub(super) fn install(
        &mut self,
        version: Version,
        original: &Original,
        present: &Present,
        artifacts: &Artifacts,
        kind: Kind,
    ) -> Result<bool, StoreError> {
        let (layout, disk) = (self.to.layout(), self.to.disk());
        let staging = layout.draft(version);
        // What the copy has of a release that was collected in the original is not in its record there.
        let keeps_record = kind != original.kind && present.record.is_some();
        let mut record = original.record.clone();
        let bytes = if kind == Kind::Release && record.total().number != artifacts.len() as u64 {
            record.count(artifacts);
            record.to_json()
        } else {
            original.bytes.clone()
        };
        let has_index = present.index.is_some() && present.artifacts == *artifacts;
        let has_record = present.kind == Some(kind) && (keeps_record || present.record.as_ref() == Some(&bytes));
        if !(has_index && has_record) {
            disk.create_folder(&staging)?;
        }
        if !has_index {
            let scratch = staging.join("index");
            index::store(version, artifacts, &scratch, disk)?;
            self.put_in_place(&scratch, &layout.index(version))?;
            disk.sync_folder(&layout.indexes())?;
        }
        if !has_record {
            self.write_record(version, kind, &bytes, original.modified)?;
        }
        if staging.exists() {
            disk.remove(&staging)?;
        }
        if let Some(before) = present.kind {
            let index = PathBuf::from(format!("meta/index/{version}"));
            self.report.mended.extend(present.index.is_none().then_some(index));
            let record = record_path(layout, version, before);
            let record = record.strip_prefix(layout.root()).unwrap_or(&record).to_owned();
            self.report.mended.extend(present.record.is_none().then_some(record));
        }
        self.to.refresh();
        Ok(!(has_index && has_record))
    }

    /// Makes a release of the copy a remnant, as the original is. Before its index names less: a check misses what a
    /// release needs.
    pub(super) fn demote(&self, version: Version, original: &Original) -> Result<(), StoreError> {
        if original.kind == Kind::Remnant && self.to.has_release(version) {
            self.to.disk().create_folder(&self.to.layout().draft(version))?;
            self.write_record(version, Kind::Remnant, &original.bytes, original.modified)?;
        }
        Ok(())
    }

    fn write_record(&self, version: Version, kind: Kind, bytes: &[u8], modified: SystemTime) -> Result<(), StoreError> {
        let (layout, disk) = (self.to.layout(), self.to.disk());
        let (scratch, path) = (layout.draft(version).join("record.json"), record_path(layout, version, kind));
        disk.write_synced(&scratch, bytes)?;
        // Its age decides what a collection keeps.
        disk.set_modified(&scratch, modified)?;
        if kind == Kind::Remnant && !layout.remnants().is_dir() {
            disk.create_folder(&layout.remnants())?;
            disk.sync_folder(&layout.meta())?;
        }
        self.put_in_place(&scratch, &path)?;
        disk.sync_folder(path.parent().unwrap_or(layout.root()))?;
        self.remove_record(version, if kind == Kind::Release { Kind::Remnant } else { Kind::Release })
    }

    fn remove_record(&self, version: Version, kind: Kind) -> Result<(), StoreError> {
        let path = record_path(self.to.layout(), version, kind);
        if path.symlink_metadata().is_ok() {
            self.to.disk().remove(&path)?;
            self.to.disk().sync_folder(path.parent().unwrap_or(self.to.root()))?;
        }
        Ok(())
    }

    /// Removes the record of a version from the copy.
    pub(super) fn forget(&self, version: Version) -> Result<(), StoreError> {
        self.to.disk().create_folder(&self.to.layout().draft(version))?;
        self.remove_record(version, Kind::Release)?;
        self.remove_record(version, Kind::Remnant)
    }

    /// Removes a version from the copy. The index goes last: without a record it says that this was interrupted.
    pub(super) fn drop_version(&self, version: Version) -> Result<(), StoreError> {
        let (layout, disk) = (self.to.layout(), self.to.disk());
        let (staging, folder) = (layout.draft(version), layout.release_folder(version));
        self.forget(version)?;
        if folder.symlink_metadata().is_ok() {
            disk.remove(&staging.join("dropped"))?;
            disk.rename(&folder, &staging.join("dropped"))?;
            disk.sync_folder(&layout.content())?;
        }
        disk.remove(&layout.index(version))?;
        disk.sync_folder(&layout.indexes())?;
        self.to.refresh();
        disk.remove(&staging)
    }

    /// Fails for a copy of another store: before anything is written to it.
    pub(super) fn refuse_other(&self, snapshot: &Snapshot) -> Result<(), StoreError> {
        let mom = Artifact::Manifest(ManifestName::Mom);
        let (mut compared, mut only_there) = (false, None);
        for version in self.to.contents()? {
            if !snapshot.members.contains_key(&version) {
                only_there = Some(version);
                continue;
            }
            let find = |layout: &Layout| Index::open(&layout.index(version), version)?.get(&mom);
            let found = (find(self.from.layout()), find(self.to.layout()));
            let (Ok(Some(original)), Ok(Some(copy))) = found else { continue };
            if original != copy && !is_staged(self.to, version) {
                return Err(self.other_store(version));
            }
            compared |= original == copy;
        }
        let of_this = || {
            let note = BackupNote::read(self.to).ok().flatten().and_then(|note| note.store);
            note == Some(super::name(self.from))
        };
        match only_there {
            Some(version) if !compared && !of_this() => Err(self.other_store(version)),
            _ => Ok(()),
        }
    }

    fn other_store(&self, version: Version) -> StoreError {
        refused(BackupRefusal::OtherStore { path: self.to.root().to_owned(), version })
    }
}

/// True for a release that no endpoint can have.
pub(super) fn is_staged(store: &Store, version: Version) -> bool {
    let in_channel = || store.record(version).is_ok_and(|record| record.channel.is_some());
    store.state(version).is_ok_and(|state| state == ReleaseState::Staged) && !in_channel()
}

fn record_path(layout: &Layout, version: Version, kind: Kind) -> PathBuf {
    match kind {
        Kind::Release => layout.record(version),
        Kind::Remnant => layout.remnant(version),
    }
}

/// The artifacts of `artifacts` that the original still has.
pub(super) fn common(artifacts: &Artifacts, original: &Original) -> Artifacts {
    let kept: BTreeSet<&Artifact> = original.artifacts.keys().collect();
    artifacts.iter().filter(|(artifact, _)| kept.contains(artifact)).map(|(name, meta)| (name.clone(), *meta)).collect()
}

impl Original {
    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }
}

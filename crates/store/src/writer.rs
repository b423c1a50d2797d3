//! The one writer: makes drafts and moves pointers.

use std::collections::BTreeSet;

use clearwell_format::resource::Artifact;
use clearwell_format::{Version, pointer};

use crate::draft::{Draft, DraftNote, Remake};
use crate::listing::list;
use crate::lock::Lock;
use crate::pointers::{self, PointerGeneration, PointerSet};
use crate::{Begun, DiscardRefusal, ReleaseRecord, ReleaseState, Store, StoreError};

/// The store, open for writing. There is one at a time, in all processes.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    _lock: Lock,
}

impl Writer {
    /// Takes the lock and completes or removes what an interrupted writer left.
    pub(crate) fn lock(store: Store, command: &str) -> Result<Self, StoreError> {
        let lock = Lock::take(store.layout(), command, store.disk())?;
        let writer = Self { store, _lock: lock };
        writer.store.with_room(|| writer.recover().and_then(|()| writer.upgrade()))?;
        // A disk that is too full for it must not stop a collection; it is done before the pointers move on.
        let _ = pointers::load(writer.store.layout()).and_then(|current| writer.mark_published(&current));
        // Another writer may have added to a release that this store has read.
        writer.store.refresh();
        Ok(writer)
    }

    /// The store, for reading. Clones of it outlive the writer.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Begins the release of `version`, or continues an interrupted draft of it that was made with the same
    /// fingerprint: of the options and inputs that decide its bytes. All other drafts are removed. A staged release of
    /// the version stays until the new one takes its place, see [`Prepared::release`](crate::Prepared::release).
    ///
    /// # Errors
    /// [`StoreError::VersionExists`], [`StoreError::NotDiscardable`] for a staged release that others were built on,
    /// [`StoreError::StrayFolder`], or a [disk error](StoreError#disk-errors) when the draft cannot be written.
    pub fn draft(&mut self, version: Version, begun: impl Into<Begun>) -> Result<Draft<'_>, StoreError> {
        if self.store.has_content(version) {
            match self.store.discard_refusal(version)? {
                None => {}
                Some(
                    reason @ (DiscardRefusal::InChannel
                    | DiscardRefusal::BuiltOn { .. }
                    | DiscardRefusal::NeededBy { .. }),
                ) => {
                    return Err(StoreError::NotDiscardable { version, reason });
                }
                Some(DiscardRefusal::Published | DiscardRefusal::Retracted | DiscardRefusal::Collected) => {
                    return Err(StoreError::VersionExists { version });
                }
            }
        }
        self.remove_drafts(|name, _| name == Some(version))?;
        Draft::begin(&self.store, version, &begun.into())
    }

    /// Begins to add artifacts to a release, such as a pack for one more old version. Interrupted extensions of other
    /// releases are removed; what an interrupted build left stays.
    ///
    /// # Errors
    /// [`StoreError::UnknownVersion`], [`StoreError::IndexDamaged`], or a [disk error](StoreError#disk-errors) when the
    /// draft cannot be written.
    pub fn extend(&mut self, version: Version) -> Result<Draft<'_>, StoreError> {
        let index = self.store.index(version)?;
        self.remove_drafts(|name, note| name == Some(version) || note.is_some_and(|note| !note.extends))?;
        Draft::begin_extension(&self.store, version, index)
    }

    /// Removes every draft.
    ///
    /// # Errors
    /// A [disk error](StoreError#disk-errors) when a file cannot be removed.
    pub fn discard_drafts(&mut self) -> Result<(), StoreError> {
        self.remove_drafts(|_, _| false)
    }

    /// The pointers that [`Writer::publish`] continues: the current ones, or the newest that are left where those are
    /// damaged.
    ///
    /// # Errors
    /// A [disk error](StoreError#disk-errors) when the generations cannot be read.
    pub fn pointers(&self) -> Result<PointerGeneration, StoreError> {
        pointers::load_to_replace(self.store.layout())
    }

    /// Moves pointers: those of `set` over the current ones, all in one step. Pointers of other formats stay. A pointer
    /// that changes loses its signature unless `set` brings a new one. The releases that are named are published from
    /// then on, retracted or not, which their records say. Returns the new generation.
    ///
    /// # Errors
    /// [`StoreError::PointerToNothing`] for a pointer to a version that is not released, or
    /// a [disk error](StoreError#disk-errors) when the generation cannot be written. After an error the old
    /// generation is still the current one.
    pub fn publish(&self, set: &PointerSet) -> Result<PointerGeneration, StoreError> {
        self.refuse_pointers_to_nothing(set)?;
        let current = self.pointers()?;
        self.mark_published(&current)?;
        let next = current.followed_by(current.merged(set));
        pointers::switch_to(&next, self.store.layout(), self.store.disk())?;
        // Neither must fail what is published: the next writer and the next publication try again.
        let _ = self.mark_published(&next);
        let _ = pointers::prune(next.number, self.store.layout(), self.store.disk());
        Ok(next)
    }

    /// Replaces the record of a release. The artifacts that it counts stay as they are.
    ///
    /// # Errors
    /// [`StoreError::UnknownVersion`], or a [disk error](StoreError#disk-errors) when the record cannot be written.
    pub fn amend(&self, record: &ReleaseRecord) -> Result<(), StoreError> {
        if !self.store.has_release(record.version) {
            return Err(StoreError::UnknownVersion { version: record.version });
        }
        self.store.write_record(record)
    }

    /// Begins to make the artifacts `lost` of a release again.
    ///
    /// # Errors
    /// [`StoreError::UnknownVersion`], [`StoreError::IndexDamaged`], or a [disk error](StoreError#disk-errors) when the
    /// draft cannot be written.
    pub fn remake(&mut self, version: Version, lost: &BTreeSet<Artifact>) -> Result<Remake<'_>, StoreError> {
        let index = self.store.index(version)?;
        self.remove_drafts(|_, note| note.is_some_and(|note| !note.extends))?;
        Remake::begin(&self.store, version, &index, lost)
    }

    fn refuse_pointers_to_nothing(&self, set: &PointerSet) -> Result<(), StoreError> {
        for (pointer, bytes) in set {
            let names_release = || pointer::parse(bytes).is_some_and(|version| self.store.has_release(version));
            if !pointer.is_signature() && !names_release() {
                return Err(StoreError::PointerToNothing { pointer: pointer.to_string() });
            }
        }
        Ok(())
    }

    /// What an interrupted writer can have left in `staging`: scratch; what remains of a draft after its release; a
    /// draft whose folder was moved into the public tree but whose record was not written; an extension whose index was
    /// switched but whose record was not; a draft that was taking the place of a staged release. The first two are
    /// removed, the third is a draft again, the others are completed.
    fn recover(&self) -> Result<(), StoreError> {
        let (layout, disk) = (self.store.layout(), self.store.disk());
        if !layout.staging().exists() {
            disk.create_folder(&layout.staging())?;
        }
        for found in list(&layout.staging())? {
            let note = DraftNote::read(&found.path).filter(|note| note.is_of(&found.name));
            match note {
                Some(note) if note.extends && self.store.has_release(note.version()) => {
                    Draft::recover_extension(&self.store, note.version())?;
                }
                Some(note) if !note.extends && crate::prepared::is_replacing(&found.path) => {
                    crate::prepared::recover_replacement(&self.store, note.version(), &found.path)?;
                }
                Some(note) if !note.extends && !self.store.has_release(note.version()) => {
                    Draft::recover(&self.store, note.version())?;
                }
                Some(note)
                    if !note.extends && found.path.join("content").is_dir() && self.is_staged(note.version()) => {}
                _ => disk.remove(&found.path)?,
            }
        }
        Ok(())
    }

    fn is_staged(&self, version: Version) -> bool {
        self.store.state(version).is_ok_and(|state| state == ReleaseState::Staged)
    }

    /// Empties `staging`, but for what `is_kept` by its name and note.
    fn remove_drafts(&self, is_kept: impl Fn(Option<Version>, Option<&DraftNote>) -> bool) -> Result<(), StoreError> {
        for found in list(&self.store.layout().staging())? {
            if !is_kept(found.name.parse().ok(), DraftNote::read(&found.path).as_ref()) {
                self.store.disk().remove(&found.path)?;
            }
        }
        Ok(())
    }
}

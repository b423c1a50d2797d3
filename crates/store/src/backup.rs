//! A second copy of a store, and a store made from that copy.
//!
//! A backup is a folder that is itself a store, with one file more:
//!
//! ```text
//! BACKUP/meta/backup.json    { "schema-version": 1, "store": "/srv/store", "generation": 7, "newest": 30, "taken": 1764380000 }
//! ```
//!
//! | Step | Module |
//! |---|---|
//! | 1. whether the folder may become or continue a backup of this store; its lock | `folder` |
//! | 2. what the store has at one instant: records, indexes and one generation of pointers | `snapshot` |
//! | 3. each version in ascending order: files, compared with the index while they are copied; index; record | `version`, `files` |
//! | 4. the pointers of that instant | `pointers` |
//! | 5. what the store does not have any more | `retire` |
//!
//! The store is read without its lock, so a build, a publication, a retraction and a collection may run meanwhile, and
//! none of them waits. Records and indexes are replaced, never changed, so whether they are still those of the instant
//! is told by their inode and times. If one is not, or a collection has removed a file, step 2 is done again; versions
//! that were copied stay as they are, so each round has less to do.
//!
//! Always true of a backup: its pointers name releases that it has whole; a file under its final name had the SHA-256
//! of the index; a file that is sound is never replaced. A copy that is stopped at any moment leaves the pointers of the
//! previous snapshot with everything they need, and the next one continues. Staged releases follow the store. Releases
//! that endpoints may have stay in the backup when the store has collected them, unless it is pruned.
//!
//! A restoration is the same in the other direction, into a store without releases.

mod files;
mod folder;
mod note;
mod pointers;
mod refusal;
mod retire;
mod snapshot;
mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use clearwell_format::{Resource, Version};

use crate::disk::Disk;
use crate::fan_out::processors;
use crate::listing::list;
use crate::progress::{Meter, Phase, Progress};
use crate::throttle::Throttle;
use crate::verify::{Defect, DefectKind};
use crate::{Counts, Index, Store, StoreError};
use folder::Folder;
pub use note::BackupNote;
pub use refusal::BackupRefusal;
use snapshot::{Member, Snapshot};

/// Choices for every copy.
#[derive(Clone, Debug)]
pub struct CopyOptions {
    /// Threads.
    pub jobs: NonZeroUsize,
    /// Bytes to read per second at most.
    pub bytes_per_second: Option<NonZeroU64>,
    /// Read every file of the copy, not only those whose size or time differ from the original.
    pub paranoid: bool,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self { jobs: processors(), bytes_per_second: None, paranoid: false }
    }
}

/// Choices for [`back_up`].
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// How files are copied.
    pub copy: CopyOptions,
    /// Remove from the backup what the store does not have any more. Nothing is removed if damage was found.
    pub prune: bool,
    /// Seconds since the epoch.
    pub now: i64,
}

/// Choices for [`restore`].
#[derive(Clone, Debug, Default)]
pub struct RestoreOptions {
    /// How files are copied.
    pub copy: CopyOptions,
    /// Endpoints may have releases up to this version, although the backup does not have them.
    pub last_published: Option<Version>,
}

/// The outcome of a copy.
#[derive(Debug, Default)]
pub struct CopyReport {
    /// Files that were copied.
    pub copied: Counts,
    /// Files that the copy had.
    pub unchanged: Counts,
    /// Versions that are new in the copy.
    pub added: Vec<Version>,
    /// Versions of the copy that have more or other files, or another record.
    pub changed: Vec<Version>,
    /// Versions of the copy that the original does not have any more.
    pub kept: Vec<Version>,
    /// Versions that were removed from the copy.
    pub removed: Vec<Version>,
    /// Files of the copy that were missing or damaged and were copied again, below its folder.
    pub mended: Vec<PathBuf>,
    /// What is wrong with the original.
    pub damage: Vec<Defect>,
    /// Files in the public tree that do not belong to a release. They are not copied.
    pub left_out: Vec<String>,
    /// The generation of pointers that the copy has now; 0 for none.
    pub generation: u64,
    /// The pointers are those of an earlier snapshot, as the copy does not have a release that the current ones name.
    pub pointers_held: bool,
    /// Both are on one file system.
    pub same_file_system: bool,
}

/// Makes or continues a backup of `store` in `folder`. `disk` is that of the backup.
///
/// # Errors
/// [`StoreError::BackupRefused`] if the folder cannot be a backup of this store, or the store is replaced faster than it
/// is copied; [`StoreError::NotEmpty`]; [`StoreError::Locked`] while another backup writes to the folder;
/// [`StoreError::Cancelled`]; or a [disk error](StoreError#disk-errors). The previous snapshot is as it was then, and the
/// next backup continues. What is wrong with the store is not an error, but in [`CopyReport::damage`].
pub fn back_up(
    store: &Store,
    folder: &Path,
    disk: Disk,
    options: &BackupOptions,
    progress: &dyn Progress,
) -> Result<CopyReport, StoreError> {
    let folder = Folder::of_backup(store, folder, disk)?;
    let mut copying = Copying::begin(store, &folder.store, &options.copy, progress);
    copying.report.same_file_system = folder.same_file_system;
    let snapshot = copying.run(|snapshot| folder.refuse_older(snapshot))?;
    copying.retire(&snapshot, options.prune)?;
    folder.clean()?;
    if !copying.report.pointers_held {
        let note = BackupNote {
            store: Some(name(store)),
            generation: snapshot.generation(),
            newest: folder.newest_named()?.map(Version::number),
            taken: Some(options.now),
        };
        note.write(folder.store.layout(), folder.store.disk())?;
    }
    Ok(copying.finish())
}

/// Makes the store `folder`, which has no releases, from a backup. `disk` is that of the new store.
///
/// # Errors
/// [`StoreError::BackupRefused`] if the backup was never completed or the folder is a store with releases;
/// [`StoreError::NotEmpty`]; [`StoreError::Locked`]; [`StoreError::Cancelled`]; or a
/// [disk error](StoreError#disk-errors). The store has no pointers then, and the next restoration continues.
pub fn restore(
    backup: &Store,
    folder: &Path,
    disk: Disk,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<CopyReport, StoreError> {
    let folder = Folder::of_restoration(backup, folder, disk)?;
    let mut copying = Copying::begin(backup, &folder.store, &options.copy, progress);
    copying.report.same_file_system = folder.same_file_system;
    copying.run(|_| Ok(()))?;
    if let Some(version) = options.last_published {
        folder.store.raise_last_published(version)?;
    }
    folder.clean()?;
    if !copying.report.pointers_held {
        BackupNote::remove(folder.store.layout(), folder.store.disk())?;
    }
    Ok(copying.finish())
}

/// A copy under way.
struct Copying<'a> {
    from: &'a Store,
    to: &'a Store,
    options: &'a CopyOptions,
    progress: &'a dyn Progress,
    throttle: Throttle,
    meter: Meter<'a>,
    /// Versions whose files the meter expects.
    announced: BTreeSet<Version>,
    /// Versions that were copied, as they were in the original then.
    done: BTreeMap<Version, Member>,
    /// Versions of which the copy lacks a file.
    incomplete: BTreeSet<Version>,
    damage: Mutex<Vec<Defect>>,
    report: CopyReport,
}

/// Why the copying of a version ended early.
enum Stop {
    /// It is not any more what the snapshot says.
    Changed,
    Failed(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl<'a> Copying<'a> {
    fn begin(from: &'a Store, to: &'a Store, options: &'a CopyOptions, progress: &'a dyn Progress) -> Self {
        Self {
            from,
            to,
            options,
            progress,
            throttle: Throttle::new(options.bytes_per_second),
            meter: Meter::begin(progress, Phase::Copy, 0, 0),
            announced: BTreeSet::new(),
            done: BTreeMap::new(),
            incomplete: BTreeSet::new(),
            damage: Mutex::default(),
            report: CopyReport::default(),
        }
    }

    /// Copies versions and pointers as they are at one instant, which is returned.
    fn run(&mut self, accept: impl Fn(&Snapshot) -> Result<(), StoreError>) -> Result<Snapshot, StoreError> {
        for round in 0..MOST_ROUNDS {
            self.progress.go_on()?;
            self.from.refresh();
            let snapshot = Snapshot::take(self.from)?;
            accept(&snapshot)?;
            if round == 0 {
                self.refuse_other(&snapshot)?;
                self.announce(&snapshot);
            }
            // Only what is wrong with this snapshot counts.
            self.damage.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
            match self.versions(&snapshot) {
                Ok(()) => {
                    self.last_published()?;
                    self.pointers(&snapshot)?;
                    self.left_out()?;
                    return Ok(snapshot);
                }
                Err(Stop::Changed) => {}
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
        Err(StoreError::BackupRefused { reason: BackupRefusal::Changing { path: self.from.root().to_owned() } })
    }

    fn versions(&mut self, snapshot: &Snapshot) -> Result<(), Stop> {
        for (version, member) in &snapshot.members {
            if self.done.get(version) != Some(member) {
                self.version(*version, member)?;
            }
        }
        if self.to.layout_version()? < snapshot.layout {
            // The records of releases that only the copy has.
            crate::state::upgrade(self.to, snapshot.layout)?;
        }
        Ok(())
    }

    /// Tells the meter how much there is, as far as indexes can be read.
    fn announce(&mut self, snapshot: &Snapshot) {
        for version in snapshot.members.keys() {
            if let Ok(index) = Index::open(&self.from.layout().index(*version), *version) {
                index.iter().flatten().for_each(|(_, meta)| self.meter.expect(1, meta.size));
                self.announced.insert(*version);
            }
        }
    }

    fn last_published(&self) -> Result<(), StoreError> {
        self.from.last_published()?.map_or(Ok(()), |version| self.to.raise_last_published(version))
    }

    fn left_out(&mut self) -> Result<(), StoreError> {
        let is_ours = |name: &str| name.parse::<Version>().is_ok() || [".pointers", "version"].contains(&name);
        let others = list(&self.from.layout().content())?.into_iter().map(|found| found.name);
        self.report.left_out = others.filter(|name| !is_ours(name)).collect();
        Ok(())
    }

    fn found(&self, defect: Defect) {
        self.damage.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(defect);
    }

    /// Something is wrong with a file of the original, unless a collection has removed it meanwhile.
    fn found_in(&self, resource: Resource, kind: DefectKind) -> Result<(), Stop> {
        self.from.refresh();
        match self.from.lookup(&resource) {
            Ok(None) => Err(Stop::Changed),
            _ => {
                self.found(Defect::in_store(resource, kind));
                Ok(())
            }
        }
    }

    fn finish(mut self) -> CopyReport {
        self.meter.finish();
        self.report.damage = self.damage.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.report.damage.sort_by(|one, other| one.path.cmp(&other.path));
        self.report.mended.sort();
        self.report
    }
}

/// How the note of a backup names its store.
fn name(store: &Store) -> String {
    let path = store.root().canonicalize().unwrap_or_else(|_| store.root().to_owned());
    path.to_string_lossy().into_owned()
}

/// A round copies what was replaced during the one before.
const MOST_ROUNDS: usize = 100;

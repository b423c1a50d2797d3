//! The folder that a copy is made in: whether it may be, and its lock.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use clearwell_format::Version;

use super::{BackupNote, BackupRefusal, Snapshot};
use crate::disk::Disk;
use crate::listing::list;
use crate::lock::Lock;
use crate::{Store, StoreError};

/// A folder that only this process writes to.
pub(super) struct Folder {
    pub(super) store: Store,
    /// It is on the file system of the original.
    pub(super) same_file_system: bool,
    note: BackupNote,
    _lock: Lock,
}

impl Folder {
    /// A new backup of `store`, or one that was begun.
    pub(super) fn of_backup(store: &Store, path: &Path, disk: Disk) -> Result<Self, StoreError> {
        let same_file_system = refuse_nested(path, store)?;
        let backup = open_or_create(path, store, disk)?;
        let note = BackupNote::read(&backup)?;
        let Some(note) = note else {
            return Err(refused(BackupRefusal::NotABackup { path: path.to_owned() }));
        };
        Self::locked(backup, note, same_file_system, "backup")
    }

    /// A store to restore `backup` to.
    pub(super) fn of_restoration(backup: &Store, path: &Path, disk: Disk) -> Result<Self, StoreError> {
        let same_file_system = refuse_nested(path, backup)?;
        if BackupNote::read(backup)?.is_some_and(|note| note.taken.is_none()) {
            return Err(refused(BackupRefusal::Incomplete { path: backup.root().to_owned() }));
        }
        let store = open_or_create(path, backup, disk)?;
        let is_begun = BackupNote::read(&store)?.is_some_and(|note| note.taken.is_none());
        if !is_begun && (!store.contents()?.is_empty() || crate::pointers::load_to_replace(store.layout())?.number > 0)
        {
            return Err(refused(BackupRefusal::HasReleases { path: path.to_owned() }));
        }
        let folder = Self::locked(store, BackupNote::default(), same_file_system, "restore")?;
        if !is_begun {
            folder.note.write(folder.store.layout(), folder.store.disk())?;
            // An empty store may have a newer layout than the backup, whose records are copied as they are.
            let version = backup.layout_version()?;
            if folder.store.layout_version()? != version {
                folder.store.layout().write_stamp(version, folder.store.disk())?;
            }
        }
        Ok(folder)
    }

    fn locked(store: Store, note: BackupNote, same_file_system: bool, command: &str) -> Result<Self, StoreError> {
        let (layout, disk) = (store.layout(), store.disk());
        let lock = Lock::take(layout, command, disk)?;
        for folder in layout.folders().into_iter().chain([layout.staging()]) {
            disk.create_folder(&folder)?;
        }
        Ok(Self { note, same_file_system, _lock: lock, store })
    }

    /// Removes what interrupted copies have left in `staging`. At the end: until then a check does not take what they left
    /// elsewhere for damage.
    pub(super) fn clean(&self) -> Result<(), StoreError> {
        for found in list(&self.store.layout().staging())? {
            self.store.disk().remove(&found.path)?;
        }
        Ok(())
    }

    /// Fails for a backup of a later state of the store, and for one that has become another kind of store.
    pub(super) fn refuse_older(&self, snapshot: &Snapshot) -> Result<(), StoreError> {
        let path = self.store.root().to_owned();
        let (backup, store) = (self.note.generation, snapshot.generation());
        if snapshot.pointers.is_ok() && backup > store {
            return Err(refused(BackupRefusal::StoreOlder { path, backup, store }));
        }
        // Without a complete snapshot, its pointers are those of the copy that was interrupted.
        if self.note.newest.is_some()
            && let Some(version) = self.newest_named()?.filter(|version| Some(version.number()) > self.note.newest)
            && !snapshot.members.contains_key(&version)
        {
            return Err(refused(BackupRefusal::Continued { path, version }));
        }
        let (backup, store) = (self.store.layout_version()?, snapshot.layout);
        if backup > store {
            return Err(refused(BackupRefusal::Upgraded { path, backup, store }));
        }
        Ok(())
    }
}

impl Folder {
    /// The newest release that the pointers of the copy name.
    pub(super) fn newest_named(&self) -> Result<Option<Version>, StoreError> {
        let pointers = crate::pointers::load_to_replace(self.store.layout())?;
        Ok(pointers.files.keys().filter_map(|pointer| pointers.version(*pointer)).max())
    }
}

fn open_or_create(path: &Path, original: &Store, disk: Disk) -> Result<Store, StoreError> {
    match Store::open_on(path, disk.clone()) {
        Err(StoreError::NotAStore { .. }) => {
            let version = original.layout_version()?;
            Store::create_as(path, version, disk, |layout, disk| BackupNote::default().write(layout, disk))
        }
        other => other,
    }
}

/// Returns whether both are on one file system.
fn refuse_nested(path: &Path, original: &Store) -> Result<bool, StoreError> {
    let (copy, root) = (resolved(path), resolved(original.root()));
    let identity = |path: &Path| path.metadata().ok().map(|found| (found.dev(), found.ino()));
    let is_in = |path: &Path, folder: &Path| {
        // By inode too: a folder may be mounted at a second place.
        let folder_identity = identity(folder);
        path.ancestors()
            .any(|above| above == folder || (folder_identity.is_some() && identity(above) == folder_identity))
    };
    if is_in(&copy, &root) || is_in(&root, &copy) {
        let with = original.root().to_owned();
        return Err(refused(BackupRefusal::Nested { path: path.to_owned(), with }));
    }
    let device = |path: &Path| path.ancestors().find_map(|above| above.metadata().ok()).map(|found| found.dev());
    Ok(device(&copy) == device(&root))
}

/// The path without links and `..`; of what does not exist yet, as it will be.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let existing = path.ancestors().find_map(|above| Some((above, fs::canonicalize(above).ok()?)));
    let Some((above, mut resolved)) = existing else { return path };
    for part in path.strip_prefix(above).unwrap_or(Path::new("")).components() {
        match part {
            Component::ParentDir => drop(resolved.pop()),
            part => resolved.push(part),
        }
    }
    resolved
}

pub(super) const fn refused(reason: BackupRefusal) -> StoreError {
    StoreError::BackupRefused { reason }
}

//! Making an empty store.

use std::fs;
use std::io;
use std::path::Path;

use super::Store;
use crate::disk::{Disk, Operation};
use crate::{Layout, LayoutVersion, StoreError};

impl Store {
    /// Makes an empty store in a new or empty folder.
    ///
    /// # Errors
    /// [`StoreError::StoreExists`], [`StoreError::NotEmpty`], [`StoreError::StampMissing`], [`StoreError::NotAStore`]
    /// if it is not a folder, or a [disk error](StoreError#disk-errors) when it cannot be written.
    pub fn create(root: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::create_on(root.as_ref(), Disk::default())
    }

    /// As [`Store::create`], on a disk that tests can make fail.
    pub fn create_on(root: &Path, disk: Disk) -> Result<Self, StoreError> {
        Self::create_as(root, LayoutVersion::CURRENT, disk, |_, _| Ok(()))
    }

    /// As [`Store::create_on`], with an older layout, and with more files, written by `more` before the store exists.
    pub(crate) fn create_as(
        root: &Path,
        version: LayoutVersion,
        disk: Disk,
        more: impl FnOnce(&Layout, &Disk) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let layout = Layout::new(root);
        if layout.stamp().exists() {
            return Err(StoreError::StoreExists { path: root.to_owned() });
        }
        refuse_other_files(root)?;
        if has_records(&layout.records()) {
            return Err(StoreError::StampMissing { path: layout.stamp(), stamp: version.stamp() });
        }
        for folder in [layout.generations(), layout.records(), layout.indexes(), layout.staging()] {
            disk.create_folder(&folder)?;
        }
        more(&layout, &disk)?;
        // Last, so that a store which was begun and not finished can be created again.
        layout.write_stamp(version, &disk)?;
        for folder in [layout.content(), root.to_owned()] {
            disk.sync_folder(&folder)?;
        }
        Ok(Self::with_layout(layout, disk))
    }
}

/// A new store must not mix with what is there. Its own folders may be: an earlier attempt can have been interrupted.
fn refuse_other_files(root: &Path) -> Result<(), StoreError> {
    let read = |source| StoreError::io(Operation::Read, root, source);
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(StoreError::NotAStore { path: root.to_owned() });
        }
        other => other.map_err(read)?,
    };
    for entry in entries {
        let name = entry.map_err(read)?.file_name();
        // The root of a file system has lost+found.
        if !["content", "meta", "lost+found"].iter().any(|own| name == *own) {
            return Err(StoreError::NotEmpty { path: root.to_owned(), found: name.to_string_lossy().into_owned() });
        }
    }
    Ok(())
}

/// Whether a store was in use: its creation ends before there is a record.
fn has_records(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

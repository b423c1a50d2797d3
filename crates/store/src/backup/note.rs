//! `meta/backup.json`: a folder is a backup, and of what.

use std::io;

use serde::{Deserialize, Serialize};

use crate::disk::{Disk, Operation};
use crate::{Layout, Store, StoreError, regular};

/// What `meta/backup.json` contains. Programs ignore keys that they do not know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BackupNote {
    /// The store that it is of, with replacement characters for what is not UTF-8.
    pub store: Option<String>,
    /// The generation of the pointers of that store.
    pub generation: u64,
    /// The newest release that the pointers of its last snapshot name.
    pub newest: Option<u32>,
    /// When its last snapshot was complete, in seconds since the epoch; `None` until the first one is.
    pub taken: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    schema_version: u32,
    #[serde(flatten)]
    note: BackupNote,
}

impl BackupNote {
    /// The note of a store; `None` for one that is not a backup.
    ///
    /// # Errors
    /// A [disk error](StoreError#disk-errors) if it cannot be read. One that cannot be parsed is empty: whether the
    /// folder belongs to a store is told by its releases.
    pub fn read(store: &Store) -> Result<Option<Self>, StoreError> {
        let path = store.layout().backup_note();
        match regular::read(&path, NOTE_LIMIT) {
            Ok(bytes) => Ok(Some(serde_json::from_slice::<Document>(&bytes).map(|read| read.note).unwrap_or_default())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io(Operation::Read, &path, error)),
        }
    }

    pub(super) fn write(&self, layout: &Layout, disk: &Disk) -> Result<(), StoreError> {
        let document = Document { schema_version: 1, note: self.clone() };
        let mut json = serde_json::to_vec_pretty(&document).map_err(|error| {
            StoreError::io(Operation::Write, &layout.backup_note(), io::Error::new(io::ErrorKind::InvalidData, error))
        })?;
        json.push(b'\n');
        disk.replace(&layout.backup_note(), &layout.staging().join("backup.json"), &json)
    }

    pub(super) fn remove(layout: &Layout, disk: &Disk) -> Result<(), StoreError> {
        disk.remove(&layout.backup_note())?;
        disk.sync_folder(&layout.meta())
    }
}

const NOTE_LIMIT: u64 = 1 << 20;

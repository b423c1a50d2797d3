//! The entries of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::StoreError;
use crate::disk::Operation;

/// An entry of a folder.
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// With replacement characters for what is not UTF-8: no file of a store has such a name.
    pub(crate) name: String,
    pub(crate) is_folder: bool,
}

/// The entries of `folder`, sorted by name.
pub(crate) fn list(folder: &Path) -> Result<Vec<Found>, StoreError> {
    let read = |source| StoreError::io(Operation::Read, folder, source);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        let entry = entry.map_err(read)?;
        let is_folder = entry.file_type().map_err(read)?.is_dir();
        entries.push(Found { path: entry.path(), name: entry.file_name().to_string_lossy().into_owned(), is_folder });
    }
    entries.sort_unstable_by(|left, right| left.name.cmp(&right.name));
    Ok(entries)
}

//! Taking the place of a damaged file without losing it.
//!
//! ```text
//! meta/damaged/1/content/30/files/<hash>.tar     the first time; 2, 3, … for what is damaged again
//! ```

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::Operation;
use crate::{Store, StoreError};

/// Moves the finished file `from` to `path`, after what is there was kept in `meta/damaged`. Returns where.
pub(super) fn replace(store: &Store, path: &Path, from: &Path) -> Result<Option<PathBuf>, StoreError> {
    let disk = store.disk();
    let kept = keep(store, path)?;
    let parent = path.parent().unwrap_or(store.root());
    if !parent.is_dir() {
        disk.create_folder(parent)?;
        disk.sync_folder(parent.parent().unwrap_or(parent))?;
    }
    disk.rename(from, path)?;
    disk.sync_folder(parent)?;
    Ok(kept)
}

/// Keeps a second name of what is at `path`; `None` if there is nothing. A folder or link instead of a file is
/// moved.
pub(super) fn keep(store: &Store, path: &Path) -> Result<Option<PathBuf>, StoreError> {
    let disk = store.disk();
    let is_file = match path.symlink_metadata() {
        Ok(found) => found.is_file(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(StoreError::io(Operation::Read, path, error)),
    };
    let name = path.strip_prefix(store.root()).unwrap_or(path);
    let free = |number: u32| store.layout().damaged().join(number.to_string()).join(name);
    let taken = |path: &PathBuf| path.symlink_metadata().is_ok();
    let place = (1..).map(free).find(|path| !taken(path)).expect("there are more numbers than files");
    let folder = place.parent().unwrap_or(store.root());
    disk.create_folder(folder)?;
    if is_file {
        disk.hard_link(path, &place)?;
    } else {
        disk.rename(path, &place)?;
    }
    disk.sync_folder(folder)?;
    Ok(Some(place))
}

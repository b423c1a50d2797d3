//! Every change of the file system, in one place, with a hook in front of each.
//!
//! Tests install a [`Hook`] to fail the n-th operation and everything after it, which simulates a crash, or to
//! observe the order of syncs and renames. Reading goes through [`regular`].

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Seek as _, Write};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::{StoreError, regular};

/// One kind of access. Its text completes "failed to …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Reading; never given to a hook.
    Read,
    /// Making a folder.
    CreateFolder,
    /// Making an empty file.
    CreateFile,
    /// Writing the next bytes of a file.
    Write,
    /// Bringing the bytes of a file to disk.
    SyncFile,
    /// Bringing the names in a folder to disk.
    SyncFolder,
    /// Bringing everything of the file system to disk.
    SyncAll,
    /// Giving a file, folder or link another name, replacing what had it.
    Rename,
    /// Making a symbolic link.
    SymbolicLink,
    /// Making a second name of a file.
    HardLink,
    /// Copying a file.
    Copy,
    /// Removing a file or a folder with all in it.
    Remove,
    /// Giving a file or folder another time of modification.
    SetTime,
    /// Taking the writer's lock.
    Lock,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::CreateFolder => "create the folder",
            Self::CreateFile => "create",
            Self::Write => "write",
            Self::SyncFile | Self::SyncFolder | Self::SyncAll => "sync",
            Self::Rename => "move into place",
            Self::SymbolicLink => "link",
            Self::HardLink => "hard-link",
            Self::Copy => "copy to",
            Self::Remove => "remove",
            Self::SetTime => "set the time of",
            Self::Lock => "lock",
        })
    }
}

/// Called before each operation with the path it changes; an error is what the operation then ends in. A failing
/// [`Operation::Write`] leaves half of its bytes in the file.
pub type Hook = dyn Fn(Operation, &Path) -> io::Result<()> + Send + Sync;

/// The file system, as all code changes it.
#[derive(Clone, Default)]
pub struct Disk {
    hook: Option<Arc<Hook>>,
}

impl Disk {
    /// A disk that asks `hook` before each operation.
    pub fn with_hook(hook: impl Fn(Operation, &Path) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { hook: Some(Arc::new(hook)) }
    }

    fn run<T>(&self, operation: Operation, path: &Path, work: impl FnOnce() -> io::Result<T>) -> Result<T, StoreError> {
        self.ask(operation, path).and_then(|()| work()).map_err(|source| StoreError::io(operation, path, source))
    }

    fn ask(&self, operation: Operation, path: &Path) -> io::Result<()> {
        self.hook.as_ref().map_or(Ok(()), |hook| hook(operation, path))
    }

    /// Makes a folder and those above it; one that exists is fine.
    pub fn create_folder(&self, path: &Path) -> Result<(), StoreError> {
        self.run(Operation::CreateFolder, path, || create_folders(path))
    }

    /// Begins a new file; whatever has the name is replaced.
    pub fn create_file(&self, path: &Path) -> Result<DiskFile, StoreError> {
        let file = self.run(Operation::CreateFile, path, || create_file(path))?;
        Ok(DiskFile { file, path: path.to_owned(), disk: self.clone() })
    }

    /// Opens a regular file to be read and written, or makes an empty one. Its bytes stay; writing begins at offset 0.
    /// `operation` is what the hook is asked for.
    pub fn open_file(&self, operation: Operation, path: &Path) -> Result<DiskFile, StoreError> {
        let file = self.run(operation, path, || {
            let mut options = OpenOptions::new();
            regular::open_with(options.read(true).write(true).create(true).truncate(false), path)
        })?;
        Ok(DiskFile { file, path: path.to_owned(), disk: self.clone() })
    }

    /// Replaces a file without syncing it: for caches, which may be lost in a crash. Its folder is created.
    pub fn replace_unsynced(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        if let Some(folder) = path.parent() {
            self.create_folder(folder)?;
        }
        let scratch = path.with_added_extension("new");
        let mut file = self.create_file(&scratch)?;
        file.write_all(bytes).map_err(|source| StoreError::io(Operation::Write, &scratch, source))?;
        self.rename(&scratch, path)
    }

    /// Replaces the file `path` by one with `bytes`, which is written to `scratch` first: readers see the old bytes or
    /// the new ones, and after a return the new ones are on disk under their name.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`], [`StoreError::NotPermitted`] or [`StoreError::Io`]. The file has its old bytes then,
    /// unless the last sync failed: then it may have either.
    pub(crate) fn replace(&self, path: &Path, scratch: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        self.replace_deferred(path, scratch, bytes)?;
        path.parent().map_or(Ok(()), |folder| self.sync_folder(folder))
    }

    /// As [`Disk::replace`], for many files of a folder that the caller syncs once.
    pub(crate) fn replace_deferred(&self, path: &Path, scratch: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        self.write_synced(scratch, bytes)?;
        self.rename(scratch, path)
    }

    /// A new file with `bytes`, synced.
    pub(crate) fn write_synced(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let mut file = self.create_file(path)?;
        file.write_all(bytes).map_err(|source| StoreError::io(Operation::Write, path, source))?;
        file.sync()
    }

    pub(crate) fn sync_file(&self, path: &Path, file: &File) -> Result<(), StoreError> {
        self.run(Operation::SyncFile, path, || file.sync_all())
    }

    pub(crate) fn sync_folder(&self, path: &Path) -> Result<(), StoreError> {
        self.run(Operation::SyncFolder, path, || File::open(path)?.sync_all())
    }

    /// Syncs the whole file system of the folder `path`.
    pub(crate) fn sync_all(&self, path: &Path) -> Result<(), StoreError> {
        self.run(Operation::SyncAll, path, || Ok(rustix::fs::syncfs(File::open(path)?)?))
    }

    /// Moves `from` to `to`. The hook and errors are about `to`.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        self.run(Operation::Rename, to, || fs::rename(from, to))
    }

    pub(crate) fn symbolic_link(&self, target: &Path, link: &Path) -> Result<(), StoreError> {
        self.run(Operation::SymbolicLink, link, || std::os::unix::fs::symlink(target, link))
    }

    pub(crate) fn hard_link(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        self.run(Operation::HardLink, to, || fs::hard_link(from, to))
    }

    /// Copies the bytes of a file; shares them where the file system can (`copy_file_range`).
    pub(crate) fn copy(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        self.run(Operation::Copy, to, || {
            // Not fs::copy: it would take the permissions of the source along.
            io::copy(&mut regular::open(from)?, &mut create_file(to)?).map(|_| ())
        })
    }

    /// Sets when a file or folder was modified.
    pub(crate) fn set_modified(&self, path: &Path, time: SystemTime) -> Result<(), StoreError> {
        self.run(Operation::SetTime, path, || File::open(path)?.set_modified(time))
    }

    /// Removes a file, link, or folder with all in it; nothing there is fine.
    pub fn remove(&self, path: &Path) -> Result<(), StoreError> {
        self.run(Operation::Remove, path, || {
            let removed = match fs::symlink_metadata(path) {
                Ok(found) if found.is_dir() => fs::remove_dir_all(path),
                Ok(_) => fs::remove_file(path),
                Err(error) => Err(error),
            };
            match removed {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                other => other,
            }
        })
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("hook", &self.hook.is_some()).finish()
    }
}

/// A web server under another user reads content, whatever the umask of who builds it.
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

fn create_file(path: &Path) -> io::Result<File> {
    let file = regular::open_with(OpenOptions::new().write(true).create(true).truncate(true), path)?;
    file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    Ok(file)
}

fn create_folders(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(FOLDER_MODE)),
        // Some file systems of the kernel say so where nothing can be made.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.parent().is_none_or(Path::is_dir) => {
            create_folders(path.parent().ok_or(error)?)?;
            create_folders(path)
        }
        Err(_) if path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// A file being written.
#[derive(Debug)]
pub struct DiskFile {
    file: File,
    path: PathBuf,
    disk: Disk,
}

impl DiskFile {
    /// The file, to be read and locked.
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Writes bytes at an offset.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<(), StoreError> {
        let written = self.disk.ask(Operation::Write, &self.path).and_then(|()| self.file.write_all_at(bytes, offset));
        written.map_err(|source| StoreError::io(Operation::Write, &self.path, source))
    }

    /// Removes all bytes; the next ones are the first.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.disk.ask(Operation::Write, &self.path)?;
        self.file.set_len(0)?;
        self.file.rewind()
    }

    pub(crate) fn set_modified(&self, time: SystemTime) -> Result<(), StoreError> {
        self.disk.run(Operation::SetTime, &self.path, || self.file.set_modified(time))
    }

    pub(crate) fn sync(self) -> Result<(), StoreError> {
        self.disk.sync_file(&self.path, &self.file)
    }
}

impl Write for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(fault) = self.disk.ask(Operation::Write, &self.path) {
            self.file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(fault);
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

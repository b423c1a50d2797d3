//! Files, folders and stores that a command creates before it is known to succeed: a failure removes them again.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use clearwell_store::Store;

use crate::content_folder;
use crate::error::CliError;

/// Files, folders and stores that a command created. Unless they are [kept](Self::keep), dropping this removes them.
///
/// Only new ones are removed: folders if they are empty again, stores if they have neither a release nor a draft.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    made: Vec<Made>,
}

#[derive(Debug)]
enum Made {
    Folder(PathBuf),
    File(PathBuf),
    Store(Store),
}

impl Fresh {
    /// Creates a folder and its missing parents.
    pub(crate) fn folder(&mut self, path: &Path) -> Result<(), CliError> {
        let missing = path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
        for folder in missing.collect::<Vec<_>>().into_iter().rev() {
            match fs::create_dir(folder) {
                Ok(()) => self.made.push(Made::Folder(folder.to_owned())),
                Err(_) if folder.is_dir() => {}
                Err(error) => return Err(CliError::disk(format!("failed to create {}", path.display()), error)),
            }
        }
        Ok(())
    }

    /// Creates a folder that becomes content, and its missing parents, with the mode of content.
    pub(crate) fn content_folder(&mut self, path: &Path) -> Result<(), CliError> {
        let before = self.made.len();
        self.folder(path)?;
        for made in &self.made[before..] {
            if let Made::Folder(folder) = made {
                let failed =
                    |error| CliError::disk(format!("failed to change the mode of {}", folder.display()), error);
                fs::set_permissions(folder, Permissions::from_mode(content_folder::MODE)).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Creates a file.
    pub(crate) fn file(&mut self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), CliError> {
        let mut write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
            self.made.push(Made::File(path.to_owned()));
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|error| CliError::disk(format!("failed to write {}", path.display()), error))
    }

    /// Creates an empty store in a new or empty folder.
    pub(crate) fn create_store(&mut self, path: &Path) -> Result<Store, CliError> {
        if !path.exists() {
            self.folder(path)?;
        }
        let store = Store::create(path)?;
        self.made.push(Made::Store(store.clone()));
        Ok(store)
    }

    /// Keeps everything.
    pub(crate) fn keep(mut self) {
        self.made.clear();
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // The command already reports an error; what cannot be removed stays.
        while let Some(made) = self.made.pop() {
            match made {
                Made::Folder(path) => drop(fs::remove_dir(path)),
                Made::File(path) => drop(fs::remove_file(path)),
                Made::Store(store) => drop(store.remove_unused()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_removes_what_was_created_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("before"), "").unwrap();
        let make = |fresh: &mut Fresh| {
            fresh.folder(&dir.path().join("a/b")).unwrap();
            fresh.file(&dir.path().join("a/b/key"), b"secret", 0o600).unwrap();
            fresh.create_store(&dir.path().join("new/store")).unwrap();
        };
        let names = || {
            let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let mut fresh = Fresh::default();
        make(&mut fresh);
        assert!(fresh.file(&dir.path().join("before"), b"", 0o600).is_err());
        drop(fresh);
        assert_eq!(names(), ["before"]);

        let mut fresh = Fresh::default();
        make(&mut fresh);
        fs::write(dir.path().join("a/mine"), "").unwrap();
        drop(fresh);
        assert_eq!(names(), ["a", "before"], "a folder with other files stays");
        assert!(!dir.path().join("a/b").exists());

        let mut fresh = Fresh::default();
        make(&mut fresh);
        fresh.keep();
        assert!(dir.path().join("a/b/key").exists() && dir.path().join("new/store/meta/layout").exists());
        let mut fresh = Fresh::default();
        assert!(fresh.create_store(&dir.path().join("new/store")).is_err());
        drop(fresh);
        assert!(dir.path().join("new/store/meta/layout").exists(), "a store that was there stays");
    }
}

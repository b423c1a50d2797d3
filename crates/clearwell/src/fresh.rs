//! What a command makes before it can know that it will succeed: after a refusal it is gone again.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use clearwell_store::Store;

use crate::content_folder;
use crate::error::CliError;

/// Files, folders and stores that a command made. Those that are not [kept](Self::keep) are removed when it is dropped.
///
/// Only what was not there before is removed: of folders those that are empty again, of stores those without a release
/// or a draft.
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
    /// Makes a folder, with those above it that are missing.
    pub(crate) fn folder(&mut self, path: &Path) -> Result<(), CliError> {
        let missing = path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
        for folder in missing.collect::<Vec<_>>().into_iter().rev() {
            match fs::create_dir(folder) {
                Ok(()) => self.made.push(Made::Folder(folder.to_owned())),
                Err(_) if folder.is_dir() => {}
                Err(error) => return Err(CliError::disk(format!("failed to make {}", path.display()), error)),
            }
        }
        Ok(())
    }

    /// Makes a folder that becomes content, as [`Fresh::folder`] does, with the mode of content.
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

    /// Writes a new file.
    pub(crate) fn file(&mut self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), CliError> {
        let mut write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
            self.made.push(Made::File(path.to_owned()));
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|error| CliError::disk(format!("failed to write {}", path.display()), error))
    }

    /// Makes an empty store in a new or empty folder.
    pub(crate) fn create_store(&mut self, path: &Path) -> Result<Store, CliError> {
        if !path.exists() {
            self.folder(path)?;
        }
        let store = Store::create(path)?;
        self.made.push(Made::Store(store.clone()));
        Ok(store)
    }

    /// Everything stays.
    pub(crate) fn keep(mut self) {
        self.made.clear();
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // The command has an error to tell already; what cannot be removed stays.
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
    fn what_was_made_is_gone_again_and_nothing_else() {
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
        assert_eq!(names(), ["a", "before"], "a folder that others use stays");
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

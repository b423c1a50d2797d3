//! Deltas between their making and their packs: in one file without a name, so that memory does not grow with a release.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use clearwell_store::StoreError;
use clearwell_store::disk::Operation;

/// A place for bytes that are needed once more in this run.
#[derive(Debug)]
pub(crate) struct Spool {
    file: File,
    /// The name that it had.
    path: PathBuf,
    end: AtomicU64,
}

/// Where bytes lie in a [`Spool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spooled {
    offset: u64,
    length: u64,
}

impl Spool {
    /// An empty spool in `folder`. The file loses its name at once: it is gone with the process, however that ends.
    ///
    /// # Errors
    /// The disk's, as of all that follows.
    pub(crate) fn new(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(format!("spool-{}", std::process::id()));
        let open = || -> io::Result<File> {
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
            fs::remove_file(&path)?;
            Ok(file)
        };
        let file = open().map_err(|source| StoreError::io(Operation::CreateFile, &path, source))?;
        Ok(Self { file, path, end: AtomicU64::new(0) })
    }

    /// Keeps bytes. Many threads may.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Result<Spooled, StoreError> {
        let length = bytes.len() as u64;
        let offset = self.end.fetch_add(length, Ordering::Relaxed);
        let written = self.file.write_all_at(bytes, offset);
        written.map_err(|source| StoreError::io(Operation::Write, &self.path, source))?;
        Ok(Spooled { offset, length })
    }

    /// The bytes again.
    pub(crate) fn read(&self, spooled: Spooled) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; usize::try_from(spooled.length).expect("the bytes were in memory once")];
        let read = self.file.read_exact_at(&mut bytes, spooled.offset);
        read.map_err(|source| StoreError::io(Operation::Read, &self.path, source))?;
        Ok(bytes)
    }
}

impl Spooled {
    /// How many bytes.
    pub(crate) const fn length(self) -> u64 {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_no_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path()).unwrap();
        let kept = [&b"one"[..], b"", b"three"].map(|bytes| (bytes, spool.keep(bytes).unwrap()));
        for (bytes, spooled) in kept {
            assert_eq!(spool.read(spooled).unwrap(), bytes);
            assert_eq!(spooled.length(), bytes.len() as u64);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

//! Deltas between their making and their packs: in one file without a name, so that memory does not grow with a release.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// A place for bytes that are needed once more in this run.
#[derive(Debug)]
pub(crate) struct Spool {
    file: File,
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
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        let path = folder.join(format!("spool-{}", std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        fs::remove_file(&path)?;
        Ok(Self { file, end: AtomicU64::new(0) })
    }

    /// Keeps bytes. Many threads may.
    pub(crate) fn keep(&self, bytes: &[u8]) -> io::Result<Spooled> {
        let length = bytes.len() as u64;
        let offset = self.end.fetch_add(length, Ordering::Relaxed);
        self.file.write_all_at(bytes, offset)?;
        Ok(Spooled { offset, length })
    }

    /// The bytes again.
    pub(crate) fn read(&self, spooled: Spooled) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(spooled.length).expect("the bytes were in memory once")];
        self.file.read_exact_at(&mut bytes, spooled.offset)?;
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

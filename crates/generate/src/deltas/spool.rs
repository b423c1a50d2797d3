//! Spool files: compressed parts wait here until their archive is written, so that memory does not grow with a release.
//!
//! ```text
//! without a name    parts of this run
//! parts/make        in a draft: parts that a continued build finds again
//! parts/make.index  a line for each part that is whole: key, offset, length, SHA-256
//! ```
//!
//! The index only saves time: a line that was cut off, or whose digest does not match, is ignored.

use std::collections::HashMap;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use clearwell_store::disk::{Disk, DiskFile, Operation};
use clearwell_store::{Digest, Draft, StoreError, regular};

/// A file of parts.
#[derive(Debug)]
pub(crate) struct Spool {
    file: DiskFile,
    /// The name that it has, or had.
    path: PathBuf,
    end: AtomicU64,
    /// What an interrupted run has finished, by key.
    finished: HashMap<String, (Spooled, Digest)>,
    index: Option<Mutex<DiskFile>>,
}

/// Where bytes lie in a [`Spool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spooled {
    offset: u64,
    length: u64,
}

impl Spool {
    /// An empty spool in `folder`. The file is unlinked immediately, so it disappears with the process even after a crash.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the file cannot be created; so for every function below.
    pub(crate) fn new(folder: &Path, disk: &Disk) -> Result<Self, StoreError> {
        let path = folder.join(format!("spool-{}", std::process::id()));
        disk.remove(&path)?;
        let file = disk.open_file(Operation::CreateFile, &path)?;
        disk.remove(&path)?;
        Ok(Self { file, path, end: AtomicU64::new(0), finished: HashMap::new(), index: None })
    }

    /// The spool of a draft, with what an interrupted run put into it. It goes with the draft.
    pub(crate) fn of_draft(draft: &Draft<'_>, name: &str) -> Result<Self, StoreError> {
        let (path, disk) = (draft.parts().join(name), draft.store().disk());
        let file = disk.open_file(Operation::CreateFile, &path)?;
        let index_path = path.with_extension("index");
        let text = regular::read(&index_path, INDEX_LIMIT).unwrap_or_default();
        let mut index = disk.open_file(Operation::CreateFile, &index_path)?;
        let failed = |source| StoreError::io(Operation::Write, &index_path, source);
        index.file().seek(SeekFrom::End(0)).map_err(failed)?;
        // After a line that was cut off, the next one begins on a new line.
        index.write_all(b"\n").map_err(failed)?;
        let finished = String::from_utf8_lossy(&text).lines().filter_map(entry).collect();
        let end = file.file().metadata().map_err(failed)?.len();
        Ok(Self { file, path, end: AtomicU64::new(end), finished, index: Some(Mutex::new(index)) })
    }

    /// Keeps bytes. Many threads may.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Result<Spooled, StoreError> {
        let length = bytes.len() as u64;
        let offset = self.end.fetch_add(length, Ordering::Relaxed);
        self.file.write_all_at(bytes, offset)?;
        Ok(Spooled { offset, length })
    }

    /// Keeps bytes for this run and for one that continues it. The key is made of everything that decides them.
    pub(crate) fn keep_as(&self, key: &str, bytes: &[u8]) -> Result<Spooled, StoreError> {
        let spooled = self.keep(bytes)?;
        if let Some(index) = &self.index {
            let Spooled { offset, length } = spooled;
            let line = format!("{key} {offset} {length} {}\n", Digest::of(bytes));
            let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
            // Without the line, the bytes are made again.
            let _ = index.write_all(line.as_bytes());
        }
        Ok(spooled)
    }

    /// True if a later run can find what is kept: the spool is that of a draft.
    pub(crate) const fn is_resumable(&self) -> bool {
        self.index.is_some()
    }

    /// What an interrupted run has kept under the key, if its bytes are what they were.
    pub(crate) fn finished(&self, key: &str) -> Option<Spooled> {
        let (spooled, digest) = self.finished.get(key)?;
        let is_within = spooled.offset.checked_add(spooled.length)? <= self.end.load(Ordering::Relaxed);
        (is_within && Digest::of(&self.read(*spooled).ok()?) == *digest).then_some(*spooled)
    }

    /// The bytes again.
    pub(crate) fn read(&self, spooled: Spooled) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; usize::try_from(spooled.length).expect("the bytes were in memory once")];
        let read = self.file.file().read_exact_at(&mut bytes, spooled.offset);
        read.map_err(|source| StoreError::io(Operation::Read, &self.path, source))?;
        Ok(bytes)
    }
}

/// A line for each part.
const INDEX_LIMIT: u64 = 1 << 30;

/// A line of the index; the key comes first and has no spaces.
fn entry(line: &str) -> Option<(String, (Spooled, Digest))> {
    let [key, offset, length, digest] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let spooled = Spooled { offset: offset.parse().ok()?, length: length.parse().ok()? };
    Some((key.to_owned(), (spooled, digest.parse().ok()?)))
}

impl Spooled {
    /// How many bytes.
    pub(crate) const fn length(self) -> u64 {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn bytes_come_back_and_no_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path(), &Disk::default()).unwrap();
        let kept = [&b"one"[..], b"", b"three"].map(|bytes| (bytes, spool.keep(bytes).unwrap()));
        for (bytes, spooled) in kept {
            assert_eq!(spool.read(spooled).unwrap(), bytes);
            assert_eq!(spooled.length(), bytes.len() as u64);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_run_that_continues_finds_what_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = clearwell_store::Store::create(folder.path()).unwrap();
        let mut writer = store.writer("test").unwrap();
        let draft = writer.draft(clearwell_format::Version::new(10).unwrap(), "same").unwrap();
        let spool = Spool::of_draft(&draft, "make").unwrap();
        let one = spool.keep_as("one", b"the first").unwrap();
        spool.keep_as("two", b"the second").unwrap();
        drop(spool);
        let path = draft.parts().join("make");
        // The second lost a byte, and a third its line.
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        let index = path.with_extension("index");
        fs::write(&index, [&fs::read(&index).unwrap()[..], b"three 0 9"].concat()).unwrap();
        fs::write(&index, [&fs::read(&index).unwrap()[..], b"\nfar 5000000000 18446744073709551615 00"].concat())
            .unwrap();
        let spool = Spool::of_draft(&draft, "make").unwrap();
        assert_eq!(spool.finished("one"), Some(one));
        assert_eq!(spool.read(one).unwrap(), b"the first");
        for key in ["two", "three", "far", "four"] {
            assert_eq!(spool.finished(key), None, "{key}");
        }
        spool.keep_as("two", b"the second").unwrap();
        drop(spool);
        assert!(Spool::of_draft(&draft, "make").unwrap().finished("two").is_some());
    }
}

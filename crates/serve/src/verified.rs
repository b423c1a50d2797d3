//! A large file that is served: its attributes when its bytes were compared with the index, and whether they still
//! match.
//!
//! A response takes longer than its check: a slow client may take hours, and the file may be written to meanwhile. So
//! before the last bytes of each part are sent, the file's attributes are read again. Its size, times and inode are what
//! they were before it was hashed, or the connection is cut and the file is hashed again for the next request.
//!
//! ```text
//! unchanged                                      the bytes are those that were compared
//! another ctime, and other links, owner or mode  the file was linked, moved or unlinked: its bytes are compared again
//! anything else                                  it was written to
//! ```
//!
//! The attributes of a file that is still arriving change all the time; they are fixed once it is complete, which is
//! before the last byte of any answer is sent.
//!
//! The ctime cannot be set back as the mtime can (`touch -d`). Not detected, because the system does not report it:
//! writes through a mapping to a page that was written before and is not on disk yet (on tmpfs, all writes through a
//! mapping), writes below the file system, bytes that go bad on the disk after they were compared, and a clock set
//! back.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use clearwell_metrics::Metrics;
use clearwell_store::{Digest, clock};

use crate::check::{self, Check};
use crate::origin::Download;
use crate::page_cache::{self, Cached};

/// Two writes within this time may leave the same times: those of the kernel advance by ticks of up to 10 ms.
const TICK: Duration = Duration::from_millis(20);
/// The same where a file system keeps whole seconds.
const WHOLE_SECOND: Duration = Duration::from_millis(1020);
/// Attempts to find a file unchanged for that time.
const SETTLE_ATTEMPTS: u32 = 5;

/// Which file of the machine it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

/// The attributes of a file that every write to it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    id: FileId,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    /// Links, mode and owner: what changes the ctime of a file whose bytes stay.
    attributes: (u64, u32, u32, u32),
}

impl Stamp {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            id: FileId { device: metadata.dev(), inode: metadata.ino() },
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            attributes: (metadata.nlink(), metadata.mode(), metadata.uid(), metadata.gid()),
        })
    }

    /// The same of a file that may just have been written: waits until another write would show.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] if it keeps being written, or if its attributes cannot be read.
    pub(crate) fn settled(file: &File) -> io::Result<Self> {
        for _ in 0..SETTLE_ATTEMPTS {
            let stamp = Self::of(file)?;
            let tick = if stamp.changed.1 == 0 { WHOLE_SECOND } else { TICK };
            match stamp.age() {
                Some(age) if age < tick => std::thread::sleep(tick - age),
                _ => return Ok(stamp),
            }
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "the file is being written"))
    }

    pub(crate) const fn id(&self) -> FileId {
        self.id
    }

    /// Since it last changed; `None` if that is in the future.
    fn age(&self) -> Option<Duration> {
        let (seconds, nanoseconds) = self.changed;
        let since = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanoseconds).ok()?);
        clock::now().duration_since(SystemTime::UNIX_EPOCH + since).ok()
    }

    /// True if all that differs may come from a change of links, owner or mode.
    fn differs_in_attributes(&self, now: &Self) -> bool {
        let Self { changed, attributes, .. } = *now;
        self.attributes != attributes && Self { changed, attributes, ..*self } == *now
    }
}

/// A file and the check of its bytes.
#[derive(Debug)]
pub(crate) struct VerifiedFile {
    pub(crate) file: File,
    pub(crate) check: Check,
    expected: Digest,
    /// From before the check began. Empty while the file is arriving.
    stamp: Arc<ArcSwapOption<Stamp>>,
    /// A change is counted once, however many answers notice it.
    is_counted: AtomicBool,
    metrics: Arc<Metrics>,
}

/// The file is not as it was when it was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unconfirmed {
    /// Its links, owner or mode changed: its bytes have to be read to know whether they did.
    Attributes,
    /// It was written to.
    Written,
}

impl VerifiedFile {
    pub(crate) fn new(file: File, stamp: Stamp, expected: Digest, check: Check, metrics: Arc<Metrics>) -> Self {
        let stamp = Arc::new(ArcSwapOption::from_pointee(stamp));
        Self { file, check, expected, stamp, is_counted: AtomicBool::new(false), metrics }
    }

    /// A file that is still being written.
    pub(crate) fn arriving(download: Download, expected: Digest, metrics: Arc<Metrics>) -> Self {
        let Download { file, check, stamp } = download;
        Self { file, check, expected, stamp, is_counted: AtomicBool::new(false), metrics }
    }

    /// Compares the attributes of the file with what they were. A file that is still arriving has none to compare.
    pub(crate) fn confirm(&self) -> Result<(), Unconfirmed> {
        let before = self.stamp.load();
        let Some(before) = before.as_deref() else { return Ok(()) };
        match Stamp::of(&self.file) {
            Ok(now) if now == *before => return Ok(()),
            Ok(now) if before.differs_in_attributes(&now) => return Err(Unconfirmed::Attributes),
            Ok(_) | Err(_) => {}
        }
        self.count();
        Err(Unconfirmed::Written)
    }

    /// The same, and reads the file again where its attributes do not tell. For threads that may wait.
    pub(crate) fn confirm_or_compare(&self) -> io::Result<()> {
        match self.confirm() {
            Ok(()) => return Ok(()),
            Err(Unconfirmed::Written) => return Err(changed()),
            Err(Unconfirmed::Attributes) => {}
        }
        let stamp = Stamp::settled(&self.file)?;
        let found = check::digest(&self.file, &self.metrics, |_| {})?;
        if found != self.expected || Stamp::of(&self.file)? != stamp {
            self.count();
            return Err(changed());
        }
        self.stamp.store(Some(Arc::new(stamp)));
        Ok(())
    }

    /// Reads bytes at `start` that are in the page cache. If they reach `end`, the file is confirmed after that.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] at the end of the file, [`io::ErrorKind::InvalidData`] if it was written to, or if
    /// the disk fails.
    pub(crate) fn read_cached(&self, buffer: &mut [u8], start: u64, end: u64) -> io::Result<Cached> {
        match page_cache::read(&self.file, buffer, start)? {
            Cached::Read(length) => self.confirm_read(length, start, end),
            other => Ok(other),
        }
    }

    /// The same where the file system cannot tell, which may wait for the disk.
    pub(crate) fn read_waiting(&self, buffer: &mut [u8], start: u64, end: u64) -> io::Result<Cached> {
        match self.file.read_at(buffer, start)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => self.confirm_read(length, start, end),
        }
    }

    fn confirm_read(&self, length: usize, start: u64, end: u64) -> io::Result<Cached> {
        if start + length as u64 != end {
            return Ok(Cached::Read(length));
        }
        match self.confirm() {
            Ok(()) => Ok(Cached::Read(length)),
            Err(Unconfirmed::Attributes) => Ok(Cached::Missing),
            Err(Unconfirmed::Written) => Err(changed()),
        }
    }

    /// Counts an error of reading the file as a change of it if the file ended too early.
    pub(crate) fn noted(&self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            self.count();
        }
        error
    }

    fn count(&self) {
        if !self.is_counted.swap(true, Ordering::Relaxed) {
            self.metrics.objects.changed.inc();
        }
    }
}

/// The error that ends an answer short of its last bytes.
fn changed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file was changed after it was compared with the index")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn verified(bytes: &[u8], path: &std::path::Path) -> VerifiedFile {
        std::fs::write(path, bytes).unwrap();
        let file = File::open(path).unwrap();
        let stamp = Stamp::settled(&file).unwrap();
        VerifiedFile::new(file, stamp, Digest::of(bytes), Check::sound(), Arc::new(Metrics::new()))
    }

    #[test]
    fn writes_are_noticed_whatever_hides_them_and_other_changes_are_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pack");
        let other = folder.path().join("other");
        let write = || File::options().write(true).open(&path).unwrap().write_all_at(b"X", 3).unwrap();
        let set_back = |time| File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        let is_kept = |change: &dyn Fn()| {
            // Names of earlier rounds.
            let _ = std::fs::remove_file(&other);
            let file = verified(b"some bytes", &path);
            assert!(file.confirm().is_ok());
            change();
            let is_kept = file.confirm_or_compare().is_ok();
            assert_eq!(file.confirm().is_ok(), is_kept);
            assert_eq!(file.metrics.objects.changed.get(), u64::from(!is_kept));
            is_kept
        };
        assert!(!is_kept(&write));
        assert!(!is_kept(&|| File::options().write(true).open(&path).unwrap().set_len(3).unwrap()));
        assert!(!is_kept(&|| {
            let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
            write();
            set_back(modified);
        }));
        assert!(!is_kept(&|| set_back(SystemTime::UNIX_EPOCH)), "it looks like a write");
        assert!(is_kept(&|| std::fs::hard_link(&path, &other).unwrap()));
        assert!(is_kept(&|| {
            std::fs::write(&other, "of another release").unwrap();
            std::fs::rename(&other, &path).unwrap();
        }));
        assert!(is_kept(&|| std::fs::remove_file(&path).unwrap()));
        assert!(is_kept(&|| std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap()));
        assert!(!is_kept(&|| {
            let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
            write();
            set_back(modified);
            std::fs::hard_link(&path, &other).unwrap();
        }));
    }
}

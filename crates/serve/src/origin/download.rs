//! A file that is still being downloaded: one side writes it, responses follow it as it grows.
//!
//! ```text
//! DownloadWriter: write, write, …, finish -> the digest is compared
//! Download:       bytes that were written may be sent; the last byte of a response waits for the comparison
//! ```
//!
//! Always true: a writer that is dropped before `finish`, or wrote bytes that do not match the index, fails every
//! response that follows it before its last byte.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use clearwell_store::{ArtifactMeta, Digest, Hasher};

use crate::check::{self, Check, Checker};
use crate::verified::Stamp;

/// The reading side.
#[derive(Debug)]
pub struct Download {
    pub(crate) file: File,
    pub(crate) check: Check,
    /// Of the complete file; `None` until then.
    pub(crate) stamp: Arc<ArcSwapOption<Stamp>>,
}

/// The writing side. Answers that follow end as it ends.
#[derive(Debug)]
pub struct DownloadWriter {
    file: File,
    checker: Checker,
    hasher: Hasher,
    written_bytes: u64,
    meta: ArtifactMeta,
    stamp: Arc<ArcSwapOption<Stamp>>,
}

impl Download {
    /// Begins with an empty file that is open for reading and writing. `meta` is what it has to become.
    ///
    /// # Errors
    /// If the system has no descriptor for the second side.
    pub fn start(file: File, meta: ArtifactMeta) -> io::Result<(DownloadWriter, Self)> {
        let (checker, check) = check::begin();
        let stamp = Arc::new(ArcSwapOption::empty());
        let download = Self { file: file.try_clone()?, check, stamp: Arc::clone(&stamp) };
        Ok((DownloadWriter { file, checker, hasher: Hasher::new(), written_bytes: 0, meta, stamp }, download))
    }
}

impl DownloadWriter {
    /// Compares what was written with what it has to be, and says so to the answers that follow.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if size or digest differ; the system's if the metadata of the file cannot be read.
    pub fn finish(self) -> io::Result<()> {
        let Self { file, checker, hasher, written_bytes, meta, stamp } = self;
        let found = ArtifactMeta { size: written_bytes, sha256: hasher.finish() };
        if found != meta {
            checker.conclude(false);
            return Err(io::Error::new(io::ErrorKind::InvalidData, Mismatch { expected: meta.sha256, found }));
        }
        // First what later looks at the file are compared with: the last bytes are sent after such a look.
        stamp.store(Some(Arc::new(Stamp::settled(&file)?)));
        checker.conclude(true);
        Ok(())
    }
}

impl Write for DownloadWriter {
    /// Answers see the bytes at once. No more than the size in the index is taken.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = usize::try_from(self.meta.size - self.written_bytes).unwrap_or(usize::MAX);
        if room == 0 && !bytes.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "more bytes than the index has"));
        }
        let length = self.file.write_at(&bytes[..bytes.len().min(room)], self.written_bytes)?;
        self.hasher.update(&bytes[..length]);
        self.written_bytes += length as u64;
        self.checker.progressed(self.written_bytes);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Other bytes than the index names.
#[derive(Debug, thiserror::Error)]
#[error("received {} bytes with SHA-256 {}, but the index has {expected}", .found.size, .found.sha256)]
struct Mismatch {
    expected: Digest,
    found: ArtifactMeta,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta_of(bytes: &[u8]) -> ArtifactMeta {
        ArtifactMeta { size: bytes.len() as u64, sha256: Digest::of(bytes) }
    }

    fn start(meta: ArtifactMeta) -> (DownloadWriter, Download) {
        Download::start(tempfile::tempfile().unwrap(), meta).unwrap()
    }

    #[test]
    fn answers_may_send_what_was_written_and_the_end_once_it_was_compared() {
        let (mut writer, download) = start(meta_of(b"0123456789"));
        let allowed = |part: std::ops::Range<u64>| download.check.allows(&part).ok();
        assert_eq!(allowed(0..10), Some(0));
        writer.write_all(b"01234567").unwrap();
        assert_eq!(allowed(0..10), Some(8));
        writer.write_all(b"89").unwrap();
        assert_eq!(allowed(0..10), Some(9), "the last byte waits");
        assert!(download.stamp.load().is_none());
        writer.finish().unwrap();
        assert_eq!(allowed(0..10), Some(10));
        assert!(download.stamp.load().is_some());
    }

    #[test]
    fn other_bytes_fewer_bytes_more_bytes_and_a_writer_that_is_dropped() {
        for wrong in [&b"012345678X"[..], b"012345678"] {
            let (mut writer, download) = start(meta_of(b"0123456789"));
            writer.write_all(wrong).unwrap();
            assert_eq!(writer.finish().unwrap_err().kind(), io::ErrorKind::InvalidData);
            assert!(download.check.allows(&(0..10)).is_err());
        }
        let (mut writer, download) = start(meta_of(b"0123456789"));
        assert_eq!(writer.write_all(b"0123456789X").unwrap_err().kind(), io::ErrorKind::InvalidData);
        drop(writer);
        assert!(download.check.allows(&(0..10)).is_err());
        assert!(download.stamp.load().is_none());
    }
}

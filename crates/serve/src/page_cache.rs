//! Reading files through the page cache: cached data at once, other data on a thread that may block.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::io::{Errno, ReadWriteFlags, preadv2};

use crate::verified::VerifiedFile;

/// Read into the page cache with one call.
const WARMED_BYTES: u64 = 128 * 1024;

/// The result of reading without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cached {
    /// That many bytes were read, at least one.
    Read(usize),
    /// A thread that may wait has to look first.
    Missing,
    /// The file system cannot tell.
    Unknown,
}

/// Reads bytes at `position` that are in the page cache.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] at the end of the file, or if the disk fails.
pub(crate) fn read(file: &File, buffer: &mut [u8], position: u64) -> io::Result<Cached> {
    match preadv2(file, &mut [IoSliceMut::new(buffer)], position, ReadWriteFlags::NOWAIT) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(length) => Ok(Cached::Read(length)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(Cached::Missing),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(Cached::Unknown),
        Err(error) => Err(error.into()),
    }
}

/// True if a part of a file seems to be in the page cache: its first and its last byte are. True as well on file systems
/// that cannot tell.
pub(crate) fn seems_to_have(file: &File, part: &Range<u64>) -> bool {
    let ends = [part.start, part.end.saturating_sub(1)];
    ends.into_iter().all(|position| !matches!(read(file, &mut [0], position), Ok(Cached::Missing)))
}

/// Reads a part of a file into the page cache, on a thread that may wait. If the part reaches `end`, confirms the file.
pub(crate) async fn warm(file: &Arc<VerifiedFile>, part: Range<u64>, end: u64) -> io::Result<()> {
    let file = Arc::clone(file);
    let reading = tokio::task::spawn_blocking(move || {
        let mut buffer = vec![0; WARMED_BYTES as usize];
        let mut position = part.start;
        while position < part.end {
            let wanted = (part.end - position).min(WARMED_BYTES) as usize;
            match file.file.read_at(&mut buffer[..wanted], position)? {
                0 => return Err(file.noted(io::ErrorKind::UnexpectedEof.into())),
                length => position += length as u64,
            }
        }
        if part.end == end { file.confirm_or_compare() } else { Ok(()) }
    });
    reading.await.map_err(io::Error::other).flatten()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_was_written_is_cached_and_nothing_follows_the_end() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"hello").unwrap();
        let mut buffer = [0; 10];
        match read(&file, &mut buffer, 1).unwrap() {
            Cached::Read(length) => assert_eq!(&buffer[..length], b"ello"),
            other => assert_eq!(other, Cached::Unknown, "a file system that cannot tell"),
        }
        assert!(seems_to_have(&file, &(0..5)));
        assert!(matches!(read(&file, &mut buffer, 5), Ok(Cached::Unknown)) || read(&file, &mut buffer, 5).is_err());
    }
}

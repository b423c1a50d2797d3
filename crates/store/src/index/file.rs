//! The file of an index, read by position.
//!
//! Always true: bytes are given out only if the file was the one that was opened, unchanged, after they were read. So a
//! file that is cut off or overwritten in place, by a restore or by `rsync --inplace`, is noticed.

use std::fs::File;
use std::io::{self, IoSliceMut, Read};
use std::os::unix::fs::FileExt as _;

use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::IndexDamage;
use crate::identity::FileIdentity;

/// An open index.
pub(super) struct IndexFile {
    file: File,
    identity: FileIdentity,
}

/// Whether a reader may wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// For as long as it takes.
    ForDisk,
    /// Not at all: only what the page cache has is read.
    Never,
}

/// Why something could not be read.
pub(super) enum Failure {
    /// The file is not what it was, or should be.
    Damage(IndexDamage),
    /// The disk would have to be waited for.
    NotCached,
    /// The system's.
    Io(io::Error),
}

impl From<IndexDamage> for Failure {
    fn from(damage: IndexDamage) -> Self {
        Self::Damage(damage)
    }
}

impl From<io::Error> for Failure {
    /// A file that ends early was cut off: its length was compared with its header.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => Self::Damage(IndexDamage::Changed),
            io::ErrorKind::WouldBlock => Self::NotCached,
            _ => Self::Io(error),
        }
    }
}

impl IndexFile {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let identity = FileIdentity::of(&file.metadata()?);
        Ok(Self { file, identity })
    }

    pub(super) const fn identity(&self) -> FileIdentity {
        self.identity
    }

    pub(super) const fn size(&self) -> u64 {
        self.identity.size()
    }

    /// An error of the kind [`io::ErrorKind::InvalidData`] if the file was changed since it was opened.
    pub(super) fn check_unchanged(&self) -> io::Result<()> {
        let now = self.file.metadata()?;
        if self.identity.has_bytes_of(&now) { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// Fills `bytes` from the position `at` on.
    pub(super) fn read_exact_at(&self, bytes: &mut [u8], at: u64, wait: Wait) -> Result<(), Failure> {
        match wait {
            Wait::ForDisk => self.file.read_exact_at(bytes, at)?,
            Wait::Never => self.read_cached(bytes, at)?,
        }
        Ok(self.check_unchanged()?)
    }

    fn read_cached(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let wanted = bytes.len();
        match preadv2(&self.file, &mut [IoSliceMut::new(bytes)], at, ReadWriteFlags::NOWAIT) {
            Ok(read) if read == wanted => Ok(()),
            // A partial read, or a file system without cached reads: the caller that may wait reads it again.
            Ok(_) | Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A reader of the bytes from `at` up to `end`.
    pub(super) const fn section(&self, at: u64, end: u64) -> Section<'_> {
        Section { file: self, at, end }
    }
}

/// A part of an index, read in order.
pub(super) struct Section<'f> {
    file: &'f IndexFile,
    at: u64,
    end: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(bytes.len());
        let read = self.file.file.read_at(&mut bytes[..left], self.at)?;
        self.file.check_unchanged()?;
        self.at += read as u64;
        Ok(read)
    }
}

//! Whether a file is still the one that was read.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Device, inode, size and times of a file: another file, and the same one with other bytes, differ in one of them, as
/// far as the clock of the file system can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileIdentity {
    pub(crate) fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Of what has that name; `None` if nothing can be told of it.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        path.symlink_metadata().ok().map(|found| Self::of(&found))
    }

    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// True if the open file still has the bytes that it had. A writer that gives its name to another file changes only
    /// when its inode was changed last.
    pub(crate) fn has_bytes_of(&self, now: &Metadata) -> bool {
        let is_unnamed = now.nlink() == 0;
        let now = Self::of(now);
        now == *self || (is_unnamed && Self { changed: self.changed, ..now } == *self)
    }
}

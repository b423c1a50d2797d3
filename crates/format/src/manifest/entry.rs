//! One line of a bundle manifest (manifest §1, §2).
//!
//! ```text
//! F..x<TAB><64 hex digits><TAB>20<TAB>/usr/bin/hello      Present { kind: File, hash }
//! .d..<TAB><64 zeros><TAB>20<TAB>/usr/bin/old             Deleted
//! .g..<TAB><64 zeros><TAB>20<TAB>/boot/old                Ghosted
//! ```
//!
//! A generator writes no type and no hash for what is deleted or ghosted, and this type offers no way to write them.
//! Lines of older generators that have them keep them, as a [`Legacy`], because the reference carries deletions
//! unchanged (manifest §5.4).

use crate::flags::{Misc, Modifier};
use crate::hash::FileKind;
use crate::{EntryPath, FileHash, Version};

/// One line of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// What a client does with the path: bytes 1 and 2 of the flags, and the hash.
    pub state: State,
    /// Byte 3 of the flags.
    pub modifier: Modifier,
    /// Byte 4 of the flags.
    pub misc: Misc,
    /// The version in which the object last changed, and the folder of its fullfile.
    pub version: Version,
    /// Where the object is installed.
    pub path: EntryPath,
}

/// What a client does with the path of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// `F...`, `D...`, `L...`: installs the object.
    Present {
        /// The type of the object.
        kind: FileKind,
        /// The hash of the object.
        hash: FileHash,
    },
    /// `.d..`: removes the path.
    Deleted(Legacy),
    /// `.g..`: neither removes nor touches the path.
    Ghosted(Legacy),
}

/// The type and the hash that a deleted or ghosted entry of an older generator still has.
///
/// The default is type `.` and 64 zeros. Other values come from parsing only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Legacy {
    kind: Option<FileKind>,
    hash: FileHash,
}

impl Legacy {
    pub(super) const fn new(kind: Option<FileKind>, hash: FileHash) -> Self {
        Self { kind, hash }
    }
}

impl Default for Legacy {
    fn default() -> Self {
        Self { kind: None, hash: FileHash::ZERO }
    }
}

impl Entry {
    /// An object that clients install, without modifier and mark.
    pub fn present(path: EntryPath, version: Version, kind: FileKind, hash: FileHash) -> Self {
        Self::unmarked(path, version, State::Present { kind, hash })
    }

    /// A path that clients remove.
    pub fn deleted(path: EntryPath, version: Version) -> Self {
        Self::unmarked(path, version, State::Deleted(Legacy::default()))
    }

    /// A path that clients leave alone.
    pub fn ghosted(path: EntryPath, version: Version) -> Self {
        Self::unmarked(path, version, State::Ghosted(Legacy::default()))
    }

    const fn unmarked(path: EntryPath, version: Version, state: State) -> Self {
        Self { state, modifier: Modifier::NONE, misc: Misc::None, version, path }
    }

    /// True if a client installs the entry.
    pub const fn is_present(&self) -> bool {
        matches!(self.state, State::Present { .. })
    }

    /// True if a client removes the path.
    pub const fn is_deleted(&self) -> bool {
        matches!(self.state, State::Deleted(_))
    }

    /// True if a client neither removes nor touches the path.
    pub const fn is_ghosted(&self) -> bool {
        matches!(self.state, State::Ghosted(_))
    }

    /// True for a present regular file.
    pub const fn is_file(&self) -> bool {
        matches!(self.kind(), Some(FileKind::File))
    }

    /// True for a present directory.
    pub const fn is_directory(&self) -> bool {
        matches!(self.kind(), Some(FileKind::Directory))
    }

    /// The type of the object, if it is present.
    pub const fn kind(&self) -> Option<FileKind> {
        match self.state {
            State::Present { kind, .. } => Some(kind),
            State::Deleted(_) | State::Ghosted(_) => None,
        }
    }

    /// The hash in the line: that of the object if it is present, else [`FileHash::ZERO`] but in lines of older
    /// generators.
    pub const fn hash(&self) -> FileHash {
        match self.state {
            State::Present { hash, .. } | State::Deleted(Legacy { hash, .. }) | State::Ghosted(Legacy { hash, .. }) => {
                hash
            }
        }
    }

    /// The four flag bytes.
    pub const fn flags(&self) -> [u8; 4] {
        let (kind, status) = match self.state {
            State::Present { kind, .. } => (Some(kind), b'.'),
            State::Deleted(legacy) => (legacy.kind, b'd'),
            State::Ghosted(legacy) => (legacy.kind, b'g'),
        };
        let kind = match kind {
            Some(FileKind::File) => b'F',
            Some(FileKind::Directory) => b'D',
            Some(FileKind::Link) => b'L',
            None => b'.',
        };
        [kind, status, self.modifier.to_byte(), self.misc.to_byte()]
    }
}

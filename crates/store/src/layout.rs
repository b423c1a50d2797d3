//! The paths in a store, and the stamp with its layout version.

use std::fmt;
use std::path::{Path, PathBuf};

use clearwell_format::Version;

use crate::StoreError;
use crate::disk::Disk;

/// The paths of one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `content/`, the public tree.
    pub fn content(&self) -> PathBuf {
        self.root.join("content")
    }

    /// `content/<version>/`.
    pub fn release_folder(&self, version: Version) -> PathBuf {
        self.root.join(format!("content/{version}"))
    }

    /// `content/version`, a symbolic link to the current generation of pointers.
    pub fn pointers_link(&self) -> PathBuf {
        self.root.join("content/version")
    }

    /// `content/.pointers/`.
    pub fn generations(&self) -> PathBuf {
        self.root.join("content/.pointers")
    }

    /// `content/.pointers/<generation>/`.
    pub fn generation(&self, number: u64) -> PathBuf {
        self.generations().join(generation_name(number))
    }

    /// `meta/`.
    pub fn meta(&self) -> PathBuf {
        self.root.join("meta")
    }

    /// `meta/layout`.
    pub fn stamp(&self) -> PathBuf {
        self.root.join("meta/layout")
    }

    /// `meta/cache/`: what only saves time. Everything in it may be missing, stale or damaged.
    pub fn cache(&self) -> PathBuf {
        self.root.join("meta/cache")
    }

    /// `meta/releases/`.
    pub fn records(&self) -> PathBuf {
        self.root.join("meta/releases")
    }

    /// `meta/releases/<version>.json`.
    pub fn record(&self, version: Version) -> PathBuf {
        self.root.join(format!("meta/releases/{version}.json"))
    }

    /// `meta/remnants/`.
    pub fn remnants(&self) -> PathBuf {
        self.root.join("meta/remnants")
    }

    /// `meta/remnants/<version>.json`.
    pub fn remnant(&self, version: Version) -> PathBuf {
        self.root.join(format!("meta/remnants/{version}.json"))
    }

    /// `meta/damaged/`, where a repair moves what it replaces.
    pub fn damaged(&self) -> PathBuf {
        self.root.join("meta/damaged")
    }

    /// `meta/pointers/`.
    pub fn pointer_sums(&self) -> PathBuf {
        self.root.join("meta/pointers")
    }

    /// `meta/pointers/<generation>`, the SHA-256 of each of its files.
    pub fn pointer_sum(&self, number: u64) -> PathBuf {
        self.pointer_sums().join(generation_name(number))
    }

    /// `meta/check`, how far an interrupted check came.
    pub fn check_journal(&self) -> PathBuf {
        self.root.join("meta/check")
    }

    /// `meta/backup.json`, which a store that is a backup has.
    pub fn backup_note(&self) -> PathBuf {
        self.root.join("meta/backup.json")
    }

    /// `meta/last-published`, which a store has that was restored from a backup older than its fleet.
    pub fn last_published(&self) -> PathBuf {
        self.root.join("meta/last-published")
    }

    /// `meta/index/`.
    pub fn indexes(&self) -> PathBuf {
        self.root.join("meta/index")
    }

    /// `meta/index/<version>`.
    pub fn index(&self, version: Version) -> PathBuf {
        self.root.join(format!("meta/index/{version}"))
    }

    /// `meta/staging/`.
    pub fn staging(&self) -> PathBuf {
        self.root.join("meta/staging")
    }

    /// `meta/staging/<version>/`, the draft of a version.
    pub fn draft(&self, version: Version) -> PathBuf {
        self.root.join(format!("meta/staging/{version}"))
    }

    /// Writes the stamp of a layout.
    pub(crate) fn write_stamp(&self, version: LayoutVersion, disk: &Disk) -> Result<(), StoreError> {
        disk.replace(&self.stamp(), &self.staging().join("layout"), version.stamp().as_bytes())
    }

    /// The folders without which a store cannot be read.
    pub fn folders(&self) -> [PathBuf; 4] {
        [self.content(), self.generations(), self.records(), self.indexes()]
    }

    /// `meta/lock`.
    pub fn lock(&self) -> PathBuf {
        self.root.join("meta/lock")
    }
}

/// The name of a generation's folder: decimal with zeros in front, so that names sort as numbers.
pub(crate) fn generation_name(number: u64) -> String {
    format!("{number:08}")
}

/// The number in such a name. Far above all that publications can reach there is none: the next number is one too.
pub(crate) fn generation_number(name: &str) -> Option<u64> {
    let number = name.parse().ok().filter(|number| (1..MOST_GENERATIONS).contains(number))?;
    (generation_name(number) == name).then_some(number)
}

const MOST_GENERATIONS: u64 = 10_u64.pow(15);

/// The layout of a store on disk, `major.minor`.
///
/// A reader or writer takes its own and older minors of the same major, nothing newer.
///
/// Changes: 1.0 is the first. 1.1 has `meta/remnants`, made by the first collection, without which older programs would not
/// find what is in those folders; `meta/pointers`; and checksums in records. In 1.2 a record says when its release was published. The first
/// writer brings an older store to the current layout: an older program would publish without saying so. `meta/backup.json`
/// and `meta/last-published` belong to no version: a program that does not know them reads and writes the store as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LayoutVersion {
    /// Grows when older programs can no longer read the store.
    pub major: u32,
    /// Grows with every other change.
    pub minor: u32,
}

impl LayoutVersion {
    /// What this program writes.
    pub const CURRENT: Self = Self { major: 1, minor: 2 };

    /// From here on records have checksums.
    pub(crate) const CHECKSUMS: Self = Self { major: 1, minor: 1 };

    /// From here on records say which releases were published.
    pub(crate) const STATES: Self = Self { major: 1, minor: 2 };

    /// Reads the text of `meta/layout`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.strip_prefix("clearwell-store ")?.trim_end_matches('\n');
        let (major, minor) = number.split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }

    /// The text of `meta/layout`.
    pub fn stamp(self) -> String {
        format!("clearwell-store {self}\n")
    }

    /// True if this program may read and write the layout.
    pub fn is_supported(self) -> bool {
        self.major == Self::CURRENT.major && self <= Self::CURRENT
    }
}

impl fmt::Display for LayoutVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_come_back_and_newer_ones_are_not_supported() {
        assert_eq!(LayoutVersion::parse(&LayoutVersion::CURRENT.stamp()), Some(LayoutVersion::CURRENT));
        assert!(LayoutVersion::CURRENT.is_supported());
        for newer in ["clearwell-store 1.3\n", "clearwell-store 2.0"] {
            assert!(!LayoutVersion::parse(newer).unwrap().is_supported(), "{newer}");
        }
        for bad in ["", "clearwell-store", "clearwell-store 1", "clearwell-store 1.x", "other 1.0"] {
            assert_eq!(LayoutVersion::parse(bad), None, "{bad}");
        }
    }
}

//! Why a backup or a restoration is refused.

use std::fmt;
use std::path::PathBuf;

use clearwell_format::Version;

use crate::{Fault, LayoutVersion};

/// Why a backup or a restoration cannot begin or go on. Its text names the folder and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupRefusal {
    /// One of the two folders is the other one, or inside of it.
    Nested {
        /// The folder of the copy.
        path: PathBuf,
        /// The folder of the original.
        with: PathBuf,
    },
    /// The folder is a store that no backup wrote.
    NotABackup {
        /// The folder.
        path: PathBuf,
    },
    /// A release differs from that of the store.
    OtherStore {
        /// The folder.
        path: PathBuf,
        /// The release.
        version: Version,
    },
    /// The backup was made of a later state of the store.
    StoreOlder {
        /// The folder of the backup.
        path: PathBuf,
        /// The generation of pointers that was backed up.
        backup: u64,
        /// The generation of pointers of the store.
        store: u64,
    },
    /// A release was published in the folder itself: it is the store of a fleet now.
    Continued {
        /// The folder.
        path: PathBuf,
        /// The release.
        version: Version,
    },
    /// Another command has brought the backup to a newer layout than the store has.
    Upgraded {
        /// The folder of the backup.
        path: PathBuf,
        /// Its layout.
        backup: LayoutVersion,
        /// The layout of the store.
        store: LayoutVersion,
    },
    /// The first backup was interrupted: there is nothing that was true at one instant.
    Incomplete {
        /// The folder of the backup.
        path: PathBuf,
    },
    /// The folder to restore to has releases.
    HasReleases {
        /// The folder.
        path: PathBuf,
    },
    /// Releases are replaced or removed faster than they are copied.
    Changing {
        /// The folder of the original.
        path: PathBuf,
    },
}

impl BackupRefusal {
    pub(crate) const fn fault(&self) -> Fault {
        match self {
            Self::Nested { .. } => Fault::Usage,
            Self::Changing { .. } => Fault::Locked,
            Self::NotABackup { .. }
            | Self::OtherStore { .. }
            | Self::StoreOlder { .. }
            | Self::Continued { .. }
            | Self::Upgraded { .. }
            | Self::Incomplete { .. }
            | Self::HasReleases { .. } => Fault::Store,
        }
    }
}

impl fmt::Display for BackupRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nested { path, with } => write!(
                f,
                "{} and {} are the same folder, or one is inside the other; use a separate folder, best on another machine",
                path.display(),
                with.display()
            ),
            Self::NotABackup { path } => write!(
                f,
                "{} is a store, but not a backup; use a new or empty folder, or that of an earlier backup",
                path.display()
            ),
            Self::OtherStore { path, version } => write!(
                f,
                "{} is the backup of another store: its release {version} differs from that of this store; use another \
                 folder",
                path.display()
            ),
            Self::StoreOlder { path, backup, store } => write!(
                f,
                "the backup {} was made of generation {backup} of the pointers, and the store is at generation {store}; to \
                 go back to the backup, restore it into a new store, otherwise back up to a new folder",
                path.display()
            ),
            Self::Continued { path, version } => write!(
                f,
                "release {version} was published in {}, and the store does not have it; endpoints may be on it: use the folder \
                 as the store from now on, and back up to a new folder",
                path.display()
            ),
            Self::Upgraded { path, backup, store } => write!(
                f,
                "the backup {} has layout {backup}, but the store has layout {store}: another command wrote to the backup; \
                 back up to a new folder",
                path.display()
            ),
            Self::Incomplete { path } => write!(
                f,
                "the backup {} is not complete: the first backup to this folder did not end; run it again, or use another \
                 backup",
                path.display()
            ),
            Self::HasReleases { path } => write!(
                f,
                "{} has releases or pointers, which a restore would replace; move it away, or give a new or empty folder",
                path.display()
            ),
            Self::Changing { path } => write!(
                f,
                "releases of {} were replaced or removed faster than they were copied; run the backup again",
                path.display()
            ),
        }
    }
}

//! The folder that a tree is read from, and the only way to what is below it.
//!
//! Always true: an opened file was reached from the folder's own descriptor without following a link and without
//! leaving the folder, even if another process replaces folders by links meanwhile. The folder itself is the one that was seen first: one
//! that takes its name later is not entered. No descriptor is kept, so a release of thousands of bundles needs few, and a
//! deep tree needs no more than a flat one.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clearwell_format::EntryPath;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fstat, open, openat, openat2, stat};
use rustix::io::Errno;

use super::scan::ScanError;

/// A folder, known by its device and inode.
pub struct RootFolder {
    location: PathBuf,
    identity: (u64, u64),
}

impl RootFolder {
    /// The folder that is at `location` now. A link to a folder is followed.
    ///
    /// # Errors
    /// [`ScanError::NoRoot`] if there is none, [`ScanError::Read`] if the system does not tell.
    pub fn find(location: impl Into<PathBuf>) -> Result<Arc<Self>, ScanError> {
        let location = location.into();
        match stat(&location) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                Ok(Arc::new(Self { location, identity: identity(&stat) }))
            }
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => Err(ScanError::NoRoot(location)),
            Err(error) => Err(ScanError::Read { path: location, source: error.into() }),
        }
    }

    /// Where it was found.
    pub fn location(&self) -> &Path {
        &self.location
    }

    /// Opens a regular file below the folder for reading.
    ///
    /// # Errors
    /// [`OpenError::Changed`] if something else is there now, or anything of the way there is a link.
    pub fn open_file(&self, path: &EntryPath) -> Result<File, OpenError> {
        let file = open_below(self.open()?.as_fd(), path.relative().as_os_str(), FILE)?;
        match FileType::from_raw_mode(fstat(&file)?.st_mode) {
            FileType::RegularFile => Ok(file.into()),
            _ => Err(OpenError::Changed),
        }
    }

    /// Opens the folder itself.
    pub(super) fn open(&self) -> Result<OwnedFd, OpenError> {
        let folder = open(&self.location, FOLDER, Mode::empty())?;
        if identity(&fstat(&folder)?) == self.identity { Ok(folder) } else { Err(OpenError::Changed) }
    }
}

impl fmt::Debug for RootFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.location.fmt(f)
    }
}

/// Why something below a folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is gone, or something else has taken its place.
    #[error("it changed during the build; stop all writers to the tree and build again")]
    Changed,
    /// The error of the system.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<Errno> for OpenError {
    fn from(error: Errno) -> Self {
        match error {
            // Gone; a link now; no folder any more; a socket now.
            Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO => Self::Changed,
            error => Self::Io(error.into()),
        }
    }
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Changed => Self::other(error),
            OpenError::Io(error) => error,
        }
    }
}

/// Opens what `path`, relative to `folder`, names. No component may be a link.
pub(super) fn open_below(folder: BorrowedFd<'_>, path: &OsStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(folder, path, flags, Mode::empty(), how) {
        // Linux before 5.6, and filters of containers that do not know the call.
        Err(Errno::NOSYS | Errno::PERM) => open_by_steps(folder, path, flags),
        result => result,
    }
}

/// As [`open_below`], one component after the other.
fn open_by_steps(folder: BorrowedFd<'_>, path: &OsStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let mut components = path.as_bytes().split(|&byte| byte == b'/').peekable();
    let mut at: Option<OwnedFd> = None;
    while let Some(name) = components.next() {
        let flags = if components.peek().is_some() { STEP } else { flags };
        at = Some(openat(at.as_ref().map_or(folder, |at| at.as_fd()), name, flags, Mode::empty())?);
    }
    at.ok_or(Errno::NOENT)
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);
/// A folder on the way.
const STEP: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// A folder whose names are read.
pub(super) const LISTED: OFlags = FOLDER.union(OFlags::NOFOLLOW);
/// A file. What became a FIFO must not block, and what became a terminal must not be taken for ours.
pub(super) const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn path(text: &str) -> EntryPath {
        text.parse().unwrap()
    }

    #[test]
    fn links_are_followed_nowhere_below_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("tree/usr/share")).unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/file"), "outside").unwrap();
        fs::write(dir.path().join("tree/usr/share/file"), "inside").unwrap();
        symlink("../../outside", dir.path().join("tree/usr/relative")).unwrap();
        symlink(dir.path().join("outside"), dir.path().join("tree/usr/absolute")).unwrap();
        symlink("share", dir.path().join("tree/usr/inside")).unwrap();
        symlink("/proc/self/root", dir.path().join("tree/usr/magic")).unwrap();
        symlink("file", dir.path().join("tree/usr/share/link")).unwrap();
        symlink("tree", dir.path().join("name")).unwrap();

        let root = RootFolder::find(dir.path().join("name")).unwrap();
        let mut text = String::new();
        root.open_file(&path("/usr/share/file")).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside");
        let folder = root.open().unwrap();
        for name in ["relative/file", "absolute/file", "inside/file", "magic/etc/passwd", "share/link", "share/gone"] {
            let place = format!("usr/{name}");
            assert!(matches!(root.open_file(&path(&format!("/{place}"))), Err(OpenError::Changed)), "{name}");
            let stepped = open_by_steps(folder.as_fd(), place.as_ref(), FILE).unwrap_err();
            assert!(matches!(stepped.into(), OpenError::Changed), "{name}");
        }
        assert!(open_by_steps(folder.as_fd(), "usr/share/file".as_ref(), FILE).is_ok());
        assert!(open_by_steps(folder.as_fd(), "usr".as_ref(), LISTED).is_ok());
    }

    #[test]
    fn only_regular_files_are_opened_and_nothing_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let mode = Mode::from_raw_mode(0o644);
        rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("fifo"), FileType::Fifo, mode, 0).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("socket"), FileType::Socket, mode, 0).unwrap();
        fs::create_dir(dir.path().join("folder")).unwrap();
        let root = RootFolder::find(dir.path()).unwrap();
        for name in ["/fifo", "/socket", "/folder"] {
            assert!(matches!(root.open_file(&path(name)), Err(OpenError::Changed)), "{name}");
        }
    }

    #[test]
    fn another_folder_of_its_name_is_not_entered() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["tree", "other"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("file"), name).unwrap();
        }
        let root = RootFolder::find(dir.path().join("tree")).unwrap();
        fs::rename(dir.path().join("tree"), dir.path().join("before")).unwrap();
        symlink("other", dir.path().join("tree")).unwrap();
        assert!(matches!(root.open_file(&path("/file")), Err(OpenError::Changed)));
        fs::remove_file(dir.path().join("tree")).unwrap();
        assert!(matches!(root.open_file(&path("/file")), Err(OpenError::Changed)));
        fs::rename(dir.path().join("before"), dir.path().join("tree")).unwrap();
        assert!(root.open_file(&path("/file")).is_ok());
    }
}

//! A root folder into which files are actually installed.
//!
//! Every path is opened folder by folder without following links, so nothing is read or written outside the root, for
//! any content of manifests, archives and earlier releases.
//!
//! Without the privilege to change owners, owners and modes are kept in a ledger, and files get modes that the user of
//! the process can work with. A file that another process changed has a different hash either way.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clearwell_format::{EntryPath, FileHash, FileHasher, FileKind, Owner};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;

use super::{Found, Placed, Removed, WhenFull};
use crate::EndpointError;
use crate::staging::{Object, StageFolder};

/// What is known about installed paths beyond what the file system can tell.
pub(crate) type Ledger = BTreeMap<EntryPath, Owner>;

/// How owners and modes of installed files are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ownership {
    /// In the endpoint's records; needs no privilege.
    #[default]
    Recorded,
    /// On the files themselves; needs the privilege to change owners.
    Applied,
}

pub(crate) struct Scratch {
    root: OwnedFd,
    path: PathBuf,
    ownership: Ownership,
    pub(crate) ledger: Ledger,
}

impl Scratch {
    /// Opens a root folder, and creates it if it is not there.
    pub(crate) fn open(path: &Path, ownership: Ownership, ledger: Ledger) -> Result<Self, EndpointError> {
        std::fs::create_dir_all(path).map_err(EndpointError::folder("create", path))?;
        let root = rustix::fs::openat(CWD, path, FOLDER, Mode::empty())
            .map_err(|error| EndpointError::folder("open", path)(error.into()))?;
        Ok(Self { root, path: path.to_owned(), ownership, ledger })
    }

    /// The folder that contains `path`, and the last component.
    fn parent<'p>(&self, path: &'p EntryPath) -> Result<(OwnedFd, &'p OsStr), Errno> {
        let mut folder = self.root.try_clone().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        let mut parts = path.as_bytes()[1..].split(|&byte| byte == b'/').map(OsStr::from_bytes).peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return Ok((folder, part));
            }
            folder = rustix::fs::openat(&folder, part, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
        }
        unreachable!("an entry path has a last component")
    }

    pub(super) fn has_parent(&self, path: &EntryPath) -> bool {
        self.parent(path).is_ok()
    }

    pub(super) fn look(&self, path: &EntryPath) -> Result<Found, EndpointError> {
        let found = self.parent(path).and_then(|(folder, name)| {
            let about = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok((folder, name, about))
        });
        match found {
            Ok((folder, name, about)) => self
                .identify(path, &folder, name, &about)
                .map_err(EndpointError::folder("read", self.path.join(path.relative()))),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(Found::Missing),
            Err(error) => Err(EndpointError::folder("read", self.path.join(path.relative()))(error.into())),
        }
    }

    fn identify(&self, path: &EntryPath, folder: &OwnedFd, name: &OsStr, about: &Stat) -> io::Result<Found> {
        let kind = match FileType::from_raw_mode(about.st_mode) {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Directory,
            FileType::Symlink => FileKind::Link,
            _ => return Ok(Found::Stranger),
        };
        let owner = self.owner(path, kind, about);
        let hash = match kind {
            FileKind::Directory => FileHash::of_directory(owner),
            FileKind::Link => {
                let target = rustix::fs::readlinkat(folder, name, Vec::new())?;
                FileHash::of_link(target.as_bytes(), owner)
            }
            FileKind::File => hash_file(open_file(folder, name)?, owner)?,
        };
        Ok(Found::Object { kind, hash })
    }

    /// The owner an object counts as having.
    fn owner(&self, path: &EntryPath, kind: FileKind, about: &Stat) -> Owner {
        let on_disk = about.st_mode & 0o7777;
        match self.ownership {
            Ownership::Applied => Owner { permissions: on_disk, uid: about.st_uid, gid: about.st_gid },
            Ownership::Recorded => match self.ledger.get(path) {
                Some(owner) if kind == FileKind::Link || on_disk == workable(kind, *owner) => *owner,
                _ => Owner { permissions: on_disk, uid: 0, gid: 0 },
            },
        }
    }

    pub(super) fn install(
        &mut self,
        path: &EntryPath,
        hash: FileHash,
        object: &Object,
        staged: &StageFolder,
    ) -> io::Result<Placed> {
        let (folder, name) = self.parent(path)?;
        let placed = match object.kind {
            FileKind::Directory => self.install_directory(&folder, name, object)?,
            FileKind::File => {
                let mut content = staged.open(hash)?;
                self.replace(&folder, name, |scratch| {
                    let mut file = File::from(rustix::fs::openat(&folder, scratch, CREATE, Mode::RUSR | Mode::WUSR)?);
                    io::copy(&mut content, &mut file)?;
                    self.own(&file, object)
                })?
            }
            FileKind::Link => self.replace(&folder, name, |scratch| {
                rustix::fs::symlinkat(OsStr::from_bytes(&object.target), &folder, scratch)?;
                if self.ownership == Ownership::Applied {
                    let (uid, gid) = numbers(object.owner);
                    rustix::fs::chownat(&folder, scratch, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
                }
                Ok(())
            })?,
        };
        self.ledger.insert(path.clone(), object.owner);
        Ok(placed)
    }

    fn install_directory(&self, folder: &OwnedFd, name: &OsStr, object: &Object) -> io::Result<Placed> {
        match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(about) if FileType::from_raw_mode(about.st_mode) == FileType::Directory => {}
            Ok(_) => {
                rustix::fs::unlinkat(folder, name, AtFlags::empty())?;
                rustix::fs::mkdirat(folder, name, Mode::RWXU)?;
            }
            Err(Errno::NOENT) => rustix::fs::mkdirat(folder, name, Mode::RWXU)?,
            Err(error) => return Err(error.into()),
        }
        let opened =
            rustix::fs::openat(folder, name, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        self.own(&opened, object)?;
        Ok(Placed::Plainly)
    }

    /// Creates an object under a scratch name in the same folder and renames it over the existing one.
    fn replace(&self, folder: &OwnedFd, name: &OsStr, make: impl FnOnce(&str) -> io::Result<()>) -> io::Result<Placed> {
        // Left by an endpoint that was killed.
        match rustix::fs::unlinkat(folder, SCRATCH_NAME, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        make(SCRATCH_NAME)?;
        let placed = clear_way(folder, name)?;
        rustix::fs::renameat(folder, SCRATCH_NAME, folder, name)?;
        Ok(placed)
    }

    /// Gives an open file or directory its mode and owner. The owner first: changing it clears set-uid.
    fn own(&self, object: impl AsFd, about: &Object) -> io::Result<()> {
        let mode = match self.ownership {
            Ownership::Applied => {
                let (uid, gid) = numbers(about.owner);
                rustix::fs::fchown(&object, uid, gid)?;
                about.owner.permissions
            }
            Ownership::Recorded => workable(about.kind, about.owner),
        };
        rustix::fs::fchmod(&object, Mode::from_raw_mode(mode))?;
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &EntryPath, when_full: WhenFull) -> Result<Removed, EndpointError> {
        let removed = self.parent(path).map_err(io::Error::from).and_then(|(folder, name)| {
            let about = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(about.st_mode) != FileType::Directory {
                rustix::fs::unlinkat(&folder, name, AtFlags::empty())?;
                return Ok(Removed::Gone);
            }
            match rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR) {
                Ok(()) => Ok(Removed::Gone),
                Err(Errno::NOTEMPTY | Errno::EXIST) if when_full == WhenFull::Keep => Ok(Removed::Nothing),
                Err(Errno::NOTEMPTY | Errno::EXIST) => move_aside(&folder, name).map(|()| Removed::MovedAside),
                Err(error) => Err(error.into()),
            }
        });
        match removed {
            Ok(Removed::Nothing) => Ok(Removed::Nothing),
            Ok(removed) => {
                self.ledger.remove(path);
                Ok(removed)
            }
            Err(error) if is_absence(&error) => Ok(Removed::Nothing),
            Err(error) => Err(EndpointError::folder("remove", self.path.join(path.relative()))(error)),
        }
    }

    pub(super) fn content(&self, path: &EntryPath, limit: u64) -> Option<Vec<u8>> {
        let (folder, name) = self.parent(path).ok()?;
        let mut file = open_file(&folder, name).ok()?;
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut content = Vec::new();
        Read::by_ref(&mut file).take(limit + 1).read_to_end(&mut content).ok()?;
        (content.len() as u64 <= limit).then_some(content)
    }
}

/// Makes room for a file or link: an empty directory goes, a full one is moved aside as the stock client does.
fn clear_way(folder: &OwnedFd, name: &OsStr) -> io::Result<Placed> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(about) if FileType::from_raw_mode(about.st_mode) == FileType::Directory => {}
        Ok(_) | Err(Errno::NOENT) => return Ok(Placed::Plainly),
        Err(error) => return Err(error.into()),
    }
    match rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR) {
        Ok(()) => Ok(Placed::Plainly),
        Err(Errno::NOTEMPTY | Errno::EXIST) => move_aside(folder, name).map(|()| Placed::OverDirectory),
        Err(error) => Err(error.into()),
    }
}

/// Gives a directory the kind of name that the stock client gives it, and leaves it.
fn move_aside(folder: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let mut aside = b".deleted.".to_vec();
    aside.extend_from_slice(name.as_bytes());
    Ok(rustix::fs::renameat(folder, name, folder, OsStr::from_bytes(&aside))?)
}

/// True if nothing is at a path, or one of its parents is a link or a file.
fn is_absence(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

fn open_file(folder: &OwnedFd, name: &OsStr) -> io::Result<File> {
    // NONBLOCK: opening a FIFO must not block the endpoint.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(folder, name, flags, Mode::empty())?))
}

fn hash_file(mut file: File, owner: Owner) -> io::Result<FileHash> {
    let mut hasher = FileHasher::new(owner, file.metadata()?.len());
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// A mode that an ordinary user can work with.
const fn workable(kind: FileKind, owner: Owner) -> u32 {
    match kind {
        FileKind::Directory => owner.permissions & 0o777 | 0o700,
        FileKind::File | FileKind::Link => owner.permissions & 0o777 | 0o600,
    }
}

fn numbers(owner: Owner) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)))
}

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const CREATE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const SCRATCH_NAME: &str = ".clearwell-endpoint.new";

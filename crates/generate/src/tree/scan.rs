//! Folders on disk to nodes.
//!
//! One thread walks the folders; all threads read and hash the files. The result does not depend on the number
//! of threads.
//!
//! Links are never followed: folders and files are opened below the descriptor of the root (see [`root_folder`]), and
//! metadata of an object is read through its descriptor or that of its folder. What was hashed is what was
//! there: the state of each file (size, times, inode) is compared when it is opened and when all is read.
//!
//! A scan does not stop at files that cannot be released: it lists all of them, in the order of paths.

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clearwell_format::path::InvalidPath;
use clearwell_format::{EntryPath, FileHash, FileHasher, Owner};
use clearwell_store::Fault;
use rayon::prelude::*;
use rustix::fs::{AtFlags, Dir, FileType, Stat, fstat, readlinkat, statat};
use rustix::io::Errno;

use super::attributes::{self, Attributes};
use super::known::{FileState, KnownHashes};
use super::root_folder::{self, OpenError, RootFolder, open_below};
use super::{Body, Content, Node};
use crate::inputs::Warning;
use crate::progress::{Item, Meter, Phase, Progress};

/// A folder to scan, and how.
#[derive(Clone, Debug)]
pub struct Root<'a> {
    /// The folder.
    pub folder: Arc<RootFolder>,
    /// Whose its objects are.
    pub ownership: Ownership,
    /// Names directly below it that are left out, with a warning.
    pub except: &'a [&'a str],
}

/// What a scan found.
#[derive(Debug, Default)]
pub struct Scan {
    /// Every file, directory and link below the root, in no particular order. The root itself is not among them.
    pub nodes: Vec<Node>,
    /// Extended attributes of the nodes.
    pub attributes: Attributes,
    /// FIFOs, devices and exceptions, which were left out.
    pub warnings: Vec<Warning>,
    /// What cannot be released, sorted by path. The nodes are the rest: no tree to release if there is a problem.
    pub problems: Vec<ScanError>,
}

/// Whose the scanned objects are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ownership {
    /// That of the objects on disk.
    #[default]
    OnDisk,
    /// Root's, whatever the disk says: for trees that were made without root's rights.
    Root,
}

/// Reads and hashes everything below a root; files whose hash is known are opened and not read.
pub fn scan(root: &Root<'_>, known: &KnownHashes, progress: &dyn Progress) -> Scan {
    scan_watched(root, known, progress, &mut |_| ())
}

/// As [`scan`]; `before` is called with the path of each folder before it is opened.
fn scan_watched(root: &Root<'_>, known: &KnownHashes, progress: &dyn Progress, before: &mut dyn FnMut(&Path)) -> Scan {
    let begun = clearwell_store::clock::unix_seconds();
    let ownership = root.ownership;
    let folder = match root.folder.open() {
        Ok(folder) => folder,
        Err(error) => {
            let problem = ScanError::opening(root.folder.location().to_owned(), error);
            return Scan { problems: vec![problem], ..Scan::default() };
        }
    };
    let Walk { files, mut scan, .. } = Walk::of(root, folder.as_fd(), before);
    let total_bytes = files.iter().map(|(_, state)| state.size).sum();
    let meter = Meter::begin(progress, Phase::Scan, files.len() as u64, total_bytes);
    let hash = |buffer: &mut Vec<u8>, (path, state): (EntryPath, State)| {
        if progress.is_cancelled() {
            return Err(ScanError::Cancelled);
        }
        let owner = ownership.of(&state);
        let key = state.key(ownership);
        let mut item = meter.item(state.size);
        let read = SourceFile::open(folder.as_fd(), &path, &state).and_then(|mut file| {
            let hash = match known.find(&key) {
                Some(hash) => hash,
                None => file.hash(owner, buffer, &mut item)?,
            };
            Ok((hash, attributes::names(&file.file)?))
        });
        let failed = |error| ScanError::opening(root.folder.location().join(path.relative()), error);
        let (hash, attributes) = read.map_err(failed)?;
        known.enter(key, hash, state.ctime.0, begun);
        let body = Body::File { size: state.size, content: Content::Below(Arc::clone(&root.folder)) };
        Ok((Node { path, owner, mtime: state.mtime(), hash, body }, attributes))
    };
    let files: Vec<Result<(Node, Vec<String>), ScanError>> =
        files.into_par_iter().map_init(|| vec![0; BUFFER], hash).collect();
    for file in files {
        match file {
            Ok((node, attributes)) => scan.add(node, attributes),
            Err(problem) => scan.problems.push(problem),
        }
    }
    scan.problems.sort_by(|a, b| a.path().cmp(b.path()));
    scan.warnings.sort_by_cached_key(ToString::to_string);
    meter.finish();
    scan
}

impl Scan {
    fn add(&mut self, node: Node, attributes: Vec<String>) {
        for attribute in attributes {
            self.attributes.add(attribute, node.path.clone());
        }
        self.nodes.push(node);
    }
}

/// Why a folder cannot be released as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The folder is not there.
    #[error("folder {} does not exist", .0.display())]
    NoRoot(PathBuf),
    /// Something cannot be read.
    #[error("failed to read {}; a release needs to read every file of its tree", .path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The work was cancelled.
    #[error("interrupted")]
    Cancelled,
    /// A file or folder is not what it was when its folder was read.
    #[error("{} changed during the build; stop all writers to the tree and build again", .0.display())]
    Changed(PathBuf),
    /// A socket: the reference ends with an error too (hash §3). Other special files are left out with a warning, as there.
    #[error("{} is a socket, which cannot be released; stop its process and remove the socket", .0.display())]
    Socket(PathBuf),
    /// A name that is not possible in a manifest.
    #[error("{} cannot be released; rename or remove it", .path.display())]
    Name {
        /// Its location.
        path: PathBuf,
        /// Why not.
        source: InvalidPath,
    },
}

impl ScanError {
    fn opening(path: PathBuf, error: OpenError) -> Self {
        match error {
            OpenError::Changed => Self::Changed(path),
            OpenError::Io(source) => Self::Read { path, source },
        }
    }

    /// The kind of fault, for exit codes and retries.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Cancelled => Fault::Cancelled,
            Self::NoRoot(_) | Self::Read { .. } | Self::Changed(_) | Self::Socket(_) | Self::Name { .. } => {
                Fault::Input
            }
        }
    }

    /// Where the problem is; empty for what is none of the tree.
    pub fn path(&self) -> &Path {
        match self {
            Self::Cancelled => Path::new(""),
            Self::NoRoot(path)
            | Self::Read { path, .. }
            | Self::Changed(path)
            | Self::Socket(path)
            | Self::Name { path, .. } => path,
        }
    }
}

impl Ownership {
    fn of(self, state: &State) -> Owner {
        let (uid, gid) = match self {
            Self::OnDisk => (state.uid, state.gid),
            Self::Root => (0, 0),
        };
        Owner { permissions: state.mode & 0o7777, uid, gid }
    }
}

/// Everything below a root, with the files still to be hashed.
struct Walk<'r> {
    root: &'r Root<'r>,
    /// Folders to read. They are opened individually, so that a tree may be deeper than the limit of descriptors.
    folders: Vec<EntryPath>,
    files: Vec<(EntryPath, State)>,
    scan: Scan,
}

impl<'r> Walk<'r> {
    fn of(root: &'r Root<'r>, descriptor: BorrowedFd<'_>, before: &mut dyn FnMut(&Path)) -> Self {
        let mut walk = Self { root, folders: Vec::new(), files: Vec::new(), scan: Scan::default() };
        let listed = walk.list(Dir::read_from(descriptor), None);
        walk.note(listed, None);
        while let Some(path) = walk.folders.pop() {
            before(path.relative());
            let entered = walk.enter(descriptor, &path);
            walk.note(entered, Some(&path));
        }
        walk
    }

    /// Opens a folder, adds it, and all that is in it.
    fn enter(&mut self, descriptor: BorrowedFd<'_>, path: &EntryPath) -> Result<(), OpenError> {
        let folder: OwnedFd = open_below(descriptor, path.relative().as_os_str(), root_folder::LISTED)?;
        let state = State::of(&fstat(&folder)?);
        let node = Node::directory(path.clone(), self.root.ownership.of(&state), state.mtime());
        self.scan.add(node, attributes::names(&folder)?);
        self.list(Dir::new(folder), Some(path))
    }

    fn list(&mut self, folder: rustix::io::Result<Dir>, path: Option<&EntryPath>) -> Result<(), OpenError> {
        let mut folder = folder?;
        while let Some(entry) = folder.read() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if path.is_none() && self.root.except.iter().any(|except| name.to_bytes() == except.as_bytes()) {
                self.scan.warnings.push(Warning::LeftOut { path: self.location(None, name) });
                continue;
            }
            if let Err(problem) = self.add(folder.fd()?, path, name, entry.file_type()) {
                self.scan.problems.push(problem);
            }
        }
        Ok(())
    }

    /// Adds one object of an open folder. A folder is only noted, to be entered later.
    fn add(
        &mut self,
        folder: BorrowedFd<'_>,
        parent: Option<&EntryPath>,
        name: &CStr,
        kind: FileType,
    ) -> Result<(), ScanError> {
        let path = [parent.map_or(&b""[..], EntryPath::as_bytes), b"/", name.to_bytes()].concat();
        let location = || self.location(parent, name);
        let entry_path = EntryPath::parse(&path).map_err(|source| ScanError::Name { path: location(), source });
        if kind == FileType::Directory {
            self.folders.push(entry_path?);
            return Ok(());
        }
        let failed = |error: Errno| ScanError::opening(location(), error.into());
        let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        let state = State::of(&stat);
        let special = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                self.folders.push(entry_path?);
                return Ok(());
            }
            FileType::RegularFile => {
                self.files.push((entry_path?, state));
                return Ok(());
            }
            FileType::Symlink => {
                let path = entry_path?;
                let target = readlinkat(folder, name, Vec::new()).map_err(|error| match error {
                    // Something else by now.
                    Errno::INVAL => ScanError::Changed(location()),
                    error => failed(error),
                })?;
                let attributes = attributes::names_of_link(folder, name);
                let attributes = attributes.map_err(|source| ScanError::opening(location(), source.into()))?;
                let node = Node::link(path, self.root.ownership.of(&state), state.mtime(), target.as_bytes());
                self.scan.add(node, attributes);
                return Ok(());
            }
            FileType::Socket => return Err(ScanError::Socket(location())),
            FileType::Fifo => "FIFO",
            FileType::BlockDevice | FileType::CharacterDevice | FileType::Unknown => "device",
        };
        let path = String::from_utf8_lossy(&path).into_owned();
        self.scan.warnings.push(Warning::SpecialFile { path, kind: special });
        Ok(())
    }

    fn note(&mut self, result: Result<(), OpenError>, path: Option<&EntryPath>) {
        if let Err(error) = result {
            let root = self.root.folder.location();
            let path = path.map_or_else(|| root.to_owned(), |path| root.join(path.relative()));
            self.scan.problems.push(ScanError::opening(path, error));
        }
    }

    fn location(&self, parent: Option<&EntryPath>, name: &CStr) -> PathBuf {
        let parent = parent.map_or(Path::new(""), EntryPath::relative);
        self.root.folder.location().join(parent).join(OsStr::from_bytes(name.to_bytes()))
    }
}

/// Detects whether a file has changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
    inode: (u64, u64),
}

impl State {
    fn of(stat: &Stat) -> Self {
        Self {
            mode: stat.st_mode,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: (stat.st_mtime, stat.st_mtime_nsec.cast_signed()),
            ctime: (stat.st_ctime, stat.st_ctime_nsec.cast_signed()),
            inode: (stat.st_dev, stat.st_ino),
        }
    }

    /// All of it as numbers; negative times wrap, which keeps them apart.
    fn key(&self, ownership: Ownership) -> FileState {
        let time = |(seconds, nanoseconds): (i64, i64)| [seconds.cast_unsigned(), nanoseconds.cast_unsigned()];
        let ([mtime, mtime_ns], [ctime, ctime_ns]) = (time(self.mtime), time(self.ctime));
        let whose = match ownership {
            Ownership::OnDisk => 0,
            Ownership::Root => 1,
        };
        let (device, inode) = self.inode;
        let owner = [self.mode, self.uid, self.gid].map(u64::from);
        [device, inode, self.size, mtime, mtime_ns, ctime, ctime_ns, owner[0], owner[1], owner[2], whose]
    }

    fn mtime(&self) -> u64 {
        u64::try_from(self.mtime.0).unwrap_or(0)
    }
}

/// A file as the walk saw it, opened.
struct SourceFile<'s> {
    file: File,
    state: &'s State,
}

impl<'s> SourceFile<'s> {
    fn open(root: BorrowedFd<'_>, path: &EntryPath, state: &'s State) -> Result<Self, OpenError> {
        let file = open_below(root, path.relative().as_os_str(), root_folder::FILE)?.into();
        let file = Self { file, state };
        file.unchanged()?;
        Ok(file)
    }

    fn unchanged(&self) -> Result<(), OpenError> {
        if State::of(&fstat(&self.file)?) == *self.state { Ok(()) } else { Err(OpenError::Changed) }
    }

    fn hash(&mut self, owner: Owner, buffer: &mut [u8], item: &mut Item<'_>) -> Result<FileHash, OpenError> {
        let mut hasher = FileHasher::new(owner, self.state.size);
        let mut seen = 0;
        while seen <= self.state.size {
            match self.file.read(buffer) {
                Ok(0) => break,
                Ok(count) => {
                    hasher.update(&buffer[..count]);
                    seen += count as u64;
                    item.read(count as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.unchanged()?;
        if seen == self.state.size { Ok(hasher.finish()) } else { Err(OpenError::Changed) }
    }
}

const BUFFER: usize = 256 << 10;

#[cfg(test)]
mod tests;

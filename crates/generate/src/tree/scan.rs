//! Folders on disk to nodes.
//!
//! The walk is one thread's; reading and hashing the files is for all of them. Links are never followed. The result does
//! not depend on the number of threads.
//!
//! What was hashed is what was there: the state of each file (size, times, inode) is compared before it is opened,
//! after, and when all is read.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clearwell_format::path::InvalidPath;
use clearwell_format::{EntryPath, FileHash, FileHasher, Owner};
use rayon::prelude::*;
use rustix::io::Errno;

use super::known::{self, FileState, KnownHashes};
use super::{Body, Content, Node};
use crate::inputs::Warning;
use crate::progress::{Event, Phase, Progress};

/// What a scan found.
#[derive(Debug, Default)]
pub struct Scan {
    /// Every file, directory and link below the root, in no particular order. The root itself is not among them.
    pub nodes: Vec<Node>,
    /// FIFOs and devices, which were left out.
    pub warnings: Vec<Warning>,
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

/// Reads and hashes everything below `root`; files whose hash is known are not read.
///
/// # Errors
/// The first thing that cannot be read or released.
pub fn scan(
    root: &Path,
    ownership: Ownership,
    known: &KnownHashes,
    progress: &dyn Progress,
) -> Result<Scan, ScanError> {
    let begun = known::now();
    let walk = Walk::of(root, ownership)?;
    let root: Arc<Path> = root.into();
    let total_bytes = walk.files.iter().map(|(_, state)| state.size).sum();
    progress.event(Event::Started { phase: Phase::Scan, total: walk.files.len() as u64, total_bytes });
    let (done, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let hash = |buffer: &mut Vec<u8>, (path, state): (EntryPath, State)| {
        let owner = ownership.of(&state);
        let key = state.key(ownership);
        let hash = match known.find(&key) {
            Some(hash) => hash,
            None => hash_file(&root.join(path.relative()), &state, owner, buffer)?,
        };
        known.enter(key, hash, state.ctime.0, begun);
        progress.event(Event::Advanced {
            phase: Phase::Scan,
            done: done.fetch_add(1, Ordering::Relaxed) + 1,
            bytes: bytes.fetch_add(state.size, Ordering::Relaxed) + state.size,
        });
        let body = Body::File { size: state.size, content: Content::Below(Arc::clone(&root)) };
        Ok(Node { path, owner, mtime: state.mtime(), hash, body })
    };
    let files: Vec<Node> =
        walk.files.into_par_iter().map_init(|| vec![0; BUFFER], hash).collect::<Result<_, ScanError>>()?;
    let mut nodes = walk.others;
    nodes.extend(files);
    let (done, bytes) = (done.into_inner(), bytes.into_inner());
    progress.event(Event::Finished { phase: Phase::Scan, done, bytes });
    Ok(Scan { nodes, warnings: walk.warnings })
}

/// Why a folder cannot be released as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The folder is not there.
    #[error("there is no folder {}", .0.display())]
    NoRoot(PathBuf),
    /// Something cannot be read.
    #[error("failed to read {}; a release needs to read every file of its tree", .path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file changed while it was read.
    #[error("{} changed while it was hashed; let nothing write to the tree and build again", .0.display())]
    Changed(PathBuf),
    /// A socket: the reference ends with an error too (hash 3). Other special files are left out with a warning, as there.
    #[error("{} is a socket, which cannot be released; stop what listens on it and remove it", .0.display())]
    Socket(PathBuf),
    /// A name that no manifest can hold.
    #[error("{} cannot be released; rename or remove it", .path.display())]
    Name {
        /// Where it lies.
        path: PathBuf,
        /// Why not.
        source: InvalidPath,
    },
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
#[derive(Default)]
struct Walk {
    files: Vec<(EntryPath, State)>,
    others: Vec<Node>,
    warnings: Vec<Warning>,
}

impl Walk {
    fn of(root: &Path, ownership: Ownership) -> Result<Self, ScanError> {
        match fs::metadata(root) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(ScanError::NoRoot(root.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ScanError::NoRoot(root.to_owned())),
            Err(source) => return Err(ScanError::Read { path: root.to_owned(), source }),
        }
        let mut walk = Self::default();
        let mut folders = vec![(root.to_owned(), Vec::new())];
        while let Some((folder, prefix)) = folders.pop() {
            let failed = |source| ScanError::Read { path: folder.clone(), source };
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let name = entry.map_err(failed)?.file_name();
                let location = folder.join(&name);
                let path = [&prefix[..], b"/", name.as_bytes()].concat();
                let is_folder = walk.add(&location, &path, ownership)?;
                if is_folder {
                    folders.push((location, path));
                }
            }
        }
        Ok(walk)
    }

    /// Adds one object; true if it is a folder.
    fn add(&mut self, location: &Path, path: &[u8], ownership: Ownership) -> Result<bool, ScanError> {
        let failed = |source| ScanError::Read { path: location.to_owned(), source };
        let metadata = fs::symlink_metadata(location).map_err(failed)?;
        let kind = metadata.file_type();
        let state = State::of(&metadata);
        let owner = ownership.of(&state);
        let special = if kind.is_fifo() {
            "FIFO"
        } else if kind.is_socket() {
            return Err(ScanError::Socket(location.to_owned()));
        } else if kind.is_block_device() || kind.is_char_device() {
            "device"
        } else {
            ""
        };
        if !special.is_empty() {
            self.warnings
                .push(Warning::SpecialFile { path: String::from_utf8_lossy(path).into_owned(), kind: special });
            return Ok(false);
        }
        let path = EntryPath::parse(path).map_err(|source| ScanError::Name { path: location.to_owned(), source })?;
        if kind.is_symlink() {
            let target: OsString = fs::read_link(location).map_err(failed)?.into();
            self.others.push(Node::link(path, owner, state.mtime(), &target.into_vec()));
        } else if kind.is_dir() {
            self.others.push(Node::directory(path, owner, state.mtime()));
            return Ok(true);
        } else {
            self.files.push((path, state));
        }
        Ok(false)
    }
}

/// What tells whether a file is still the same.
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
    fn of(metadata: &Metadata) -> Self {
        Self {
            mode: metadata.mode(),
            uid: metadata.uid(),
            gid: metadata.gid(),
            size: metadata.len(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
            inode: (metadata.dev(), metadata.ino()),
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

fn hash_file(location: &Path, state: &State, owner: Owner, buffer: &mut [u8]) -> Result<FileHash, ScanError> {
    let failed = |source| ScanError::Read { path: location.to_owned(), source };
    let unchanged = |file: &File| match file.metadata() {
        Ok(metadata) if State::of(&metadata) == *state => Ok(()),
        Ok(_) => Err(ScanError::Changed(location.to_owned())),
        Err(source) => Err(failed(source)),
    };
    // A file that became a FIFO since the walk must not block, and one that became a link must not be followed.
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).expect("flags of open(2) are ints");
    let mut file = match OpenOptions::new().read(true).custom_flags(flags).open(location) {
        Ok(file) => file,
        // Gone, or a link by now.
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::LOOP)) => {
            return Err(ScanError::Changed(location.to_owned()));
        }
        Err(source) => return Err(failed(source)),
    };
    unchanged(&file)?;
    let mut hasher = FileHasher::new(owner, state.size);
    let mut seen = 0;
    loop {
        match file.read(buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&buffer[..count]);
                seen += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(failed(source)),
        }
    }
    unchanged(&file)?;
    if seen != state.size {
        return Err(ScanError::Changed(location.to_owned()));
    }
    Ok(hasher.finish())
}

const BUFFER: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::progress::Silent;
    use crate::tree::Tree;

    fn scanned(root: &Path) -> Result<Tree, ScanError> {
        scan(root, Ownership::Root, &KnownHashes::default(), &Silent).map(|scan| Tree::new(scan.nodes).unwrap())
    }

    #[test]
    fn kinds_modes_and_hashes_are_those_on_disk() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("usr")).unwrap();
        fs::write(root.path().join("usr/hello"), "hello\n").unwrap();
        fs::set_permissions(root.path().join("usr/hello"), fs::Permissions::from_mode(0o644)).unwrap();
        symlink("usr/nowhere", root.path().join("bin")).unwrap();
        let tree = scanned(root.path()).unwrap();
        let paths: Vec<_> = tree.nodes().map(|(_, node)| node.path.to_string()).collect();
        assert_eq!(paths, ["/bin", "/usr", "/usr/hello"]);
        let hello = tree.node(tree.find(b"/usr/hello").unwrap());
        assert_eq!(hello.hash.to_string(), "f716c6cb18be9041e1748d52be544645cfc98d2c99dd7e72bdd6f702aa1ee744");
        let mut content = String::new();
        hello.open().unwrap().read_to_string(&mut content).unwrap();
        assert_eq!(content, "hello\n");
        assert!(matches!(&tree.nodes().next().unwrap().1.body, Body::Link(target) if **target == *b"usr/nowhere"));
    }

    #[test]
    fn fifos_are_left_out_with_a_warning_and_sockets_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        rustix::fs::mknodat(rustix::fs::CWD, root.path().join("fifo"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let scan = scan(root.path(), Ownership::OnDisk, &KnownHashes::default(), &Silent).unwrap();
        assert!(scan.nodes.is_empty());
        let told: Vec<String> = scan.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["/fifo is a FIFO, which cannot be released: left out"]);
        let _socket = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
        assert!(matches!(scanned(root.path()).unwrap_err(), ScanError::Socket(path) if path.ends_with("socket")));
    }

    #[test]
    fn names_that_no_manifest_holds_are_refused() {
        for name in ["a\tb", "a\nb"] {
            let root = tempfile::tempdir().unwrap();
            fs::write(root.path().join(name), "").unwrap();
            assert!(matches!(scanned(root.path()).unwrap_err(), ScanError::Name { .. }));
        }
    }

    #[test]
    fn a_missing_root_is_told() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(scanned(&root.path().join("x")).unwrap_err(), ScanError::NoRoot(_)));
    }

    #[test]
    fn a_file_that_changed_since_the_walk_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let location = root.path().join("file");
        fs::write(&location, "one").unwrap();
        let before = State::of(&fs::symlink_metadata(&location).unwrap());
        let hash = |state| hash_file(&location, state, Owner::MANIFEST, &mut [0; 16]);
        assert!(hash(&before).is_ok());
        fs::write(&location, "three").unwrap();
        assert!(matches!(hash(&before).unwrap_err(), ScanError::Changed(_)));
        fs::remove_file(&location).unwrap();
        symlink("/etc/passwd", &location).unwrap();
        assert!(matches!(hash(&before).unwrap_err(), ScanError::Changed(_)));
        fs::remove_file(&location).unwrap();
        assert!(matches!(hash(&before).unwrap_err(), ScanError::Changed(_)));
    }
}

//! Folders on disk to nodes.
//!
//! The walk is one thread's; reading and hashing the files is for all of them. Links are never followed. The result does
//! not depend on the number of threads.
//!
//! What was hashed is what was there: the state of each file (size, times, inode) is compared before it is opened,
//! after, and when all is read.
//!
//! A scan does not stop at what cannot be released: it lists all of that, in the order of paths.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clearwell_format::path::InvalidPath;
use clearwell_format::{EntryPath, FileHash, FileHasher, Owner};
use rayon::prelude::*;
use rustix::io::Errno;

use super::attributes::{self, Attributes};
use super::known::{self, FileState, KnownHashes};
use super::{Body, Content, Node};
use crate::inputs::Warning;
use crate::progress::{Item, Meter, Phase, Progress};

/// A folder to scan, and how.
#[derive(Clone, Copy, Debug)]
pub struct Root<'a> {
    /// The folder. A link to one is followed; no link below it is.
    pub dir: &'a Path,
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

/// Reads and hashes everything below a root; files whose hash is known are not read.
pub fn scan(root: Root<'_>, known: &KnownHashes, progress: &dyn Progress) -> Scan {
    let begun = known::now();
    let ownership = root.ownership;
    let Walk { files, mut scan } = Walk::of(root);
    let root: Arc<Path> = root.dir.into();
    let total_bytes = files.iter().map(|(_, state)| state.size).sum();
    let meter = Meter::begin(progress, Phase::Scan, files.len() as u64, total_bytes);
    let hash = |buffer: &mut Vec<u8>, (path, state): (EntryPath, State)| {
        if progress.is_cancelled() {
            return Err(ScanError::Cancelled);
        }
        let location = root.join(path.relative());
        let owner = ownership.of(&state);
        let key = state.key(ownership);
        let mut item = meter.item(state.size);
        let hash = match known.find(&key) {
            Some(hash) => hash,
            None => hash_file(&location, &state, owner, buffer, &mut item)?,
        };
        known.enter(key, hash, state.ctime.0, begun);
        let attributes = attributes_of(&location)?;
        let body = Body::File { size: state.size, content: Content::Below(Arc::clone(&root)) };
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
    /// The work was cancelled.
    #[error("interrupted")]
    Cancelled,
    /// A file changed while it was read.
    #[error("{} changed while it was hashed; let nothing write to the tree and build again", .0.display())]
    Changed(PathBuf),
    /// A socket: the reference ends with an error too (hash 3). Other special files are left out with a warning, as there.
    #[error("{} is a socket, which cannot be released; stop what listens on it and remove it", .0.display())]
    Socket(PathBuf),
    /// A name that no manifest can hold.
    #[error("{} cannot be released; rename or remove it", printable(&.path.to_string_lossy()))]
    Name {
        /// Where it lies.
        path: PathBuf,
        /// Why not.
        source: InvalidPath,
    },
}

impl ScanError {
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

/// A text in one line, whatever names are in it.
pub(crate) fn printable(text: &str) -> String {
    let escaped = |character: char| match character.is_control() {
        true => character.escape_default().collect::<String>(),
        false => character.into(),
    };
    text.chars().map(escaped).collect()
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
    scan: Scan,
}

impl Walk {
    fn of(root: Root<'_>) -> Self {
        let mut walk = Self::default();
        let mut folders = vec![(root.dir.to_owned(), Vec::new())];
        match fs::metadata(root.dir) {
            Ok(metadata) if metadata.is_dir() => {}
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                folders.clear();
                walk.scan.problems.push(ScanError::Read { path: root.dir.to_owned(), source });
            }
            _ => {
                folders.clear();
                walk.scan.problems.push(ScanError::NoRoot(root.dir.to_owned()));
            }
        }
        while let Some((folder, prefix)) = folders.pop() {
            let entries = fs::read_dir(&folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
            let entries = entries.unwrap_or_else(|source| {
                walk.scan.problems.push(ScanError::Read { path: folder.clone(), source });
                Vec::new()
            });
            for entry in entries {
                let name = entry.file_name();
                let location = folder.join(&name);
                if prefix.is_empty() && root.except.iter().any(|except| name == **except) {
                    walk.scan.warnings.push(Warning::LeftOut { path: location });
                    continue;
                }
                let path = [&prefix[..], b"/", name.as_bytes()].concat();
                match walk.add(&location, &path, root.ownership) {
                    Ok(true) => folders.push((location, path)),
                    Ok(false) => {}
                    Err(problem) => walk.scan.problems.push(problem),
                }
            }
        }
        walk
    }

    /// Adds one object; true if it is a folder.
    fn add(&mut self, location: &Path, path: &[u8], ownership: Ownership) -> Result<bool, ScanError> {
        let entry_path = EntryPath::parse(path).map_err(|source| ScanError::Name { path: location.to_owned(), source });
        let failed = |source| ScanError::Read { path: location.to_owned(), source };
        let metadata = match fs::symlink_metadata(location) {
            Ok(metadata) => metadata,
            // A path can be too long to be asked for.
            Err(source) => return entry_path.and(Err(failed(source))),
        };
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
            let path = String::from_utf8_lossy(path).into_owned();
            self.scan.warnings.push(Warning::SpecialFile { path, kind: special });
            return Ok(false);
        }
        let path = entry_path?;
        if kind.is_symlink() {
            let target: OsString = fs::read_link(location).map_err(failed)?.into();
            let node = Node::link(path, owner, state.mtime(), &target.into_vec());
            self.scan.add(node, attributes_of(location)?);
        } else if kind.is_dir() {
            let node = Node::directory(path, owner, state.mtime());
            self.scan.add(node, attributes_of(location)?);
            return Ok(true);
        } else {
            self.files.push((path, state));
        }
        Ok(false)
    }
}

fn attributes_of(location: &Path) -> Result<Vec<String>, ScanError> {
    attributes::names(location).map_err(|source| ScanError::Read { path: location.to_owned(), source })
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

fn hash_file(
    location: &Path,
    state: &State,
    owner: Owner,
    buffer: &mut [u8],
    item: &mut Item<'_>,
) -> Result<FileHash, ScanError> {
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
                item.read(count as u64);
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

    fn scan_of(dir: &Path) -> Scan {
        scan(Root { dir, ownership: Ownership::Root, except: &["lost+found"] }, &KnownHashes::default(), &Silent)
    }

    fn problems(dir: &Path) -> Vec<String> {
        scan_of(dir).problems.iter().map(|problem| problem.to_string().replace(dir.to_str().unwrap(), "ROOT")).collect()
    }

    #[test]
    fn kinds_modes_and_hashes_are_those_on_disk() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("usr")).unwrap();
        fs::write(root.path().join("usr/hello"), "hello\n").unwrap();
        fs::set_permissions(root.path().join("usr/hello"), fs::Permissions::from_mode(0o644)).unwrap();
        symlink("usr/nowhere", root.path().join("bin")).unwrap();
        let scan = scan_of(root.path());
        assert!(scan.problems.is_empty() && scan.warnings.is_empty());
        let tree = Tree::new(scan.nodes).unwrap();
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
        let scan = scan_of(root.path());
        assert!(scan.nodes.is_empty() && scan.problems.is_empty());
        let told: Vec<String> = scan.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["/fifo is a FIFO, which cannot be released: left out"]);
        let _socket = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
        assert!(matches!(&scan_of(root.path()).problems[..], [ScanError::Socket(path)] if path.ends_with("socket")));
    }

    #[test]
    fn all_problems_are_listed_in_order_and_the_rest_is_scanned() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["usr/x\ty", "usr/share"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for name in ["z\nz", "usr/share/a\tb", "usr/x\ty/below", "usr/share/good"] {
            fs::write(root.path().join(name), "").unwrap();
        }
        let _socket = std::os::unix::net::UnixListener::bind(root.path().join("usr/socket")).unwrap();
        // A name below a folder that cannot be released is not told beside it.
        assert_eq!(
            problems(root.path()),
            [
                "ROOT/usr/share/a\\tb cannot be released; rename or remove it",
                "ROOT/usr/socket is a socket, which cannot be released; stop what listens on it and remove it",
                "ROOT/usr/x\\ty cannot be released; rename or remove it",
                "ROOT/z\\nz cannot be released; rename or remove it",
            ]
        );
        assert_eq!(scan_of(root.path()).nodes.len(), 3);
    }

    #[test]
    fn exceptions_are_left_out_at_the_root_only() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["lost+found/x", "usr/lost+found"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let scan = scan_of(root.path());
        let mut paths: Vec<String> = scan.nodes.iter().map(|node| node.path.to_string()).collect();
        paths.sort();
        assert_eq!(paths, ["/usr", "/usr/lost+found"]);
        assert!(matches!(&scan.warnings[..], [Warning::LeftOut { path }] if path.ends_with("lost+found")));
    }

    #[test]
    fn a_missing_root_is_told() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(&scan_of(&root.path().join("x")).problems[..], [ScanError::NoRoot(_)]));
    }

    #[test]
    fn paths_that_no_manifest_and_no_system_call_takes_are_told() {
        let root = tempfile::tempdir().unwrap();
        let mut folder = root.path().to_owned();
        // Made step by step: the whole path is longer than a system call takes.
        let name = "n".repeat(250);
        let mut at = rustix::fs::open(&folder, rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty()).unwrap();
        for _ in 0..18 {
            let mode = rustix::fs::Mode::from_raw_mode(0o755);
            rustix::fs::mkdirat(&at, name.as_str(), mode).unwrap();
            at = rustix::fs::openat(&at, name.as_str(), rustix::fs::OFlags::DIRECTORY, mode).unwrap();
            folder.push(&name);
        }
        let problems = scan_of(root.path()).problems;
        assert_eq!(problems.len(), 1);
        assert!(folder.starts_with(problems[0].path()), "{}", problems[0]);
    }

    #[test]
    fn a_file_that_changed_since_the_walk_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let location = root.path().join("file");
        fs::write(&location, "one").unwrap();
        let before = State::of(&fs::symlink_metadata(&location).unwrap());
        let meter = Meter::begin(&Silent, Phase::Scan, 0, 0);
        let hash = |state| hash_file(&location, state, Owner::MANIFEST, &mut [0; 16], &mut meter.item(0));
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

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::progress::{Event, Silent};
use crate::tree::Tree;

fn root(dir: &Path) -> Root<'static> {
    Root { folder: RootFolder::find(dir).unwrap(), ownership: Ownership::Root, except: &["lost+found"] }
}

fn scan_of(dir: &Path) -> Scan {
    scan(&root(dir), &KnownHashes::default(), &Silent)
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

/// A FIFO or a socket, at a path of any length.
fn make(path: &Path, kind: FileType) {
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, rustix::fs::Mode::from_raw_mode(0o644), 0).unwrap();
}

#[test]
fn fifos_are_left_out_with_a_warning_and_sockets_are_refused() {
    let root = tempfile::tempdir().unwrap();
    make(&root.path().join("fifo"), FileType::Fifo);
    let scan = scan_of(root.path());
    assert!(scan.nodes.is_empty() && scan.problems.is_empty());
    let told: Vec<String> = scan.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["/fifo is a FIFO, which cannot be released: left out"]);
    make(&root.path().join("socket"), FileType::Socket);
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
    make(&root.path().join("usr/socket"), FileType::Socket);
    // A name below a folder that cannot be released is not reported in addition.
    assert_eq!(
        problems(root.path()),
        [
            "ROOT/usr/share/a\tb cannot be released; rename or remove it",
            "ROOT/usr/socket is a socket, which cannot be released; stop its process and remove the socket",
            "ROOT/usr/x\ty cannot be released; rename or remove it",
            "ROOT/z\nz cannot be released; rename or remove it",
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
fn a_root_that_is_missing_or_replaced_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("tree");
    assert!(matches!(RootFolder::find(&place), Err(ScanError::NoRoot(_))));
    fs::write(&place, "").unwrap();
    assert!(matches!(RootFolder::find(&place), Err(ScanError::NoRoot(_))));
    fs::remove_file(&place).unwrap();
    fs::create_dir_all(dir.path().join("outside/secret")).unwrap();
    fs::create_dir(&place).unwrap();
    let root = root(&place);
    fs::rename(&place, dir.path().join("before")).unwrap();
    symlink("outside", &place).unwrap();
    let scan = scan(&root, &KnownHashes::default(), &Silent);
    assert!(scan.nodes.is_empty() && matches!(&scan.problems[..], [ScanError::Changed(path)] if *path == place));
}

/// `<dir>/tree/usr/{a,b}/file` and `<dir>/outside/file`, and what makes `usr/b` a link to the second.
fn swappable(dir: &Path) -> impl Fn() + use<'_> {
    for folder in ["tree/usr/a", "tree/usr/b", "outside"] {
        fs::create_dir_all(dir.join(folder)).unwrap();
        fs::write(dir.join(folder).join("file"), folder).unwrap();
    }
    move || {
        let _ = fs::remove_dir_all(dir.join("tree/usr/b"));
        let _ = symlink("../../outside", dir.join("tree/usr/b"));
    }
}

#[test]
fn a_folder_swapped_for_a_link_during_the_walk_is_not_entered() {
    let dir = tempfile::tempdir().unwrap();
    for entered in ["usr", "usr/a", "usr/b"] {
        let _ = fs::remove_file(dir.path().join("tree/usr/b"));
        let swap = swappable(dir.path());
        let mut before = |path: &Path| {
            if path == Path::new(entered) {
                swap();
            }
        };
        let scan = scan_watched(&root(&dir.path().join("tree")), &KnownHashes::default(), &Silent, &mut before);
        assert!(scan.nodes.iter().all(|node| node.path.as_bytes() != b"/usr/b/file"), "{entered}");
        let is_link = scan.nodes.iter().any(|node| matches!(node.body, Body::Link(_)));
        let is_changed = scan.problems.iter().any(|problem| matches!(problem, ScanError::Changed(_)));
        assert!(is_link || is_changed, "{entered}: {scan:?}");
        assert_eq!(entered == "usr", is_link, "swapped before its folder was listed");
    }
}

/// Calls a function when the walk has ended and hashing begins.
struct AtHashing<F>(F);

impl<F: Fn() + Sync> Progress for AtHashing<F> {
    fn event(&self, event: Event) {
        if matches!(event, Event::Started { .. }) {
            (self.0)();
        }
    }
}

#[test]
fn a_folder_swapped_for_a_link_before_its_files_are_hashed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let swap = swappable(dir.path());
    let scan = scan(&root(&dir.path().join("tree")), &KnownHashes::default(), &AtHashing(swap));
    assert!(
        matches!(&scan.problems[..], [ScanError::Changed(path)] if path.ends_with("tree/usr/b/file")),
        "{:?}",
        scan.problems
    );
    assert!(scan.nodes.iter().all(|node| node.path.as_bytes() != b"/usr/b/file"));
}

#[test]
fn a_file_swapped_for_something_that_blocks_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let place = dir.path().join("file");
    let fifo = || {
        let _ = fs::remove_file(&place);
        make(&place, FileType::Fifo);
    };
    let scan_with = |progress: &dyn Progress| scan(&root(dir.path()), &KnownHashes::default(), progress).problems;
    assert!(matches!(scan_with(&AtHashing(fifo))[..], [ScanError::Changed(_)]));
    fs::remove_file(&place).unwrap();
    fs::write(&place, "").unwrap();
    let socket = || {
        let _ = fs::remove_file(&place);
        make(&place, FileType::Socket);
    };
    assert!(matches!(scan_with(&AtHashing(socket))[..], [ScanError::Changed(_)]));
}

#[test]
fn a_tree_deeper_than_there_are_descriptors_is_scanned() {
    let dir = tempfile::tempdir().unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o755);
    let mut at = rustix::fs::open(dir.path(), rustix::fs::OFlags::DIRECTORY, mode).unwrap();
    // As deep as the longest path of a manifest.
    const LEVELS: usize = (EntryPath::MAX_LENGTH - 1) / 2;
    for _ in 0..LEVELS {
        rustix::fs::mkdirat(&at, "d", mode).unwrap();
        at = rustix::fs::openat(&at, "d", rustix::fs::OFlags::DIRECTORY, mode).unwrap();
    }
    let scan = scan_of(dir.path());
    assert!(scan.problems.is_empty(), "{:?}", scan.problems);
    assert_eq!(scan.nodes.len(), LEVELS);
    rustix::fs::mkdirat(&at, "dd", mode).unwrap();
    assert!(matches!(scan_of(dir.path()).problems[..], [ScanError::Name { .. }]));
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
    let dir = tempfile::tempdir().unwrap();
    let location = dir.path().join("file");
    fs::write(&location, "one").unwrap();
    let before = State::of(&rustix::fs::lstat(&location).unwrap());
    let meter = Meter::begin(&Silent, Phase::Scan, 0, 0);
    let folder = root(dir.path()).folder.open().unwrap();
    let hash = || {
        let mut file = SourceFile::open(folder.as_fd(), &"/file".parse().unwrap(), &before)?;
        file.hash(Owner::MANIFEST, &mut [0; 16], &mut meter.item(0))
    };
    assert!(hash().is_ok());
    fs::write(&location, "three").unwrap();
    assert!(matches!(hash().unwrap_err(), OpenError::Changed));
    fs::remove_file(&location).unwrap();
    symlink("/etc/passwd", &location).unwrap();
    assert!(matches!(hash().unwrap_err(), OpenError::Changed));
    fs::remove_file(&location).unwrap();
    assert!(matches!(hash().unwrap_err(), OpenError::Changed));
}

//! Builds that are stopped: by sources that change, by a disk that fails at any step, by a crash.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use clearwell_format::{FileHash, Owner, Version};
use clearwell_generate::build::{BuildError, BuildOptions};
use clearwell_generate::tree::root_folder::RootFolder;
use clearwell_generate::tree::{Body, Content, Node};
use clearwell_store::disk::{Disk, Operation};
use clearwell_store::{Fault, Store};
use clearwell_testkit::{copy_store, signer};

use crate::mix::{Mix, noise, options, snapshot, text, version};

/// A mix with one file that is on disk below `root`.
fn with_file_on_disk(root: &Path, bytes: &[u8]) -> Mix {
    fs::create_dir_all(root.join("usr/share")).unwrap();
    fs::write(root.join("usr/share/on-disk"), bytes).unwrap();
    let owner = Owner { permissions: 0o644, uid: 0, gid: 0 };
    let mut mix = Mix::sample();
    mix.node(
        "viewer",
        Node {
            path: "/usr/share/on-disk".parse().unwrap(),
            owner,
            mtime: 0,
            hash: FileHash::of_file(bytes, owner),
            body: Body::File { size: bytes.len() as u64, content: Content::Below(RootFolder::find(root).unwrap()) },
        },
    );
    mix
}

#[test]
fn a_file_that_changed_since_it_was_hashed_is_named_and_nothing_is_published() {
    let bytes = text(10_000, 1);
    type Change<'a> = (&'a str, &'a dyn Fn(&Path));
    let changes: [Change<'_>; 7] = [
        ("other bytes", &|path| fs::write(path, text(10_000, 2)).unwrap()),
        ("shorter", &|path| fs::write(path, text(9_000, 1)).unwrap()),
        ("longer", &|path| fs::write(path, text(11_000, 1)).unwrap()),
        ("gone", &|path| fs::remove_file(path).unwrap()),
        ("a folder", &|path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
        ("a link to the same bytes", &|path| {
            fs::rename(path, path.with_extension("moved")).unwrap();
            std::os::unix::fs::symlink("on-disk.moved", path).unwrap();
        }),
        ("below a folder that is a link", &|path| {
            let folder = path.parent().unwrap();
            fs::rename(folder, folder.with_extension("moved")).unwrap();
            std::os::unix::fs::symlink("share.moved", folder).unwrap();
        }),
    ];
    for (what, change) in changes {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(folder.path().join("store")).unwrap();
        let root = folder.path().join("tree");
        let mix = with_file_on_disk(&root, &bytes);
        let path = root.join("usr/share/on-disk");
        change(&path);
        let error = mix.build_with(10, None, &store, Some(signer()), &options()).unwrap_err();
        assert_eq!(error.fault(), Fault::Input, "{what}: {error:?}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{what}: {error}");
        assert!(matches!(error, BuildError::SourceChanged { .. }), "{what}: {error:?}");
        assert!(store.releases().unwrap().is_empty() && store.pointers().unwrap().number == 0, "{what}");
        // Put right, the same build ends.
        fs::remove_dir_all(root.join("usr")).unwrap();
        fs::create_dir_all(root.join("usr/share")).unwrap();
        fs::write(&path, &bytes).unwrap();
        mix.build(10, None, &store);
    }
}

type Calls = Arc<Mutex<Vec<(Operation, PathBuf)>>>;

/// How the disk fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Failing {
    /// Ever after, as in a crash.
    ForGood,
    /// Once: what goes on has the disk again.
    Once,
}

/// A store whose disk fails at operation `at` of those on paths that are `watched`; and the operations that there were.
fn failing(root: &Path, at: usize, how: Failing, watched: fn(&Path) -> bool) -> (Store, Calls) {
    let seen = Calls::default();
    let calls = Arc::clone(&seen);
    let disk = Disk::with_hook(move |operation, path| {
        if !watched(path) {
            return Ok(());
        }
        let mut calls = calls.lock().unwrap();
        let now = calls.len();
        calls.push((operation, path.to_owned()));
        if now == at || (now > at && how == Failing::ForGood) { Err(io::Error::other("crash")) } else { Ok(()) }
    });
    (Store::open_on(root, disk).unwrap(), seen)
}

#[test]
fn a_disk_that_fails_at_any_step_loses_nothing_and_the_next_build_ends_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let before = folder.path().join("before");
    let mut mix = Mix::default();
    mix.format = 30;
    mix.file("os-core", "/usr/share/text", &text(3_000, 1));
    mix.file("viewer", "/usr/share/picture", &text(500, 2));
    let store = Store::create(&before).unwrap();
    let no_packs = BuildOptions { zero_packs: false, ..options() };
    mix.build_with(10, None, &store, Some(signer()), &no_packs).unwrap();
    drop(store);
    mix.file("os-core", "/usr/share/text", &[text(3_000, 1), text(90, 3)].concat());

    // The extension of 10 with the viewer's pack, and the release of 20.
    let seen = fail_everywhere(&before, &mix, |_| true, &[(Failing::ForGood, 1), (Failing::Once, 3)]);
    assert!(seen.len() > 50);
    // A continued build takes these over.
    for name in ["make", "make.index", "deltas", "deltas.index"] {
        let path = Path::new("meta/staging/20/parts").join(name);
        let is_written = seen.iter().any(|(operation, seen)| *operation == Operation::Write && seen.ends_with(&path));
        assert!(is_written, "{name} is written earlier the disk");
    }
}

#[test]
fn a_disk_that_fails_for_catalogues_or_the_spool_of_packs_changes_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let before = folder.path().join("before");
    let mut mix = Mix::default();
    mix.format = 30;
    mix.file("os-core", "/usr/share/text", &text(3_000, 1));
    let store = Store::create(&before).unwrap();
    mix.build(10, None, &store);
    mix.file("os-core", "/usr/share/text", &text(3_000, 2));
    mix.build(20, Some(10), &store);
    drop(store);
    // Large enough for packs in segments, which the packs from 10 and from 20 have in common.
    for number in 0..5 {
        mix.file("os-core", &format!("/usr/share/noise-{number}"), &noise(1 << 20, number));
    }
    let is_watched = |path: &Path| is_of_spool(path) || is_of_cache(path);
    let seen = fail_everywhere(&before, &mix, is_watched, &[(Failing::Once, 3)]);
    for (is_it, name) in [(is_of_spool as fn(&Path) -> bool, "the spool"), (is_of_cache, "the catalogue")] {
        let is_written = seen.iter().any(|(operation, path)| *operation == Operation::Write && is_it(path));
        assert!(is_written, "{name} is written earlier the disk: {seen:?}");
    }
}

/// Parts of packs, which are needed once more in the same run.
fn is_of_spool(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"spool-"))
}

/// What only saves the next build time.
fn is_of_cache(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "cache")
}

/// Builds the release after the last on copies of `before`, with a disk that fails at each n-th operation on a path
/// that is `watched`, then once more on a sound disk. Returns the operations.
fn fail_everywhere(
    before: &Path,
    mix: &Mix,
    watched: fn(&Path) -> bool,
    ways: &[(Failing, usize)],
) -> Vec<(Operation, PathBuf)> {
    let folder = tempfile::tempdir().unwrap();
    let clean = folder.path().join("clean");
    copy_store(before, &clean);
    let (store, seen) = failing(&clean, usize::MAX, Failing::ForGood, watched);
    let previous = store.pointers().unwrap().latest_version().unwrap();
    mix.build(previous.number() + 10, Some(previous.number()), &store);
    let expected = snapshot(&clean);
    let seen = std::mem::take(&mut *seen.lock().unwrap());

    let steps = |&(how, every)| (0..seen.len()).step_by(every).map(move |at| (at, how));
    let cases: Vec<_> = ways.iter().flat_map(steps).collect();
    let next = AtomicUsize::new(0);
    // Most of the time is spent waiting for syncs.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(&(at, how)) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let root = folder.path().join(format!("at-{at}-{how:?}"));
                    copy_store(before, &root);
                    let (store, seen) = failing(&root, at, how, watched);
                    let failed = fail_and_build_again(mix, previous, store);
                    let at = seen.lock().unwrap().get(at).cloned();
                    assert!(snapshot(&root) == expected, "{how:?} at {at:?}");
                    let only_saves_time =
                        how == Failing::Once && at.as_ref().is_some_and(|(_, path)| is_of_cache(path));
                    assert!(failed.is_ok() || !only_saves_time, "{at:?}: {failed:?}");
                    fs::remove_dir_all(&root).unwrap();
                }
            });
        }
    });
    seen
}

/// Returns what the first of the builds came to.
fn fail_and_build_again(mix: &Mix, previous: Version, failing: Store) -> Result<(), BuildError> {
    let next = version(previous.number() + 10);
    let build =
        |store: &Store| mix.build_with(next.number(), Some(previous.number()), store, Some(signer()), &options());
    let (root, failed) = (failing.root().to_owned(), build(&failing));
    drop(failing);
    if let Err(error) = &failed {
        assert_eq!(error.fault(), Fault::Disk, "{error:?}");
        assert!(error.to_string().contains(root.to_str().unwrap()), "{error}");
    }
    let store = Store::open(&root).unwrap();
    let latest = store.pointers().unwrap().latest_version().unwrap();
    assert!(latest == next || (latest == previous && failed.is_err()), "{latest}");
    for release in store.releases().unwrap() {
        for (artifact, _) in store.index(release).unwrap().to_map().unwrap() {
            store.read(&clearwell_format::Resource::of(release, artifact)).unwrap();
        }
    }
    if latest == previous {
        build(&store).unwrap();
    }
    failed.map(drop)
}

#[test]
fn finished_work_is_used_again_and_damaged_work_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mix = Mix::sample();
    let clean = Store::create(folder.path().join("clean")).unwrap();
    mix.build(10, None, &clean);

    let root = folder.path().join("store");
    drop(Store::create(&root).unwrap());
    // Everything is made, and the disk fails when it is brought to rest.
    let disk = Disk::with_hook(|operation, _| match operation {
        Operation::SyncAll | Operation::SyncFolder => Err(io::Error::other("crash")),
        _ => Ok(()),
    });
    let store = Store::open_on(&root, disk).unwrap();
    mix.build_with(10, None, &store, Some(signer()), &options()).unwrap_err();
    drop(store);

    // A loss of power may leave names without their bytes.
    let staged = root.join("meta/staging/10/content");
    let mut damaged = 0;
    for (n, file) in fs::read_dir(staged.join("files")).unwrap().enumerate() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        match n {
            0 => fs::write(&path, b"").unwrap(),
            1 => fs::write(&path, &bytes[..bytes.len() - 1]).unwrap(),
            2 => fs::write(&path, vec![0; bytes.len()]).unwrap(),
            _ => break,
        }
        damaged += 1;
    }
    let pack = staged.join("pack-editor-from-0.tar");
    let bytes = fs::read(&pack).unwrap();
    fs::write(&pack, &bytes[..bytes.len() - 4]).unwrap();

    let store = Store::open(&root).unwrap();
    let outcome = mix.build(10, None, &store);
    let fullfiles = outcome.made["fullfile"];
    assert_eq!(fullfiles.reused, fullfiles.number - damaged);
    assert_eq!(outcome.made["zero-pack"].reused, 2);
    assert!(snapshot(&root) == snapshot(clean.root()));
}

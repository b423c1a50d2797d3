//! Builds that are stopped: by sources that change, by a disk that fails at any step, by a crash.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clearwell_format::{FileHash, Owner};
use clearwell_generate::build::BuildError;
use clearwell_generate::tree::root_folder::RootFolder;
use clearwell_generate::tree::{Body, Content, Node};
use clearwell_store::disk::Disk;
use clearwell_store::{Fault, Store};
use clearwell_testkit::signer;

use crate::mix::{Mix, options, snapshot, text, version};

/// A mix with one file that lies on disk below `root`.
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

/// A store whose disk fails at operation `at` and ever after, as in a crash; and how many operations there were.
fn failing(root: &Path, at: usize) -> (Store, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let disk = Disk::with_hook(move |_, _| {
        if seen.fetch_add(1, Ordering::SeqCst) >= at { Err(io::Error::other("crash")) } else { Ok(()) }
    });
    (Store::open_on(root, disk).unwrap(), count)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), to).unwrap();
        } else if kind.is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_crash_at_any_step_loses_nothing_and_the_next_build_ends_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let before = folder.path().join("before");
    let mut mix = Mix::default();
    mix.format = 30;
    mix.file("os-core", "/usr/share/text", &text(3_000, 1));
    mix.file("viewer", "/usr/share/picture", &text(500, 2));
    let store = Store::create(&before).unwrap();
    let no_packs = clearwell_generate::build::BuildOptions { zero_packs: false, ..options() };
    mix.build_with(10, None, &store, Some(signer()), &no_packs).unwrap();
    drop(store);
    mix.file("os-core", "/usr/share/text", &text(3_000, 3));

    // The extension of 10 with the viewer's pack, and the release of 20: once without a fault.
    let clean = folder.path().join("clean");
    copy(&before, &clean);
    let (store, count) = failing(&clean, usize::MAX);
    let outcome = mix.build(20, Some(10), &store);
    assert_eq!(outcome.extended, [10]);
    let (steps, expected) = (count.load(Ordering::SeqCst), snapshot(&clean));
    assert!(steps > 50);

    // Most of the time is spent waiting for syncs.
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    if at >= steps {
                        break;
                    }
                    let root = folder.path().join(format!("at-{at}"));
                    copy(&before, &root);
                    crash_and_build_again(&mix, &root, at);
                    assert!(snapshot(&root) == expected, "step {at}");
                    fs::remove_dir_all(&root).unwrap();
                }
            });
        }
    });
}

fn crash_and_build_again(mix: &Mix, root: &Path, at: usize) {
    let (store, _) = failing(root, at);
    let crashed = mix.build_with(20, Some(10), &store, Some(signer()), &options());
    drop(store);
    let store = Store::open(root).unwrap();
    let latest = store.pointers().unwrap().latest_version();
    assert!(latest == Some(version(10)) || latest == Some(version(20)), "step {at}");
    assert!(crashed.is_err() || latest == Some(version(20)), "step {at}");
    for release in store.releases().unwrap() {
        for (artifact, _) in store.index(release).unwrap().to_map().unwrap() {
            store.read(&clearwell_format::Resource::of(release, artifact)).unwrap();
        }
    }
    if latest == Some(version(10)) {
        mix.build(20, Some(10), &store);
    }
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
        clearwell_store::disk::Operation::SyncAll | clearwell_store::disk::Operation::SyncFolder => {
            Err(io::Error::other("crash"))
        }
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
    assert_eq!(outcome.made["zero_pack"].reused, 2);
    assert!(snapshot(&root) == snapshot(clean.root()));
}

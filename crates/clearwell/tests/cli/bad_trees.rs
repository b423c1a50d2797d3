//! Files that cannot be released.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::mix::Mix;
use crate::run::{Ended, clearwell, isolated};

#[test]
fn names_that_manifests_cannot_contain_stop_the_build() {
    let mix = Mix::changed();
    for (name, shown) in [("a\tb", "a\\tb"), ("a\nb", "a\\nb")] {
        for path in [format!("trees/editor/usr/{name}"), format!("trees/editor/usr/{name}/file")] {
            mix.put(&path, "");
            mix.refuses(
                &["build"],
                3,
                &["trees/editor/usr/a", shown, "rename or remove it", "a manifest line cannot contain"],
            );
            fs::remove_dir_all(mix.path("trees/editor/usr")).unwrap();
        }
    }
    mix.put("trees/editor/usr/bin/edit", "#!/bin/sh\necho editing\n");
    mix.build(&[]).expect(0);
    mix.verify("10");
}

#[test]
fn names_that_clients_reject_are_left_out_with_a_warning() {
    let mix = Mix::changed();
    for name in [";", "&", "|", "*", "`", "<", ">", "\\", "\"", "'", "\u{7}"] {
        mix.put(format!("trees/libs/usr/share/a{name}b"), "x");
        mix.put(format!("trees/libs/usr/share/folder{name}/child"), "x");
    }
    for name in ["a b", "ü", "$x", "(y)", "..z", "~"] {
        mix.put(format!("trees/libs/usr/share/good/{name}"), name);
    }
    fs::write(mix.path("trees/libs/usr/share/good").join(OsStr::from_bytes(b"latin1-\xe9")), "x").unwrap();
    let ended = mix.build(&["--json"]).expect(0);
    let warnings = ended.json()["warnings"].as_array().unwrap().len();
    assert!(warnings >= 22, "each is reported: {}", ended.stderr);
    let ended = ended.says(&["/usr/share/a;b", "/usr/share/folder*", "left out"]);
    assert!(!ended.stderr.contains("good/"), "{}", ended.stderr);
    let diff = mix.run(&["releases", "diff", "10", "20", "--store", "store"]).expect(0).stdout;
    assert!(diff.contains("/usr/share/good/a b") && !diff.contains("folder"), "{diff}");
    mix.verify("10");
}

#[test]
fn fifos_and_devices_are_left_out_with_a_warning_and_sockets_refused() {
    let mix = Mix::changed();
    let at = |name: &str| mix.path("trees/editor/usr").join(name);
    let socket = UnixListener::bind(at("socket")).unwrap();
    mix.refuses(&["build"], 3, &["/usr/socket is a socket", "remove the socket"]);
    drop(socket);
    std::fs::remove_file(at("socket")).unwrap();
    mknodat(CWD, at("fifo"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    let device = mknodat(CWD, at("null"), FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(1, 3));
    // A link to one is a link.
    symlink("/dev/null", at("link")).unwrap();
    let ended = mix.build(&[]).expect(0).says(&["/usr/fifo is a FIFO", "left out"]);
    match device {
        Ok(()) => assert!(ended.stderr.contains("/usr/null is a device"), "{}", ended.stderr),
        Err(error) => {
            clearwell_testkit::skipped(format!("a device needs a privilege: none is left out of a build: {error}"))
        }
    }
    let diff = mix.run(&["releases", "diff", "10", "20", "--store", "store"]).expect(0).stdout;
    assert!(diff.contains("/usr/link") && !diff.contains("/usr/fifo"), "{diff}");
    mix.verify("10");
}

#[test]
fn an_unreadable_file_is_named() {
    let mix = Mix::on_disk();
    mix.build(&[]).expect(0);
    mix.change("changed");
    mix.put("trees/editor/usr/share/secret/file", "secret");
    mix.put("trees/editor/usr/share/closed", "closed");
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        give_to_another_user(mix.dir());
        // The binary may be in a folder that other users cannot enter.
        fs::copy(env!("CARGO_BIN_EXE_clearwell"), mix.path("clearwell")).unwrap();
        fs::set_permissions(mix.path("clearwell"), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let build = || {
        let mut command = clearwell(mix.dir(), &["build"]);
        if is_root {
            command = isolated(mix.path("clearwell"), mix.dir());
            command.args(["build"]).uid(NOBODY).gid(NOBODY);
        }
        Ended::of(&mut command)
    };
    let before = mix.kept();
    for path in [
        "trees/editor/usr/share/closed",
        "trees/editor/usr/share/secret",
        "trees/editor",
        "private.pem",
        "Swupd_Root.pem",
    ] {
        let mode = fs::metadata(mix.path(path)).unwrap().permissions();
        fs::set_permissions(mix.path(path), fs::Permissions::from_mode(0o000)).unwrap();
        let code = if path.ends_with(".pem") { 8 } else { 3 };
        let ended = build().expect(code).says(&["failed to read", path, "Permission denied"]);
        assert!(code == 8 || ended.error().contains("a release needs to read every file"), "{}", ended.stderr);
        fs::set_permissions(mix.path(path), mode).unwrap();
        before.assert_same(&mix.kept());
    }
    for path in ["store/meta/staging", "store/content", "store/meta/lock"] {
        let mode = fs::metadata(mix.path(path)).unwrap().permissions();
        fs::set_permissions(mix.path(path), fs::Permissions::from_mode(0o500)).unwrap();
        build().expect(9).says(&["not permitted", path, "run as the owner of the store or change its permissions"]);
        fs::set_permissions(mix.path(path), mode).unwrap();
        assert_eq!(mix.newest(), Some(10));
    }
    build().expect(0);
    mix.verify("10");
}

#[test]
fn a_file_that_changes_while_it_is_hashed_is_named() {
    let mix = Mix::changed();
    // Sparse: it takes time to hash, but no space.
    let path = mix.path("trees/editor/usr/share/growing");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = File::create(&path).unwrap();
    file.set_len(256 << 20).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                file.write_all(b"x").unwrap();
                thread::sleep(Duration::from_micros(200));
            }
        });
        let ended = std::panic::catch_unwind(|| {
            mix.refuses(
                &["build"],
                3,
                &["usr/share/growing", "changed during the build", "stop all writers to the tree"],
            );
        });
        done.store(true, Ordering::Relaxed);
        ended.unwrap();
    });
    fs::remove_file(&path).unwrap();
    mix.build(&[]).expect(0);
    mix.verify("10");
}

#[test]
fn a_folder_without_bundle_trees_is_refused() {
    let mix = Mix::changed();
    mix.put("file", "");
    mix.refuses(&["build", "--trees", "none"], 3, &["none"]);
    mix.refuses(&["build", "--trees", "file"], 3, &["file"]);
    mix.refuses(&["build", "--trees", "store"], 3, &["os-core"]);
}

#[test]
fn all_problems_are_reported_together() {
    let mix = Mix::changed();
    let bundles = fs::read_to_string(mix.path("trees/bundles.toml")).unwrap();
    mix.put(
        "trees/bundles.toml",
        format!("colour = 1\n{bundles}also-add = [\"nosuch\"]\n[bundles.ghost]\n[bundles.\"a b\"]\n"),
    );
    mix.put("trees/not a bundle/file", "");
    mix.put("trees/editor/usr/share/a\tb", "");
    mix.put("trees/editor/usr/share/c\nd/e", "");
    mix.put("trees/libs/usr/bin/edit", "another editor\n");
    mix.put("trees/libs/usr/share/clear", "where the release has other files");
    let _sockets = ["editor/usr/z", "os-core/usr/a"].map(|at| UnixListener::bind(mix.path("trees").join(at)).unwrap());
    let told: Vec<Vec<String>> = ["1", "7"]
        .map(|jobs| {
            let ended = mix.refuses(&["build", "--jobs", jobs], 3, &["11 problems"]);
            ended.error().lines().skip(1).map(str::to_owned).collect()
        })
        .to_vec();
    assert_eq!(told[0], told[1], "with any number of workers");
    let expected = [
        "bundles.toml cannot be used: line 1: unknown key \"colour\"",
        "\"a b\" is not a bundle name",
        "not a bundle cannot be a bundle; rename it",
        "also-adds nosuch",
        "describes bundle ghost",
        "os-core/usr/a is a socket",
        "editor/usr/share/a\\tb cannot be released",
        "editor/usr/share/c\\nd cannot be released",
        "editor/usr/z is a socket",
        "/usr/bin/edit differs in content between the bundles editor and libs",
        "/usr/share/clear is not a directory",
    ];
    assert_eq!(told[0].len(), expected.len(), "{told:#?}");
    for (line, part) in told[0].iter().zip(expected) {
        assert!(line.contains(part), "{line:?} does not say {part:?}");
    }
}

#[test]
fn a_long_list_of_problems_is_cut_and_counted() {
    let mix = Mix::changed();
    for number in 0..100 {
        mix.put(format!("trees/editor/usr/share/{number:02}\t"), "");
    }
    mix.refuses(&["build"], 3, &["100 problems", "/39\\t cannot be released", "  and 60 more"]);
}

const NOBODY: u32 = 65534;

fn give_to_another_user(path: &Path) {
    lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            give_to_another_user(&entry.unwrap().path());
        }
    }
}

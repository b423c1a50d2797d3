//! Files of a store replaced by FIFOs without a writer, links, sockets, devices and folders.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::bounded::{bounded, ends};
use crate::http::{request, until};
use crate::mix::Mix;
use crate::run::Server;

/// Replaces a file by another kind of file.
fn replace(path: &Path, kind: &str) {
    if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        fs::remove_dir_all(path).unwrap();
    } else if path.symlink_metadata().is_ok() {
        fs::remove_file(path).unwrap();
    }
    match kind {
        "fifo" => rustix::fs::mkfifoat(rustix::fs::CWD, path, 0o644.into()).unwrap(),
        "folder" => fs::create_dir(path).unwrap(),
        "endless" => symlink("/dev/zero", path).unwrap(),
        "loop" => symlink(path.file_name().unwrap(), path).unwrap(),
        // Bound by a short name, because the path of a socket has a limit of about 100 bytes.
        "socket" => {
            let near = tempfile::tempdir_in("/tmp").unwrap();
            drop(UnixListener::bind(near.path().join("s")).unwrap());
            fs::rename(near.path().join("s"), path).or_else(|_| fs::create_dir(path)).unwrap();
        }
        other => panic!("{other}"),
    }
}

const KINDS: [&str; 5] = ["fifo", "folder", "endless", "loop", "socket"];

/// Every command that does not repair the store.
const COMMANDS: [&[&str]; 6] = [
    &["releases", "--store", "store"],
    &["check", "--store", "store"],
    &["check", "--store", "store", "--quick"],
    &["gc", "--store", "store", "--keep", "1", "--dry-run"],
    &["build"],
    &["verify", "--store", "store", "--cert", "Swupd_Root.pem", "--retry-seconds", "0"],
];

/// Every command ends, and one that fails prints one error. `damaged`: `check` must report findings.
fn every_command_ends(mix: &Mix, what: &str, damaged: bool) {
    for command in COMMANDS {
        let ended = bounded(mix.dir(), command);
        assert!(ended.code.is_some_and(|code| code < 64), "{what}: {command:?}: {ended:?}");
        // The others print findings instead of one error.
        if ended.code != Some(0) && !["check", "verify"].contains(&command[0]) {
            ended.error();
        }
        if command[0] == "check" {
            assert_eq!(ended.code != Some(0), damaged, "{what}: {command:?}: {ended:?}");
        }
    }
}

/// Returns the path of a file of a mix.
type Locate<'p> = &'p dyn Fn(&Mix) -> PathBuf;

#[test]
fn every_command_ends_whatever_replaces_a_file() {
    let file = |mix: &Mix| fs::read_dir(mix.path("store/content/10/files")).unwrap().next().unwrap().unwrap().path();
    let latest = |mix: &Mix| {
        let mut found = fs::read_dir(mix.path("store/content/version")).unwrap().map(|found| found.unwrap().path());
        found.find(|path| path.is_dir()).unwrap().join("latest")
    };
    let places: [(Locate<'_>, bool); 9] = [
        (&|mix| mix.path("store/content/10/Manifest.MoM"), true),
        (&|mix| mix.path("store/content/10/Manifest.os-core.tar"), true),
        (&file, true),
        (&latest, true),
        (&|mix| mix.path("store/content/version"), true),
        (&|mix| mix.path("store/meta/releases/10.json"), true),
        (&|mix| mix.path("store/meta/index/10"), true),
        (&|mix| mix.path("store/meta/pointers/00000001"), false),
        (&|mix| mix.path("store/meta/check"), false),
    ];
    for (at, (place, damaged)) in places.iter().enumerate() {
        let mix = Mix::released();
        // Each file gets one kind, and all get FIFOs: opening one can block.
        for kind in ["fifo", KINDS[at % KINDS.len()]] {
            let path = place(&mix);
            replace(&path, kind);
            every_command_ends(&mix, &format!("{kind} at {}", path.display()), *damaged);
        }
    }
}

#[test]
fn a_stamp_or_lock_that_is_not_a_file_is_refused_and_the_target_of_a_link_is_not_touched() {
    let mix = Mix::released();
    mix.put("precious", "not to be written to");
    for name in ["layout", "lock"] {
        let path = mix.path("store/meta").join(name);
        let before = fs::read(&path).unwrap();
        for kind in KINDS {
            replace(&path, kind);
            let ended = bounded(mix.dir(), &["build"]);
            assert!(ended.code.is_some_and(|code| code == code.clamp(1, 63)), "{kind} as {name}: {ended:?}");
            assert!(ended.error().contains(&format!("meta/{name}")), "{kind}: {ended:?}");
        }
        replace(&path, "loop");
        fs::remove_file(&path).unwrap();
        symlink(mix.path("precious"), &path).unwrap();
        assert!(bounded(mix.dir(), &["build"]).error().contains(&format!("meta/{name}")));
        fs::remove_file(&path).unwrap();
        fs::write(&path, before).unwrap();
    }
    assert_eq!(fs::read(mix.path("precious")).unwrap(), b"not to be written to");
    mix.verify("");
}

#[test]
fn a_server_with_such_files_answers_and_stops_on_request() {
    let mix = Mix::released();
    let server = Server::start(mix.dir(), "store", &[]);
    let files: Vec<PathBuf> =
        fs::read_dir(mix.path("store/content/10/files")).unwrap().map(|file| file.unwrap().path()).collect();
    for (file, kind) in files.iter().zip(KINDS) {
        replace(file, kind);
        let path = format!("/10/files/{}", file.file_name().unwrap().to_str().unwrap());
        assert_eq!(request(&server.listen, "GET", &path).status, 503, "{kind}");
    }
    let pack = mix.path("store/content/10/pack-os-core-from-0.tar");
    replace(&pack, "fifo");
    assert_eq!(request(&server.listen, "GET", "/10/pack-os-core-from-0.tar").status, 503);
    until(&server.listen, "/10/Manifest.MoM", 200);
    server.running.terminate();
    assert!(ends(server.running), "it ends though it met a FIFO");
}

#[test]
fn a_repair_moves_them_away() {
    let mix = Mix::released();
    replace(&mix.path("store/content/10/Manifest.MoM"), "fifo");
    replace(&mix.path("store/meta/releases/10.json"), "fifo");
    replace(&mix.path("store/meta/index/10"), "endless");
    let ended = bounded(mix.dir(), &["check", "--store", "store", "--repair"]);
    assert_eq!(ended.code, Some(12), "{ended:?}");
    assert_eq!(bounded(mix.dir(), &["check", "--store", "store"]).code, Some(0));
    mix.verify("");
}

//! Modes of directories: the same content for any user and any umask.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clearwell_format::{FileHash, Owner};

use crate::mix::Mix;
use crate::run::{Ended, run, shell};

/// Runs the binary under a umask.
fn run_under(umask: &str, dir: &Path, args: &[&str]) -> Ended {
    Ended::of(shell(dir, &format!("umask {umask} && exec \"$0\" \"$@\"")).args(args))
}

fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Path and hash of each directory in a manifest.
fn directories(store: &Path, manifest: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(store.join("content").join(manifest)).unwrap();
    let entries = text.lines().filter(|line| line.starts_with("D."));
    let fields = entries.map(|line| line.split('\t').collect::<Vec<_>>());
    fields.map(|fields| (fields[3].to_owned(), fields[1].to_owned())).collect()
}

fn hash(permissions: u32) -> String {
    FileHash::of_directory(Owner { permissions, uid: 0, gid: 0 }).to_string()
}

#[test]
fn init_makes_the_same_files_under_every_umask() {
    for umask in ["000", "002", "027", "077"] {
        let dir = tempfile::tempdir().unwrap();
        run_under(umask, dir.path(), &["init", "mix"]).expect(0);
        let mix = dir.path().join("mix");
        fs::write(mix.join("trees/os-core/usr/bin/hello"), "hello\n").unwrap();
        run_under(umask, &mix, &["build"]).expect(0);
        let directories = directories(&mix.join("store"), "10/Manifest.os-core");
        assert!(directories.iter().any(|(path, _)| path == "/usr/share/clear/bundles"), "{directories:?}");
        for (path, found) in directories {
            assert_eq!(found, hash(0o755), "{path} under umask {umask}");
        }
        run(&mix, &["verify", "--store", "store", "--cert", "Swupd_Root.pem"]).expect(0);
    }
}

#[test]
fn the_demo_is_the_same_under_a_narrow_umask() {
    let dir = tempfile::tempdir().unwrap();
    run_under("077", dir.path(), &["demo", "--once", "--dir", "demo"]).expect(0);
    for manifest in ["10/Manifest.os-core", "10/Manifest.editor", "30/Manifest.games"] {
        for (path, found) in directories(&dir.path().join("demo/store"), manifest) {
            assert_eq!(found, hash(0o755), "{path} in {manifest}");
        }
    }
}

#[test]
fn directories_of_bundles_override_added_ones() {
    let mix = Mix::new();
    mix.put("trees/editor/usr/share/clear/note", "of the editor\n");
    // os-core needs the directory for its version files, and does not have it in its tree.
    set_mode(mix.path("trees/editor/usr/share/clear"), 0o775);
    mix.build(&[]).expect(0);
    let directories = directories(&mix.path("store"), "10/Manifest.os-core");
    let found = |path: &str| &directories.iter().find(|(listed, _)| listed == path).unwrap().1;
    assert_eq!(*found("/usr/share/clear"), hash(0o775));
    assert_eq!(*found("/usr/share/clear/bundles"), hash(0o755));
    mix.verify("");
    // Directories that two bundles contain must have the same mode in both.
    // A umask of 002 is not a conflict: the stricter mode was released before.
    set_mode(mix.path("trees/editor/usr/bin"), 0o775);
    mix.build(&[]).expect(11).says(&["/usr/bin: some bundles let the group write there", "released without"]);
    set_mode(mix.path("trees/editor/usr/bin"), 0o750);
    mix.refuses(
        &["build"],
        3,
        &["/usr/bin differs in mode (0755 and 0750)", "editor", "os-core", "make them the same"],
    );
}

#[test]
fn a_system_that_users_cannot_enter_is_refused() {
    let mix = Mix::changed();
    set_mode(mix.path("trees/os-core/usr/bin"), 0o700);
    set_mode(mix.path("trees/editor/usr/bin"), 0o700);
    let says = ["directory-permissions: /usr/bin: with mode 0700", "chmod go+rx"];
    mix.refuses(&["build"], 5, &says);
    mix.build(&["--allow", "directory-permissions"]).expect(0).says(&["warning: allowed: directory-permissions"]);
    mix.verify("10");

    // A directory of one bundle below /usr may be closed for a reason.
    let mix = Mix::new();
    mix.put("trees/editor/usr/share/editor/secret", "secret");
    set_mode(mix.path("trees/editor/usr/share/editor"), 0o700);
    mix.build(&[]).expect(0).says(&["warning: directory-permissions: /usr/share/editor: with mode 0700"]);
}

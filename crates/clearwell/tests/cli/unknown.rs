//! Unknown names, in every option and argument that takes a name: one error that lists the known ones, an exit code for
//! its kind, and nothing left behind.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::mix::Mix;

/// Releases 10 and 20, a www tree `www`, and a delta.
fn mix() -> Mix {
    let mix = Mix::changed();
    mix.build(&["--version", "20"]).expect(0);
    clearwell_testkit::sample_www(&mix.path("www"));
    mix.put("new", "x".repeat(4000));
    mix.put("old", "x".repeat(3000));
    mix.run(&["delta", "diff", "old", "new", "a.delta"]).expect(0);
    mix.put("empty/file", "");
    mix
}

#[test]
fn unknown_names_are_refused_everywhere() {
    let mix = mix();
    let before = (mix.kept(), paths(mix.dir()));
    for (code, command, says) in [
        // Releases and formats.
        (4, "publish 99", &["no release 99", "10 and 20"][..]),
        (4, "retract 99", &["no release 99", "10 and 20"]),
        (4, "retract 20 --to 15", &["no release 15", "10 and 20"]),
        (4, "deltas --to 99 --last 1", &["no release 99", "10 and 20"]),
        (4, "deltas --to 20 --from 10,15", &["no release 15", "10 and 20"]),
        (4, "gc --keep 1 --pin 15", &["no release 15", "10 and 20"]),
        (4, "gc --keep-format 77", &["no release of format 77", "only 30"]),
        (4, "releases show 99", &["no release 99", "10 and 20"]),
        (4, "releases explain 99 /usr/bin/hello", &["no release 99", "10 and 20"]),
        (4, "releases diff 10 99", &["no release 99", "10 and 20"]),
        (4, "releases diff 99 10", &["no release 99", "10 and 20"]),
        (4, "verify --version 20,99", &["no release 99", "10 and 20"]),
        (4, "verify --from 15", &["no release 15", "10 and 20"]),
        (4, "verify --from 20", &["update from 20", "highest is 20"]),
        (4, "verify --version 10 --from 20", &["update from 20", "highest is 10"]),
        (4, "verify --format 77", &["no release of format 77", "only 30"]),
        (4, "verify --www www --version 99 --nosigcheck", &["no release 99 in www", "10 and 20"]),
        (4, "verify --www www --from 15 --nosigcheck", &["no release 15 in www", "10 and 20"]),
        // Bundles and paths of content.
        (3, "verify --bundles nosuch", &["no bundle nosuch", "editor, libs and os-core"]),
        (3, "verify --bundles editor,editro", &["no bundle editro", "editor, libs and os-core"]),
        (3, "verify --www www --bundles nosuch", &["no bundle nosuch", "os-core"]),
        (3, "releases explain 20 /nowhere", &["release 20", "/nowhere"]),
        // Files and folders to read.
        (3, "adopt nosuch --store fresh/store", &["folder nosuch does not exist", "update/www"]),
        (3, "adopt empty/file --store fresh/store", &["folder empty/file does not exist", "update/www"]),
        (3, "adopt empty --store fresh/store", &["empty has no numbered folders", "update/www"]),
        (3, "build --trees nosuch --store fresh/store", &["folder nosuch does not exist"]),
        (3, "build --mix nosuch --store fresh/store", &["nosuch", "builder.conf"]),
        (3, "build --trees empty --store fresh/store", &["empty", "os-core"]),
        (3, "delta diff nosuch new b.delta", &["failed to read nosuch"]),
        (3, "delta diff old nosuch b.delta", &["failed to read nosuch"]),
        (3, "delta diff old empty b.delta", &["failed to read empty"]),
        (3, "delta patch nosuch again a.delta", &["failed to read nosuch"]),
        (3, "delta patch old again nosuch", &["failed to read nosuch"]),
        (3, "delta patch old again old", &["old cannot be applied"]),
        (3, "delta show nosuch", &["failed to read nosuch"]),
        (3, "delta show nosuch/below", &["failed to read nosuch/below"]),
        (3, "verify --www nosuch", &["folder nosuch does not exist"]),
        (3, "verify --scratch nosuch", &["folder nosuch does not exist", "--scratch"]),
        // Stores.
        (7, "publish 20 --store nosuch", &["nosuch is not a Clearwell store"]),
        (7, "retract 20 --store nosuch", &["nosuch is not a Clearwell store"]),
        (7, "deltas --to 20 --last 1 --store nosuch", &["nosuch is not a Clearwell store"]),
        (7, "gc --keep 1 --store nosuch", &["nosuch is not a Clearwell store"]),
        (7, "releases --store nosuch", &["nosuch is not a Clearwell store"]),
        (7, "releases show 20 --store nosuch", &["nosuch is not a Clearwell store"]),
        (7, "verify --store nosuch", &["nosuch is not a Clearwell store"]),
        (7, "check --store nosuch", &["nosuch is not a Clearwell store"]),
        (7, "serve --store nosuch --listen 127.0.0.1:0", &["nosuch is not a Clearwell store"]),
        (7, "adopt www --store empty", &["empty is not empty", "file"]),
        // Keys and certificates.
        (8, "build --cert nosuch", &["nosuch"]),
        (8, "build --key nosuch", &["nosuch"]),
        (8, "publish 20 --cert nosuch", &["nosuch"]),
        (8, "retract 20 --cert nosuch", &["nosuch"]),
        (8, "adopt www --store fresh/store --cert nosuch", &["nosuch"]),
        (8, "verify --cert nosuch", &["nosuch"]),
        (8, "check --cert nosuch", &["nosuch"]),
        (8, "verify --url http://127.0.0.1:1 --ca nosuch", &["nosuch"]),
        (8, "verify --url http://127.0.0.1:1 --client-cert nosuch", &["nosuch"]),
        (8, "init other --key-passphrase-file nosuch", &["nosuch"]),
        // Configuration files.
        (2, "build --config nosuch", &["nosuch"]),
        (2, "publish 20 --config nosuch", &["nosuch"]),
        (2, "retract 20 --config nosuch", &["nosuch"]),
        (2, "deltas --to 20 --last 1 --config nosuch", &["nosuch"]),
        (2, "gc --keep 1 --config nosuch", &["nosuch"]),
        (2, "releases --config nosuch", &["nosuch"]),
        (2, "verify --config nosuch", &["nosuch"]),
        (2, "check --config nosuch", &["nosuch"]),
        (2, "adopt www --config nosuch", &["nosuch"]),
        (2, "serve --store store --config nosuch", &["nosuch"]),
        // Words out of a list, and things with a form.
        (2, "build --profile nosuch", &["nosuch", "small"]),
        (2, "build --format-bump nosuch", &["nosuch", "old"]),
        (2, "build --allow nosuch", &["nosuch", "pointer-goes-back"]),
        (2, "publish 20 --allow nosuch", &["nosuch", "pointer-goes-back"]),
        (2, "build --format nosuch", &["nosuch", "--format"]),
        (2, "build --content-url nosuch", &["nosuch", "https://"]),
        (2, "init other --content-url nosuch", &["nosuch", "https://"]),
        (2, "verify --url nosuch", &["nosuch", "http://"]),
        (2, "verify --url ftp://nosuch", &["ftp://nosuch", "http://"]),
        (2, "verify --bundles a/b", &["a/b", "--bundles"]),
        (2, "releases explain 20 nosuch", &["nosuch", "paths start with /"]),
        (2, "serve --listen nosuch", &["listen", "nosuch"]),
        (2, "serve --access-log nosuch", &["access-log", "nosuch"]),
        (2, "serve --client-certs nosuch", &["--client-certs", "nosuch"]),
        (2, "serve --min-rate nosuch", &["min-rate", "nosuch"]),
        (2, "demo --listen nosuch", &["--listen", "nosuch"]),
        (2, "completions nosuch", &["nosuch", "bash"]),
        (2, "releases --log nosuch", &["nosuch", "debug"]),
        (2, "releases --log-style nosuch", &["nosuch", "journald"]),
        (2, "releases --progress nosuch", &["nosuch", "plain"]),
        (2, "nosuch", &["nosuch"]),
        // Addresses that this machine does not have.
        (10, "serve --listen 192.0.2.1:1", &["192.0.2.1:1"]),
        (10, "demo --dir other --listen 192.0.2.1:1", &["192.0.2.1:1"]),
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let ended = mix.run(&words);
        assert_eq!(ended.code, Some(code), "{command}: {}{}", ended.stdout, ended.stderr);
        for part in says {
            assert!(ended.stderr.contains(part), "{command}: no {part:?} in {}", ended.stderr);
        }
        assert_eq!(ended.stdout, "", "{command}");
        ended.error();
        let json = mix.run(&[&words[..], &["--json"]].concat()).expect(code).json();
        assert_eq!(json["exit"], code, "{command}");
        assert!(says.iter().any(|part| json["error"].as_str().unwrap().contains(part)), "{command}: {json}");
        assert_eq!(before.1, paths(mix.dir()), "{command} leaves something behind");
    }
    before.0.assert_same(&mix.kept());
}

#[test]
fn of_many_names_the_most_similar_are_shown() {
    let mix = Mix::new();
    for number in 0..20 {
        mix.put(format!("trees/tool-{number}/usr/bin/tool-{number}"), "tool\n");
    }
    mix.build(&[]).expect(0);
    let error = mix.run(&["verify", "--bundles", "editors"]).expect(3).error();
    assert!(error.contains("there are 23, the nearest are editor, "), "{error}");
}

#[test]
fn a_bundle_that_one_of_the_releases_has_is_known() {
    let mix = Mix::released();
    mix.put("trees/games/usr/bin/game", "game\n");
    mix.build(&[]).expect(0);
    let verify = ["verify", "--bundles", "games", "--version"];
    mix.run(&[&verify[..], &["10"]].concat()).expect(3).says(&["no bundle games", "editor, libs and os-core"]);
    mix.run(&[&verify[..], &["10,20"]].concat()).expect(0);
    mix.run(&[&verify[..], &["20", "--from", "10"]].concat()).expect(0);
}

/// All files in the folder, except the cache of the store and the text of its lock, which commands may write.
fn paths(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                waiting.push(path.clone());
            }
            found.insert(path);
        }
    }
    found
}

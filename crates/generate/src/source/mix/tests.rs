//! A workspace on disk, small enough to be made for each test.

use std::error::Error;
use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;
use crate::inputs::Listed;
use crate::progress::Silent;
use crate::tree::known::KnownHashes;

/// A workspace of version 10 with os-core and one more bundle, `app`.
fn workspace() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("builder.conf", "#VERSION 1.2\n"),
        ("mixer.state", "#VERSION 1.1\n\n[Mix]\n  FORMAT = \"30\"\n  PREVIOUS_MIX_VERSION = \"0\"\n"),
        ("mixversion", "10"),
        ("update/groups.ini", "[os-core]\ngroup=os-core\n\n[app]\ngroup=app\n\n"),
        ("update/image/10/full/usr/bin/app", "app"),
        ("update/image/10/full/usr/lib/os-release", "VERSION_ID=10\n"),
        (
            "update/image/10/os-core-info",
            "{\"Files\":{\"/usr\":false,\"/usr/bin\":false,\"/usr/lib\":false,\"/usr/lib/os-release\":false}}",
        ),
        (
            "update/image/10/app-info",
            "{\"Header\":{\"Status\":\"Experimental\"},\"DirectIncludes\":[\"os-core\",\"a b\"],\
             \"Files\":{\"/usr\":false,\"/usr/bin\":false,\"/usr/bin/app\":true,\"/gone\":false}}",
        ),
    ] {
        put(&dir, path, text);
    }
    dir
}

fn put(dir: &tempfile::TempDir, path: &str, text: &str) {
    let path = dir.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn release(version: u32) -> Release {
    Release {
        version: Version::new(version).unwrap(),
        previous: None,
        format: clearwell_format::FormatNumber::new(30).unwrap(),
        min_version: None,
        timestamp: 1,
    }
}

fn inputs(dir: &tempfile::TempDir) -> Result<Inputs, SourceError> {
    Workspace::open(dir.path(), None)?.inputs(release(10), None, &KnownHashes::default(), &Silent)
}

fn paths(inputs: &Inputs, bundle: usize) -> Vec<String> {
    let path = |listed: &Listed| inputs.tree.node(listed.node).path.to_string();
    inputs.bundles[bundle].files.iter().map(path).collect()
}

#[test]
fn a_workspace_is_read() {
    let dir = workspace();
    put(&dir, "update/app-extra-files", "/usr/lib\n\n/usr/bin/app\n");
    put(&dir, "upstreamurl", "https://example.com/update\n");
    put(&dir, "upstreamversion", "40110\n");
    let workspace = Workspace::open(dir.path(), None).unwrap();
    assert_eq!(workspace.version.number(), 10);
    assert_eq!(workspace.state.unwrap().previous, None);
    assert_eq!(workspace.private_key(), dir.path().join("private.pem"));
    let inputs = workspace.inputs(release(10), None, &KnownHashes::default(), &Silent).unwrap();
    assert_eq!(inputs.upstream.as_ref().unwrap().version, "40110");
    assert_eq!(inputs.debuginfo, DebuginfoBan::usual());
    assert_eq!(inputs.bundles[1].status, BundleStatus::Experimental);
    assert_eq!(paths(&inputs, 1), ["/usr", "/usr/bin", "/usr/bin/app", "/usr/lib"]);
    // An extra file takes the mark from a path that has it (golden scenario 013).
    assert!(inputs.bundles[1].files.iter().all(|listed| !listed.exported));
    let told: Vec<String> = inputs.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "bundle app includes a b, which is not in the mix: the include is dropped",
            "bundle app lists /gone, which is not in the tree: left out"
        ]
    );
}

#[test]
fn a_bundle_with_a_root_of_its_own_is_merged() {
    let dir = workspace();
    put(&dir, "update/groups.ini", "[os-core]\n[own]\n");
    put(&dir, "update/image/10/own/usr/bin/app", "another app");
    put(&dir, "update/image/10/own/usr/bin/own", "own");
    put(&dir, "update/image/10/noship/own-includes", "app\nos-core\n");
    let inputs = inputs(&dir).unwrap();
    assert_eq!(paths(&inputs, 1), ["/usr", "/usr/bin", "/usr/bin/app", "/usr/bin/own"]);
    assert_eq!(inputs.bundles[1].includes.len(), 2);
    let app = inputs.tree.node(inputs.tree.find(b"/usr/bin/app").unwrap());
    assert_eq!(app.size(), 3, "the merged root's file counts");
}

#[test]
fn a_moved_workspace_is_found_again() {
    let dir = workspace();
    put(&dir, "update/server.ini", "[Server]\nimagebase=/nowhere/image/\n[Debuginfo]\nbanned=false\n");
    fs::create_dir(dir.path().join("update/www")).unwrap();
    let inputs = inputs(&dir).unwrap();
    assert_eq!(inputs.debuginfo, DebuginfoBan::default());
    assert!(inputs.warnings[0].to_string().starts_with("server.ini names /nowhere/image/, which does not exist"));
}

#[test]
fn the_first_half_of_a_format_bump_takes_the_image_of_the_second() {
    let dir = workspace();
    fs::rename(dir.path().join("update/image/10"), dir.path().join("update/image/20")).unwrap();
    put(&dir, "update/image/20/app-info", "{\"Header\":{\"Status\":\"Deprecated\"},\"Files\":{\"/usr\":false}}");
    let workspace = Workspace::open(dir.path(), None).unwrap();
    let old = workspace.inputs(release(10), Some(FormatBump::Old), &KnownHashes::default(), &Silent).unwrap();
    assert_eq!(paths(&old, 1), Vec::<String>::new());
    let new = workspace.inputs(release(20), Some(FormatBump::New), &KnownHashes::default(), &Silent).unwrap();
    assert_eq!(new.bundles.len(), 1);
    assert_eq!(new.release.min_version, Some(new.release.version));
    let none = workspace.inputs(release(10), None, &KnownHashes::default(), &Silent).unwrap_err();
    assert!(matches!(none, SourceError::NoImage { .. }), "{none}");
}

#[test]
fn each_broken_file_is_named_with_its_line() {
    for (path, text, expected) in [
        ("builder.conf", "[Builder\n", "builder.conf cannot be used: line 1: "),
        ("mixer.state", "x", "mixer.state cannot be used: line 1: the file does not begin with #VERSION"),
        ("mixversion", "ten", "mixversion cannot be used: line 1: \"ten\" is not a version"),
        ("update/groups.ini", "[os-core]\nx\n", "groups.ini cannot be used: line 2: "),
        ("update/groups.ini", "[os-core]\n[a/b]\n", "groups.ini cannot be used: line 2: \"a/b\" is not a bundle name"),
        ("update/server.ini", "x=y", "server.ini cannot be used: line 1: "),
        ("update/image/10/app-info", "{\n]", "app-info cannot be used: line 2: "),
        ("update/app-extra-files", "/a\nb\n", "app-extra-files cannot be used: line 2: \"b\" does not begin"),
    ] {
        let dir = workspace();
        put(&dir, path, text);
        let error = inputs(&dir).unwrap_err();
        let mut chain = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            chain = format!("{chain}: {error}");
            cause = error.source();
        }
        assert!(chain.contains(expected), "{path}: {chain}");
    }
}

#[test]
fn what_is_missing_is_named_with_the_remedy() {
    let missing = |path: &str| {
        let dir = workspace();
        let path = dir.path().join(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap()
        } else {
            fs::remove_file(path).unwrap()
        }
        inputs(&dir).map(drop)
    };
    assert!(matches!(missing("builder.conf"), Err(SourceError::NotAWorkspace { missing: "builder.conf", .. })));
    assert!(matches!(missing("mixversion"), Err(SourceError::NotAWorkspace { missing: "mixversion", .. })));
    assert!(matches!(missing("update/groups.ini"), Err(SourceError::Read { .. })));
    assert!(matches!(missing("update/image/10/full"), Err(SourceError::NoImage { .. })));
    assert!(matches!(missing("update/image/10/app-info"), Err(SourceError::NoBundle { .. })));
    assert!(missing("mixer.state").is_ok());
}

#[test]
fn the_next_version_is_prepared() {
    let dir = workspace();
    let workspace = Workspace::open(dir.path(), None).unwrap();
    workspace.mark_built(release(10).version).unwrap();
    workspace.increment(&release(10)).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("update/image/LAST_VER")).unwrap(), "10");
    let again = Workspace::open(dir.path(), None).unwrap();
    assert_eq!((again.version.number(), again.state.unwrap().previous), (20, Version::new(10)));
}

#[test]
fn links_in_the_image_are_not_followed() {
    let dir = workspace();
    symlink("/etc", dir.path().join("update/image/10/full/etc")).unwrap();
    let inputs = inputs(&dir).unwrap();
    assert!(inputs.tree.find(b"/etc").is_some());
    assert!(inputs.tree.nodes().all(|(_, node)| !node.path.as_bytes().starts_with(b"/etc/")));
}

proptest! {
    /// Pieces of the real files in any order: parsers answer, they never panic.
    #[test]
    fn no_text_makes_a_parser_panic(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "[", "]", "Mix", "Server", "Swupd", "=", "\"", "\n", "$", "${", "}", "{", "FORMAT", "CERT", "imagebase",
                "#VERSION 1.1", "\"Files\":", ":", ",", "null", "true", "/a", "30", "-1", "é", "\t", "bundles.", "includes",
            ]),
            0..24,
        )
    ) {
        let text = pieces.concat();
        let environment = |_: &str| None;
        drop((
            parse_groups(&text),
            ServerIni::parse(&text),
            MixerState::parse(&text),
            BuilderConf::parse(&text, Path::new("/"), &environment),
            Info::parse(&text),
            parse_extra_files(&text),
            crate::source::trees::TreesConfig::parse(&text),
        ));
    }
}

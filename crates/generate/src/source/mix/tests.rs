//! A workspace on disk, small enough to be made for each test.

use std::error::Error;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

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
    assert_eq!(workspace.previous.version, None);
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
    let workspace = Workspace::open(dir.path(), None).unwrap();
    let old = workspace.inputs(release(10), Some(FormatBump::Old), &KnownHashes::default(), &Silent).unwrap();
    let new = workspace.inputs(release(20), Some(FormatBump::New), &KnownHashes::default(), &Silent).unwrap();
    // What mixer empties before its own first half leaves with the second.
    assert_eq!(new.bundles[1].status, BundleStatus::Experimental);
    fs::remove_file(dir.path().join("update/image/20/app-info")).unwrap();
    fs::create_dir(dir.path().join("update/image/20/app")).unwrap();
    let emptied = workspace.inputs(release(20), Some(FormatBump::New), &KnownHashes::default(), &Silent).unwrap();
    assert_eq!(emptied.bundles[1].status, BundleStatus::Deprecated);
    let app = "/usr/bin/app";
    assert_eq!(old.tree.find(app.as_bytes()), new.tree.find(app.as_bytes()));
    let none = workspace.inputs(release(10), None, &KnownHashes::default(), &Silent).unwrap_err();
    assert!(matches!(none, SourceError::NoImage { .. }), "{none}");
}

#[test]
fn each_broken_file_is_named_with_its_line() {
    for (path, text, expected) in [
        ("builder.conf", "[Builder\n", "builder.conf cannot be used: line 1: "),
        ("mixer.state", "x", "mixer.state cannot be used: line 1: "),
        ("mixversion", "ten", "mixversion cannot be used: line 1: \"ten\" is not a version"),
        ("update/groups.ini", "[os-core]\nx\n", "groups.ini cannot be used: line 2: "),
        ("update/groups.ini", "[os-core]\n[a/b]\n", "groups.ini cannot be used: line 2: \"a/b\" is not a bundle name"),
        ("update/server.ini", "x", "server.ini cannot be used: line 1: "),
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
fn what_is_ignored_is_told_by_file_and_line() {
    for (path, text, expected) in [
        ("builder.conf", "#VERSION 1.2\n[Builder]\nX = 1\n", "builder.conf: line 3: unknown key X in Builder: ignored"),
        (
            "builder.conf",
            "VERSIONS_PATH=.\n",
            "builder.conf: line 1: the file has the syntax of mixer before version 5",
        ),
        (
            "update/groups.ini",
            "[os-core]\n[DEFAULT]\n[app]\n",
            "groups.ini: line 2: the section DEFAULT is never a bundle",
        ),
        ("update/server.ini", "[Server]\nport=80\n", "server.ini: line 2: unknown key port: ignored"),
        ("update/image/10/app-info", "{\"files\":{},\"Size\":1}", "app-info: the key Size is set twice, or mixer does"),
        ("update/image/10/old-info", "{}", "old-info: the bundle is not in groups.ini: ignored"),
        ("update/old-extra-files", "/usr\n", "old-extra-files: the bundle is not in groups.ini: ignored"),
        (".mixversion", "10\n", ".mixversion is used instead of mixversion"),
    ] {
        let dir = workspace();
        put(&dir, path, text);
        let told: Vec<String> = inputs(&dir).unwrap().warnings.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|warning| warning.contains(expected)), "{path}: {told:?}");
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
fn everything_that_is_wrong_with_an_image_is_told_at_once() {
    let dir = workspace();
    put(&dir, "update/groups.ini", "[os-core]\n[app]\n[gone]\n[broken]\n[lost]\n");
    put(&dir, "update/image/10/app-info", "{\n]");
    put(&dir, "update/image/10/broken-info", "[]");
    put(&dir, "update/os-core-extra-files", "usr\n");
    put(&dir, "update/image/10/full/usr/a\tb", "");
    let socket = dir.path().join("update/image/10/full/socket");
    rustix::fs::mknodat(rustix::fs::CWD, socket, rustix::fs::FileType::Socket, 0o644.into(), 0).unwrap();
    let told = inputs(&dir).unwrap_err().to_string();
    let expected = [
        "7 problems",
        "os-core-extra-files cannot be used: line 1",
        "app-info cannot be used: line 2",
        "bundle gone has neither",
        "broken-info cannot be used: line 1",
        "bundle lost has neither",
        "full/socket is a socket",
        "a\\tb cannot be released",
    ];
    assert_eq!(told.lines().count(), expected.len(), "{told}");
    for (line, part) in told.lines().zip(expected) {
        assert!(line.contains(part), "{line:?} does not say {part:?}");
    }
}

/// What is in the files that a release changes: mixer.state, mixversion, LAST_VER, groups.ini, mixbundles.
fn written(dir: &tempfile::TempDir) -> [String; 5] {
    ["mixer.state", "mixversion", "update/image/LAST_VER", "update/groups.ini", "mixbundles"]
        .map(|file| fs::read_to_string(dir.path().join(file)).unwrap_or_default())
}

#[test]
fn what_mixer_writes_after_a_build_is_written() {
    // As observed of mixer 6.4.1 (build update, build update --increment, build format-bump old and new).
    let state = |format: u16, previous: u32| {
        format!("#VERSION 1.1\n\n[Mix]\n  FORMAT = \"{format}\"\n  PREVIOUS_MIX_VERSION = \"{previous}\"\n")
    };
    let groups = "[os-core]\ngroup=os-core\n\n[app]\ngroup=app\n\n";
    let (old, new) = (Some(FormatBump::Old), Some(FormatBump::New));
    for (bump, next, mixer_state, mixversion, last) in [
        (None, None, state(30, 0), "10", "10"),
        (None, Version::new(20), state(30, 10), "20", "10"),
        (old, None, state(30, 0), "10", ""),
        (old, Version::new(20), state(30, 0), "20", ""),
        (new, None, state(30, 10), "10", "10"),
        (new, Version::new(20), state(30, 10), "20", "10"),
    ] {
        let dir = workspace();
        put(&dir, "mixbundles", "app\nos-core\n");
        let gone = if bump == new { vec!["app".parse().unwrap()] } else { vec![] };
        Workspace::open(dir.path(), None).unwrap().write_down(&release(10), bump, &gone, next).unwrap();
        let (groups, bundles) =
            if bump == new { ("[os-core]\ngroup=os-core\n\n\n", "os-core\n") } else { (groups, "app\nos-core\n") };
        let expected = [mixer_state.as_str(), mixversion, last, groups, bundles];
        assert_eq!(written(&dir), expected, "{bump:?} {next:?}");
        let again = Workspace::open(dir.path(), None).unwrap();
        assert_eq!(again.version.to_string(), mixversion);
    }
}

#[test]
fn files_keep_their_place_owner_and_mode() {
    let dir = workspace();
    fs::rename(dir.path().join("mixversion"), dir.path().join(".mixversion")).unwrap();
    fs::rename(dir.path().join("mixer.state"), dir.path().join("kept")).unwrap();
    symlink("kept", dir.path().join("mixer.state")).unwrap();
    fs::set_permissions(dir.path().join("kept"), fs::Permissions::from_mode(0o640)).unwrap();
    Workspace::open(dir.path(), None).unwrap().write_down(&release(10), None, &[], Version::new(20)).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join(".mixversion")).unwrap(), "20");
    assert!(!dir.path().join("mixversion").exists(), "the hidden file is the one that is read");
    assert!(dir.path().join("mixer.state").is_symlink());
    assert_eq!(fs::metadata(dir.path().join("kept")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(Workspace::open(dir.path(), None).unwrap().previous.version, Version::new(10));
}

#[test]
fn without_a_previous_version_the_one_built_last_counts() {
    // What mixer 6.4.1 builds on; texts that are not numbers are reported.
    let mixer_state = |key: &str| format!("#VERSION 1.1\n\n[Mix]\n  FORMAT = \"30\"\n{key}");
    for (state, last, expected) in [
        (None, None, Ok(0)),
        (None, Some(""), Ok(0)),
        (None, Some("0\n"), Ok(0)),
        (None, Some("10"), Ok(10)),
        (None, Some("10\n"), Ok(10)),
        (None, Some("010"), Ok(10)),
        (None, Some("30"), Ok(30)),
        (None, Some("ten"), Err("LAST_VER cannot be used")),
        (None, Some("10\n20\n"), Err("LAST_VER cannot be used")),
        (Some(mixer_state("")), Some("10"), Ok(10)),
        (Some("#VERSION 1.1\n".to_owned()), Some("10"), Ok(10)),
        (Some(mixer_state("PREVIOUS_MIX_VERSION = \"0\"\n")), Some("10"), Ok(0)),
        (Some(mixer_state("PREVIOUS_MIX_VERSION = \"20\"\n")), Some("ten"), Ok(20)),
        (Some(mixer_state("PREVIOUS_MIX_VERSION = \"\"\n")), Some("10"), Err("mixer.state cannot be used")),
        (Some(String::new()), Some("10"), Err("mixer.state cannot be used")),
    ] {
        let dir = workspace();
        match &state {
            Some(text) => put(&dir, "mixer.state", text),
            None => fs::remove_file(dir.path().join("mixer.state")).unwrap(),
        }
        if let Some(text) = last {
            put(&dir, "update/image/LAST_VER", text);
        }
        match (Workspace::open(dir.path(), None), expected) {
            (Ok(workspace), Ok(number)) => {
                assert_eq!(workspace.previous.version, Version::new(number), "{state:?} {last:?}");
                let file = if state.is_some_and(|text| text.contains("PREVIOUS")) { "mixer.state" } else { "LAST_VER" };
                assert!(workspace.previous.file.ends_with(file));
            }
            (Err(error), Err(says)) => assert!(error.to_string().contains(says), "{error}"),
            (found, _) => panic!("{state:?} {last:?}: {found:?}"),
        }
    }
}

#[test]
fn what_the_workspace_released_is_known() {
    let dir = workspace();
    let before =
        |version: u32| Workspace::open(dir.path(), None).unwrap().released_before(Version::new(version).unwrap());
    assert_eq!(before(20).unwrap(), None);
    put(&dir, "update/image/LAST_VER", "20");
    assert_eq!(before(20).unwrap(), None);
    assert_eq!(before(30).unwrap(), Version::new(20));
    put(&dir, "update/www/version/latest_version", "10");
    assert_eq!(before(20).unwrap(), Version::new(10));
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
                "#VERSION 1.1", "\"Files\":", ":", ",", "null", "true", "/a", "30", "-1", "é", "\t", "bundles.", "includes", "`", "\"\"\"", "\\", ";", "#", ":", "$", "\r", "\u{feff}",
            ]),
            0..24,
        )
    ) {
        let text = pieces.concat();
        let environment = |_: &str| None;
        drop((
            parse_groups(&text, &mut Vec::new()),
            ServerIni::parse(&text, &mut Vec::new()),
            MixerState::parse(&text, &mut Vec::new()),
            BuilderConf::parse(&text, Path::new("/"), &environment, &mut Vec::new()),
            Info::parse(&text),
            parse_extra_files(&text),
            crate::source::trees::TreesConfig::parse(&text),
        ));
    }
}

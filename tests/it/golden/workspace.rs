//! The scenarios as mixer workspaces on disk: the inputs read from them are those of the scenario.
//!
//! Only root can create files of other owners, so the test needs root.

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::Path;
use std::process::Command;

use clearwell_format::{FileHash, FormatNumber, Owner, Version};
use clearwell_generate::inputs::{BundleInput, Inputs, Release};
use clearwell_generate::plan::{PlanOptions, plan};
use clearwell_generate::progress::Silent;
use clearwell_generate::source::mix::Workspace;
use clearwell_generate::tree::Tree;
use clearwell_generate::tree::known::KnownHashes;
use clearwell_testkit::root;
use serde_json::json;

use super::content;
use super::replay;
use super::scenario::{Scenario, TreeEntry, Type, VersionInput};
use super::scenario_folders;

#[test]
fn golden_scenarios_are_read_from_workspaces() {
    let place = tempfile::tempdir().unwrap();
    if !root("making files of several owners", "golden scenarios are not read from workspaces") {
        return;
    }
    let mut read = 0;
    for folder in scenario_folders() {
        let scenario = Scenario::read(&folder);
        for input in scenario.versions.iter().filter(|input| !has_zeros(input)) {
            let dir = place.path().join(format!("{}-{}", scenario.name, input.version));
            write(&dir, input);
            let release = Release {
                version: Version::new(input.version).unwrap(),
                previous: Version::new(input.previous),
                format: FormatNumber::new(input.format).unwrap(),
                min_version: None,
                timestamp: input.timestamp,
            };
            let workspace = Workspace::open(&dir, None).unwrap();
            assert_eq!(workspace.version, release.version);
            assert_eq!(workspace.previous.version, release.previous);
            let name = format!("{}, {}", scenario.name, input.version);
            match (
                workspace.inputs(release.clone(), None, &KnownHashes::default(), &Silent),
                replay::inputs(input, release),
            ) {
                (Ok(found), Ok(expected)) => compare(&name, &found, &expected),
                (Err(_), Err(_)) => {}
                (found, expected) => panic!("{name}: {:?}, but expected {:?}", found.err(), expected.err()),
            }
            read += 1;
            fs::remove_dir_all(dir).unwrap();
        }
    }
    assert!(read > 60, "{read}");
}

fn compare(name: &str, found: &Inputs, expected: &Inputs) {
    let nodes = |tree: &Tree| -> Vec<(String, Owner, FileHash)> {
        tree.nodes().map(|(_, node)| (node.path.to_string(), node.owner, node.hash)).collect()
    };
    assert_eq!(nodes(&found.tree), nodes(&expected.tree), "{name}");
    let sorted = |inputs: &Inputs| -> Vec<String> {
        let mut bundles: Vec<&BundleInput> = inputs.bundles.iter().collect();
        bundles.sort_by_key(|bundle| &bundle.name);
        bundles.iter().map(|bundle| format!("{bundle:?}")).collect()
    };
    assert_eq!(sorted(found), sorted(expected), "{name}");
    assert_eq!(found.debuginfo, expected.debuginfo, "{name}");
    // The image of a scenario still has bundles that were removed from it.
    let is_of_groups = |warning: &String| !warning.ends_with("the bundle is not in groups.ini: ignored");
    let warnings = |inputs: &Inputs| {
        let mut warnings: Vec<String> = inputs.warnings.iter().map(ToString::to_string).filter(is_of_groups).collect();
        warnings.sort();
        warnings
    };
    assert_eq!(warnings(found), warnings(expected), "{name}");
    if found.release.previous.is_none() {
        let bytes = |inputs: &Inputs| plan(inputs, None, &PlanOptions::default()).map(|plan| plan.mom.to_bytes());
        assert_eq!(bytes(found), bytes(expected), "{name}");
    }
}

/// The two gigabytes of scenario 020 are hashed elsewhere.
fn has_zeros(input: &VersionInput) -> bool {
    input.tree.iter().any(|entry| matches!(entry.content_gen, Some(content::Generator::Zeros { .. })))
}

/// Writes the files that mixer has on disk when it builds the version.
fn write(dir: &Path, input: &VersionInput) {
    let state = dir.join("update");
    let image = state.join("image").join(input.version.to_string());
    fs::create_dir_all(image.join("full")).unwrap();
    fs::write(dir.join("builder.conf"), "#VERSION 1.2\n[Builder]\n").unwrap();
    fs::write(dir.join("mixversion"), input.version.to_string()).unwrap();
    let mixer_state = format!(
        "#VERSION 1.1\n\n[Mix]\n  FORMAT = \"{}\"\n  PREVIOUS_MIX_VERSION = \"{}\"\n",
        input.format, input.previous
    );
    fs::write(dir.join("mixer.state"), mixer_state).unwrap();
    let names: Vec<&str> = match &input.groups {
        Some(groups) => groups.iter().map(String::as_str).collect(),
        None => input.bundles.iter().map(|bundle| bundle.name.as_str()).collect(),
    };
    let groups: String = names.iter().map(|name| format!("[{name}]\ngroup={name}\n\n")).collect();
    fs::write(state.join("groups.ini"), groups).unwrap();
    let (banned, lib, src) = match &input.debuginfo {
        Some(debuginfo) => (debuginfo.banned, debuginfo.lib.as_str(), debuginfo.src.as_str()),
        None => (true, "/usr/lib/debug", "/usr/src/debug"),
    };
    let server = format!(
        "[Server]\nemptydir={0}/empty\nimagebase={0}/image/\noutputdir={0}/www/\n\n\
         [Debuginfo]\nbanned={banned}\nlib={lib}\nsrc={src}\n",
        state.display()
    );
    fs::write(state.join("server.ini"), server).unwrap();
    for bundle in &input.bundles {
        if bundle.no_info {
            fs::create_dir(image.join(&bundle.name)).unwrap();
            continue;
        }
        let info = json!({
            "Name": bundle.name,
            "Header": {"Title": "", "Status": bundle.status},
            "DirectIncludes": bundle.includes,
            "OptionalIncludes": (!bundle.also_add.is_empty()).then_some(&bundle.also_add),
            "Files": bundle.files,
        });
        fs::write(image.join(format!("{}-info", bundle.name)), info.to_string()).unwrap();
        if !bundle.extra_files.is_empty() {
            let lines: String = bundle.extra_files.iter().map(|path| format!("{path}\n")).collect();
            fs::write(state.join(format!("{}-extra-files", bundle.name)), lines).unwrap();
        }
    }
    for entry in &input.tree {
        put(&image.join("full"), entry);
    }
}

fn put(root: &Path, entry: &TreeEntry) {
    let path = root.join(entry.path.trim_start_matches('/'));
    match entry.r#type {
        Type::Dir => fs::create_dir(&path).unwrap(),
        Type::Symlink => symlink(entry.target.as_ref().unwrap(), &path).unwrap(),
        Type::File => {
            fs::write(&path, content::shared(entry.content.as_deref(), entry.content_gen.as_ref())).unwrap();
        }
        Type::Fifo => assert!(Command::new("mkfifo").arg(&path).status().unwrap().success()),
    }
    // Before the mode: a change of owner drops the set-uid bits.
    lchown(&path, Some(entry.uid), Some(entry.gid)).unwrap();
    if entry.r#type != Type::Symlink {
        let mode = u32::from_str_radix(&entry.mode, 8).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

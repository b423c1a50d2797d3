//! Adopting what mixer published, and building on it.

use std::fs;

use serde_json::json;

use crate::mix::Kept;
use crate::workspace::{Workspace, state};

#[test]
fn a_mixers_tree_is_adopted_and_built_upon() {
    let workspace = Workspace::new(30, 20);
    workspace.image(30, "thirty");
    let www = clearwell_testkit::sample_www(&workspace.mix.path("mix/update/www"));
    let tree = || {
        let mut files = Kept::of(&workspace.mix.path("none")).0;
        for entry in walk(&www.root) {
            files.insert(entry.clone(), fs::read(&entry).unwrap());
        }
        files
    };
    let before = tree();

    // Without the history in the store, the build is refused and names the first step.
    let ended = workspace.build(&["--json"]).expect(7);
    assert_eq!(ended.json()["exit"], 7);
    let ended = ended.says(&["builds on version 20", "clearwell adopt", "update/www", "--store store"]);
    assert!(ended.error().contains("adopt its releases first"));
    assert!(!workspace.mix.path("store").exists());

    let adopt = ["adopt", "mix/update/www", "--store", "store", "--cert", "Swupd_Root.pem", "--json"];
    let report = workspace.mix.run(&adopt).expect(0).json();
    assert_eq!((&report["adopted"], &report["refused"]), (&json!([10, 20]), &json!([])));
    assert_eq!(workspace.mix.newest(), Some(20));
    workspace.mix.verify("10");
    let report = workspace.mix.run(&adopt).expect(0).json();
    assert_eq!((&report["adopted"], &report["unchanged"]), (&json!([]), &json!([10, 20])));

    workspace.build(&["--increment"]).expect(0);
    assert_eq!(workspace.text("mix/mixer.state"), state(30, 30));
    assert_eq!(workspace.mix.newest(), Some(30));
    workspace.mix.verify("10,20");
    assert!(tree() == before, "the adopted tree is never changed");
}

#[test]
fn damaged_files_are_listed_and_left_out() {
    let workspace = Workspace::new(30, 20);
    let www = clearwell_testkit::sample_www(&workspace.mix.path("www"));
    clearwell_testkit::flip_byte(&www.path(20, "pack-editor-from-0.tar"));
    let adopt = |store: &str, more: &[&str]| {
        let args = ["adopt", "www", "--store", store, "--cert", "Swupd_Root.pem"];
        workspace.mix.run(&[&args[..], more].concat())
    };
    let report = adopt("one", &["--json"]).expect(1).json();
    assert_eq!(report["adopted"], json!([10, 20]));
    let problem = report["problems"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("pack-editor-from-0.tar"), "{problem}");
    assert!(adopt("two", &["--hard-link"]).expect(1).stdout.contains("pack-editor-from-0.tar"));

    // Without a usable MoM, the version is not a release.
    for file in ["Manifest.MoM", "Manifest.MoM.tar"] {
        clearwell_testkit::flip_byte(&www.path(20, file));
    }
    let report = adopt("three", &["--json"]).expect(1).json();
    assert_eq!((&report["adopted"], &report["refused"]), (&json!([10]), &json!([20])));
}

#[test]
fn a_folder_that_is_not_a_www_tree_is_refused() {
    let workspace = Workspace::new(30, 20);
    workspace.mix.put("empty/file", "");
    for www in ["none", "empty/file", "empty"] {
        let reason = if www == "empty" { "has no numbered folders" } else { "does not exist" };
        let says = [www, reason, "; give the published tree, which mixer keeps in update/www"];
        workspace.mix.run(&["adopt", www, "--store", "store"]).expect(3).says(&says);
        assert!(!workspace.mix.path("store").exists());
    }
    clearwell_testkit::sample_www(&workspace.mix.path("www"));
    workspace.mix.run(&["adopt", "www", "--store", "store", "--cert", "none.pem"]).expect(8).says(&["none.pem"]);
    workspace.mix.run(&["adopt", "www", "--store", "empty"]).expect(7).says(&["empty", "not empty"]);
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

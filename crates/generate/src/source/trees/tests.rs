//! Folders of trees on disk, made for each test.

use std::fs;

use super::*;
use crate::inputs::Listed;
use crate::plan::{PlanOptions, plan};
use crate::progress::Silent;
use crate::tree::known::KnownHashes;
use clearwell_format::{FormatNumber, Misc, Version};

fn put(dir: &tempfile::TempDir, path: &str, text: &str) {
    let path = dir.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn trees() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    put(
        &dir,
        "bundles.toml",
        "owner = \"root\"\n[bundles.editors]\nincludes = [\"libs\"]\nun-export = [\"/usr/bin/helper\"]\n",
    );
    put(&dir, "os-core/usr/bin/sh", "shell");
    put(&dir, "os-core/usr/lib/os-release", "ID=mix\nVERSION_ID=1\n");
    put(&dir, "libs/usr/lib/libx.so", "library");
    put(&dir, "editors/usr/bin/edit", "editor");
    put(&dir, "editors/usr/bin/helper", "helper");
    put(&dir, "editors/usr/lib/libx.so", "library");
    dir
}

fn release() -> Release {
    Release {
        version: Version::new(30).unwrap(),
        previous: None,
        format: FormatNumber::new(30).unwrap(),
        min_version: None,
        timestamp: 1_700_000_000,
    }
}

fn inputs(dir: &tempfile::TempDir) -> Result<Inputs, SourceError> {
    let content = OsContent {
        certificate: Some(b"PEM\n".to_vec()),
        next_certificate: None,
        content_url: Some("http://a/".into()),
        ..OsContent::new(release().version, release().format)
    };
    Trees::open(dir.path())?.inputs(release(), &content, &KnownHashes::default(), &Silent)
}

fn saying(dir: &tempfile::TempDir, content: &OsContent) -> Inputs {
    let trees = Trees::open(dir.path()).unwrap();
    trees.inputs(release(), content, &KnownHashes::default(), &Silent).unwrap()
}

fn content(inputs: &Inputs, path: &str) -> String {
    let mut text = String::new();
    let node = inputs.tree.node(inputs.tree.find(path.as_bytes()).unwrap_or_else(|| panic!("{path}")));
    node.open().unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn plain_trees_become_a_system_that_can_update_itself() {
    let inputs = inputs(&trees()).unwrap();
    for (path, expected) in [
        ("/usr/lib/os-release", "ID=mix\nVERSION_ID=30\nBUILD_ID=30\n"),
        ("/usr/share/clear/version", "30"),
        ("/usr/share/clear/versionstamp", "1700000000"),
        ("/usr/share/defaults/swupd/format", "30"),
        ("/usr/share/defaults/swupd/contenturl", "http://a/"),
        ("/usr/share/defaults/swupd/versionurl", "http://a/"),
        ("/usr/share/clear/update-ca/Swupd_Root.pem", "PEM\n"),
        ("/usr/share/clear/bundles/os-core", ""),
        ("/usr/share/clear/bundles/editors", ""),
    ] {
        assert_eq!(content(&inputs, path), expected, "{path}");
    }

    let plan = plan(&inputs, None, &PlanOptions::default()).unwrap();
    let paths = |bundle: &str| -> Vec<String> {
        let planned = plan.bundles.iter().find(|planned| planned.bundle.as_str() == bundle).unwrap();
        planned.manifest.entries.iter().map(|entry| entry.path.to_string()).collect()
    };
    assert_eq!(paths("editors"), ["/usr/bin/edit", "/usr/bin/helper", "/usr/share/clear/bundles/editors"]);
    assert_eq!(paths("libs"), ["/usr/lib/libx.so", "/usr/share/clear/bundles/libs"]);
    // os-core lists every directory that leads to what it and the others add.
    let os_core = paths("os-core");
    for path in ["/usr", "/usr/bin", "/usr/share", "/usr/share/clear", "/usr/share/clear/bundles"] {
        assert!(os_core.iter().any(|listed| listed == path), "{path}");
    }
    let editors = plan.bundles.iter().find(|planned| planned.bundle.as_str() == "editors").unwrap();
    let marks: Vec<Misc> = editors.manifest.entries.iter().map(|entry| entry.misc).collect();
    assert_eq!(marks, [Misc::Exported, Misc::None, Misc::None]);
    assert!(editors.manifest.entries.iter().all(|entry| entry.is_present()));
}

#[test]
fn the_certificate_of_the_tree_is_kept() {
    let dir = trees();
    put(&dir, "os-core/usr/share/clear/update-ca/Swupd_Root.pem", "another\n");
    assert_eq!(content(&inputs(&dir).unwrap(), "/usr/share/clear/update-ca/Swupd_Root.pem"), "another\n");
}

#[test]
fn the_next_certificate_stands_beside_the_first() {
    let path = "/usr/share/clear/update-ca/Swupd_Root.pem.alt";
    let dir = trees();
    let mut says = OsContent::new(Version::new(30).unwrap(), FormatNumber::new(30).unwrap());
    says.certificate = Some(b"PEM\n".to_vec());
    says.next_certificate = Some(b"NEXT\n".to_vec());
    assert_eq!(content(&saying(&dir, &says), path), "NEXT\n");
    assert_eq!(content(&saying(&dir, &says), "/usr/share/clear/update-ca/Swupd_Root.pem"), "PEM\n");
    put(&dir, "os-core/usr/share/clear/update-ca/Swupd_Root.pem.alt", "own\n");
    assert_eq!(content(&saying(&dir, &says), path), "own\n");
}

#[test]
fn a_bundle_may_only_include_others() {
    let dir = trees();
    put(&dir, "bundles.toml", "owner = \"root\"\n[bundles.all]\nincludes = [\"libs\", \"editors\"]\n");
    let inputs = inputs(&dir).unwrap();
    let all = inputs.bundles.iter().find(|bundle| bundle.name.as_str() == "all").unwrap();
    let path = |listed: &Listed| inputs.tree.node(listed.node).path.to_string();
    assert_eq!(path(all.files.last().unwrap()), "/usr/share/clear/bundles/all");
}

#[test]
fn the_first_half_of_a_format_bump_says_what_the_second_will_be() {
    let dir = trees();
    let content_of_next = OsContent::new(Version::new(40).unwrap(), FormatNumber::new(31).unwrap());
    let trees = Trees::open(dir.path()).unwrap();
    let inputs = trees.inputs(release(), &content_of_next, &KnownHashes::default(), &Silent).unwrap();
    assert_eq!(content(&inputs, "/usr/share/defaults/swupd/format"), "31");
    assert_eq!(content(&inputs, "/usr/share/clear/version"), "40");
    assert_eq!(inputs.release.format.number(), 30);
}

#[test]
fn what_is_wrong_is_told_with_the_remedy() {
    let told = |change: &dyn Fn(&tempfile::TempDir)| {
        let dir = trees();
        change(&dir);
        inputs(&dir).unwrap_err().to_string().replace(dir.path().to_str().unwrap(), "TREES")
    };
    let config = |text: &'static str| told(&move |dir| put(dir, "bundles.toml", text));
    assert_eq!(
        told(&|dir| fs::remove_dir_all(dir.path().join("os-core")).unwrap()),
        "folder TREES/os-core does not exist; every release needs the bundle os-core"
    );
    assert_eq!(
        told(&|dir| put(dir, "editors/usr/lib/libx.so", "another")),
        "/usr/lib/libx.so differs in content between the bundles editors and libs; a release has one tree, so make \
         them the same or drop one"
    );
    assert!(told(&|dir| put(dir, "a b/x", "")).starts_with("TREES/a b cannot be a bundle; rename it"));
    assert_eq!(
        config("[bundles.libs]\nincludes = [\"gone\"]\n"),
        "bundle libs includes gone in TREES/bundles.toml, but that bundle does not exist; create a folder for it or drop \
         the include"
    );
    assert_eq!(
        config("[bundles.libs]\nincludes = [\"libs\"]\n"),
        "bundle libs includes itself in TREES/bundles.toml; drop the include"
    );
    assert_eq!(
        config("[bundles.gone]\n"),
        "TREES/bundles.toml describes bundle gone, but folder TREES/gone does not exist; create it, or give the bundle \
         includes"
    );
    assert_eq!(config("x = 1"), "TREES/bundles.toml cannot be used");
    assert_eq!(
        told(&|dir| put(dir, "os-core/usr/share/clear", "")),
        "/usr/share/clear is not a directory, but the release has to put /usr/share/clear/version there; move it"
    );
}

//! JSON documents are a contract: every command prints what its schema says, when it succeeds and when it fails.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::mix::Mix;
use crate::run::Server;
use crate::schemas::{SCHEMAS, name_of};

/// Runs a command, whose document and events the harness checks; returns the name of the document, and the document.
#[track_caller]
fn run(mix: &Mix, command: &str, code: i32) -> (String, Value) {
    let words: Vec<&str> = command.split(' ').chain(["--json", "--progress", "json"]).collect();
    let document = mix.run(&words).expect(code).json();
    assert_eq!(document["schema-version"], 1, "{command}: {document}");
    (name_of(&words, &document), document)
}

#[test]
fn every_command_prints_what_its_schema_says() {
    let mix = Mix::new();
    let mut seen = BTreeSet::from(["error".to_owned(), "event".to_owned(), "serve".to_owned()]);
    let mut run = |command: &str, code| seen.insert(run(&mix, command, code).0);
    mix.put("trees/os-core/usr/share/text", "a line\n".repeat(200));
    mix.put("trees/os-core/etc/kept.conf", "kept\n");
    run("init other", 0);
    run("build --trees trees --store store --cert Swupd_Root.pem --version 10", 0);
    mix.put("clearwell.toml", "store = \"store\"\ntrees = \"trees\"\ncertificate = \"Swupd_Root.pem\"\n");
    mix.put("trees/os-core/usr/share/text", "a line\n".repeat(200) + "another line\n");
    mix.put("trees/editor/usr/bin/other", "one more\n");
    run("build --version 20 --stage --timestamp 1700000000", 0);
    run("publish 20", 0);
    mix.put("trees/os-core/usr/share/text", "a line\n".repeat(199) + "another line\n");
    run("build --version 30 --deltas 0", 0);
    run("deltas --to 30 --from 10,20", 0);
    run("rotation", 0);
    run("rotation --next-cert other/Swupd_Root.pem", 0);
    run("renew renewed.pem", 0);
    run("verify --from 10,20 --retry-seconds 0", 0);
    for question in ["", " show 30", " show 30 --packs", " show 10", " diff 10 30", " explain 30 /usr/share/text"] {
        run(&format!("releases{question}"), 0);
    }
    run("retract 30", 0);
    run("build --version 40 --empty --stage", 0);
    run("discard 40", 0);
    run("check", 0);
    clearwell_testkit::flip_byte(&mix.path("store/content/20/pack-os-core-from-0.tar"));
    run("check", 1);
    run("check --repair --equivalent", 12);
    run("backup copy", 0);
    run("restore copy --store restored", 0);
    run("gc --keep 1 --dry-run", 0);
    run("gc --keep 1 --grace 0 --settle 0", 0);
    run("gc --keep 1 --grace 0 --settle 0 --drop-manifests", 0);
    // An update from a release that is gone: the report of an endpoint that fails.
    run("verify --from 10 --retry-seconds 0", 1);
    run("serve --check-config", 0);
    run("demo --once --dir demo", 0);
    clearwell_testkit::sample_www(&mix.path("www"));
    run("adopt www --store adopted", 0);
    let fullfile = mix.path("www/10/files").read_dir().unwrap().next().unwrap().unwrap().path();
    clearwell_testkit::flip_byte(&fullfile);
    run("adopt www --store other-adopted", 1);
    mix.put("old", "a line\n".repeat(200));
    mix.put("new", "a line\n".repeat(201));
    for (command, code) in [
        ("delta diff old new delta", 0),
        ("delta show delta", 0),
        ("delta patch old again delta", 0),
        ("delta diff delta old whole --jobs 1", 0),
    ] {
        run(command, code);
    }
    mix.put("small", "small\n");
    run("delta diff old small marker", 1);
    run("schema", 0);
    run("schema --all schemas", 0);
    run("man manual", 0);
    // The document of the server is checked, too.
    let server = Server::start(mix.dir(), "store", &[]);
    run(&format!("health {}", server.admin), 0);
    let all: BTreeSet<String> = SCHEMAS.keys().cloned().collect();
    assert_eq!(seen, all, "a document that no run prints");
}

#[test]
fn every_error_is_a_document() {
    let mix = Mix::released();
    for (command, code) in [
        ("bild", 2),
        ("build --frob", 2),
        ("build --version ten", 2),
        ("build --trees none", 3),
        ("releases show 99", 4),
        ("releases --store none", 7),
        ("verify --cert none.pem", 8),
        ("verify --url http://127.0.0.1:1 --retry-seconds 0", 10),
        ("build", 11),
        ("delta show clearwell.toml", 3),
        ("schema none", 2),
        ("schema --all clearwell.toml", 9),
    ] {
        let (name, document) = run(&mix, command, code);
        assert_eq!((name.as_str(), &document["exit"]), ("error", &code.into()), "{command}");
        assert!(document["error"].as_str().is_some_and(|error| !error.is_empty()), "{command}");
    }
}

#[test]
fn a_schema_is_printed_in_any_case() {
    let dir = tempfile::tempdir().unwrap();
    for (name, schema) in SCHEMAS.iter() {
        assert_eq!(crate::run::run(dir.path(), &["schema", name]).expect(0).json(), *schema);
    }
    let listed = crate::run::run(dir.path(), &["schema"]).expect(0).stdout;
    let names: BTreeSet<&str> = listed.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, SCHEMAS.keys().map(String::as_str).collect());
}

//! JSON documents are a contract: each has its version, its keys are kebab-case at every level, and docs/command-line.md
//! lists every key.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::mix::Mix;
use crate::run::{Ended, Server};

/// Keys whose objects have data as keys: kinds of artifacts, versions, statuses, options of builds, keys of configurations.
const MAPS: [&str; 8] = ["made", "artifacts", "update-bytes", "heads", "bytes", "options", "index", "values"];

/// The keys of a document, outside of maps.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                found.insert(key.clone());
                match value {
                    // A map from kinds to maps from statuses.
                    Value::Object(_) if key == "gets" => {}
                    // The values of other maps are results again.
                    Value::Object(map) if MAPS.contains(&key.as_str()) => {
                        map.values().for_each(|value| keys(value, found));
                    }
                    value => keys(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

/// Checks a document of a command, and returns it.
#[track_caller]
fn check(command: &str, document: Value) -> Value {
    assert_eq!(document["schema-version"], 1, "{command}: {document}");
    let mut found = BTreeSet::new();
    keys(&document, &mut found);
    let documentation = include_str!("../../../../docs/command-line.md");
    for key in &found {
        let is_kebab = key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        assert!(is_kebab, "{command}: the key {key:?} is not kebab-case in {document}");
        assert!(documentation.contains(&format!("`{key}`")), "{command}: the key {key:?} is not documented");
    }
    document
}

/// Runs a command and checks its document and its events.
#[track_caller]
fn run(mix: &Mix, command: &str, code: i32) -> Value {
    let words: Vec<&str> = command.split(' ').chain(["--json", "--progress", "json"]).collect();
    let ended = mix.run(&words).expect(code);
    events(command, &ended);
    check(command, ended.json())
}

#[track_caller]
fn events(command: &str, ended: &Ended) {
    for line in ended.stderr.lines().filter(|line| line.starts_with('{')) {
        check(command, serde_json::from_str(line).unwrap());
    }
}

#[test]
fn every_result_has_its_version_and_kebab_case_keys() {
    let mix = Mix::new();
    mix.put("trees/os-core/usr/share/text", "a line\n".repeat(200));
    mix.put("trees/os-core/etc/kept.conf", "kept\n");
    run(&mix, "init other", 0);
    run(&mix, "build --trees trees --store store --cert Swupd_Root.pem --version 10", 0);
    mix.put("clearwell.toml", "store = \"store\"\ntrees = \"trees\"\ncertificate = \"Swupd_Root.pem\"\n");
    mix.put("trees/os-core/usr/share/text", "a line\n".repeat(200) + "another line\n");
    mix.put("trees/editor/usr/bin/other", "one more\n");
    run(&mix, "build --version 20 --stage --timestamp 1700000000", 0);
    run(&mix, "publish 20", 0);
    mix.put("trees/os-core/usr/share/text", "a line\n".repeat(199) + "another line\n");
    run(&mix, "build --version 30 --deltas 0", 0);
    run(&mix, "deltas --to 30 --from 10,20", 0);
    run(&mix, "rotation", 0);
    run(&mix, "rotation --next-cert other/Swupd_Root.pem", 0);
    run(&mix, "renew renewed.pem", 0);
    run(&mix, "verify --from 10,20 --retry-seconds 0", 0);
    for question in ["", " show 30", " show 30 --packs", " show 10", " diff 10 30", " explain 30 /usr/share/text"] {
        run(&mix, &format!("releases{question}"), 0);
    }
    run(&mix, "retract 30", 0);
    run(&mix, "build --version 40 --empty --stage", 0);
    run(&mix, "discard 40", 0);
    run(&mix, "check", 0);
    clearwell_testkit::flip_byte(&mix.path("store/content/20/pack-os-core-from-0.tar"));
    run(&mix, "check", 1);
    run(&mix, "check --repair --equivalent", 12);
    run(&mix, "backup copy", 0);
    run(&mix, "restore copy --store restored", 0);
    run(&mix, "gc --keep 1 --dry-run", 0);
    run(&mix, "gc --keep 1 --grace 0 --settle 0", 0);
    run(&mix, "gc --keep 1 --grace 0 --settle 0 --drop-manifests", 0);
    // An update from a release that is gone: the report of an endpoint that fails.
    run(&mix, "verify --from 10 --retry-seconds 0", 1);
    run(&mix, "serve --check-config", 0);
    let server = Server::start(mix.dir(), "store", &[]);
    run(&mix, &format!("health {}", server.admin), 0);
    run(&mix, "demo --once --dir demo", 0);
    clearwell_testkit::sample_www(&mix.path("www"));
    run(&mix, "adopt www --store adopted", 0);
    let fullfile = mix.path("www/10/files").read_dir().unwrap().next().unwrap().unwrap().path();
    clearwell_testkit::flip_byte(&fullfile);
    run(&mix, "adopt www --store other-adopted", 1);
    mix.put("old", "a line\n".repeat(200));
    mix.put("new", "a line\n".repeat(201));
    for (command, code) in [
        ("delta diff old new delta", 0),
        ("delta show delta", 0),
        ("delta patch old again delta", 0),
        ("delta diff delta old whole --jobs 1", 0),
    ] {
        run(&mix, command, code);
    }
    mix.put("small", "small\n");
    run(&mix, "delta diff old small marker", 1);
}

#[test]
fn every_error_has_its_version_and_kebab_case_keys() {
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
    ] {
        let document = run(&mix, command, code);
        assert_eq!(document["exit"], code, "{command}");
        assert!(document["error"].as_str().is_some_and(|error| !error.is_empty()), "{command}");
    }
}

//! JSON documents are a contract: every command prints what its schema says, when it succeeds and when it fails.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::mix::Mix;
use crate::run::Server;
use crate::run::schemas::{SCHEMAS, VALIDATORS, name_of};

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

#[test]
fn every_schema_is_valid_and_describes_every_key() {
    assert!(SCHEMAS.len() >= 25, "{:?}", SCHEMAS.keys());
    for (name, schema) in SCHEMAS.iter() {
        jsonschema::meta::validate(schema).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["title"], format!("clearwell {name}"));
        assert!(schema["description"].is_string(), "{name} has no description");
        assert_eq!(schema["properties"]["schema-version"]["const"], 1, "{name}");
        each_key(schema, &mut |key, value| {
            let is_kebab = key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            assert!(is_kebab, "{name}: the key {key:?} is not kebab-case");
            // The tag of an alternative has the description of the alternative.
            let is_described = value["description"].is_string() || value.get("const").is_some();
            assert!(is_described, "{name}: the key {key:?} has no description");
        });
    }
}

/// Calls `found` with every key of the documents of a schema.
fn each_key(schema: &Value, found: &mut impl FnMut(&str, &Value)) {
    match schema {
        Value::Object(keywords) => {
            for (keyword, value) in keywords {
                if keyword == "properties" {
                    value.as_object().unwrap().iter().for_each(|(key, value)| found(key, value));
                }
                each_key(value, found);
            }
        }
        Value::Array(schemas) => schemas.iter().for_each(|schema| each_key(schema, found)),
        _ => {}
    }
}

#[test]
fn a_schema_allows_new_keys_and_the_tests_do_not() {
    let event = |extra: bool| {
        let mut event = serde_json::json!({
            "schema-version": 1, "event": "advanced", "phase": "make", "done": 1, "total": 2, "bytes": 3, "total-bytes": 4
        });
        if extra {
            event["new"] = true.into();
        }
        event
    };
    let valid = |name: &str, document: &Value| {
        (jsonschema::is_valid(&SCHEMAS[name], document), VALIDATORS[name].is_valid(document))
    };
    assert_eq!(valid("event", &event(false)), (true, true));
    assert_eq!(valid("event", &event(true)), (true, false));
    let mut wrong = event(false);
    for (key, value) in [("schema-version", Value::from(2)), ("phase", "sleep".into()), ("done", (-1).into())] {
        let before = std::mem::replace(&mut wrong[key], value);
        assert_eq!(valid("event", &wrong), (false, false), "{key}");
        wrong[key] = before;
    }
    wrong.as_object_mut().unwrap().remove("bytes");
    assert_eq!(valid("event", &wrong), (false, false));
    // Nested objects are closed too, also those of release records and in maps.
    let kept = |extra: bool| {
        let mut kept = serde_json::json!({
            "schema-version": 1, "dry-run": true, "kept": [{"version": 10, "reasons": ["pointer"]}], "changes": [],
            "artifacts": 0, "bytes": 0, "pointers": [], "strays": 0
        });
        if extra {
            kept["kept"][0]["new"] = 1.into();
        }
        kept
    };
    assert_eq!(valid("gc", &kept(false)), (true, true));
    assert_eq!(valid("gc", &kept(true)), (true, false));
}

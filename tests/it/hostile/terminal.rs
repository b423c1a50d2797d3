//! Names from foreign input, printed to a terminal or a log.

use std::fs;
use std::os::unix::fs::symlink;

use crate::mix::Mix;
use crate::run::{Ended, clearwell, run};

/// A hostile name that is valid as an argument.
const ARGUMENT: &str =
    "a\u{1b}[2J\u{1b}]0;x\u{7}\nerror: fake\r\t\u{7f}\u{9b}2J\u{85}\u{202e}\u{2066}\u{2028}\u{200b}\u{feff}é";
/// A hostile name that is valid in a manifest and for clients.
const NAME: &str = "b\u{1b}[2J\r\u{7f}\u{9b}2J\u{85}\u{202e}\u{2066}\u{2028}\u{200b}\u{feff}é";

/// Fails if the output contains a control sequence, or a line that foreign input added.
#[track_caller]
fn assert_printable(what: &str, text: &str) {
    for (number, line) in text.split('\n').enumerate() {
        let acts = |character: char| {
            character.is_control()
                || matches!(character, '\u{200b}'..='\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        };
        assert!(!line.contains(acts), "{what}, line {number}: {line:?}");
        assert!(!line.starts_with("error: fake"), "{what}: a line of others: {text:?}");
    }
}

/// Runs with all output formats and returns the text output.
#[track_caller]
fn runs(mix: &Mix, args: &[&str]) -> Ended {
    let what = format!("{args:?}");
    let ended = mix.run(args);
    for more in [&["--json"][..], &["--progress", "json", "--log-style", "json", "--log", "trace"], &["--log", "trace"]]
    {
        let other = mix.run(&[args, more].concat());
        assert_printable(&format!("{what} {more:?} stdout"), &other.stdout);
        assert_printable(&format!("{what} {more:?} stderr"), &other.stderr);
        if more == ["--json"] && !other.stdout.is_empty() {
            other.json();
        }
    }
    assert_printable(&format!("{what} stdout"), &ended.stdout);
    assert_printable(&format!("{what} stderr"), &ended.stderr);
    ended
}

#[test]
fn arguments_are_printed_as_they_are_and_never_obeyed() {
    let mix = Mix::released();
    let of = |option: &str| format!("{option}={ARGUMENT}");
    let store = "--store=store";
    let cases: Vec<Vec<String>> = vec![
        vec![ARGUMENT.into()],
        vec!["build".into(), ARGUMENT.into()],
        vec!["build".into(), format!("--{ARGUMENT}")],
        vec!["build".into(), of("--version")],
        vec!["build".into(), of("--trees")],
        vec!["build".into(), of("--mix")],
        vec!["build".into(), of("--cert")],
        vec!["build".into(), of("--key")],
        vec!["build".into(), of("--key-passphrase-file")],
        vec!["build".into(), of("--signing-command")],
        vec!["build".into(), of("--config")],
        vec!["build".into(), of("--content-url")],
        vec!["build".into(), of("--jobs")],
        vec!["build".into(), of("--log")],
        vec!["build".into(), of("--progress")],
        vec!["check".into(), of("--store")],
        vec!["check".into(), store.into(), of("--cert")],
        vec!["check".into(), store.into(), of("--rate")],
        vec!["adopt".into(), store.into(), ARGUMENT.into()],
        vec!["releases".into(), of("--store")],
        vec!["releases".into(), store.into(), "show".into(), ARGUMENT.into()],
        vec!["releases".into(), store.into(), "explain".into(), "10".into(), ARGUMENT.into()],
        vec!["releases".into(), store.into(), "explain".into(), "10".into(), format!("/{NAME}")],
        vec!["verify".into(), of("--url")],
        vec!["verify".into(), format!("--url=http://127.0.0.1:1/{ARGUMENT}")],
        vec!["verify".into(), of("--www")],
        vec!["verify".into(), store.into(), of("--bundles")],
        vec!["verify".into(), store.into(), of("--scratch")],
        vec!["rotation".into(), store.into(), of("--next-cert")],
        vec!["renew".into(), ARGUMENT.into()],
        vec!["delta".into(), "make".into(), ARGUMENT.into(), ARGUMENT.into(), ARGUMENT.into()],
        vec!["delta".into(), "show".into(), ARGUMENT.into()],
        vec!["gc".into(), store.into(), of("--grace")],
        vec!["retract".into(), store.into(), ARGUMENT.into()],
        vec!["publish".into(), store.into(), ARGUMENT.into()],
        vec!["discard".into(), store.into(), ARGUMENT.into()],
        vec!["deltas".into(), store.into(), of("--to")],
        vec!["serve".into(), of("--store"), "--check-config".into()],
        vec!["serve".into(), store.into(), of("--config"), "--check-config".into()],
        vec!["serve".into(), store.into(), of("--listen"), "--check-config".into()],
        vec!["completions".into(), ARGUMENT.into()],
        vec!["init".into(), of("--content-url")],
    ];
    for case in &cases {
        let args: Vec<&str> = case.iter().map(String::as_str).collect();
        let ended = runs(&mix, &args);
        // A renewed certificate may be written to a file of any name.
        let codes = if case[0] == "renew" { 0..=0 } else { 1..=11 };
        assert!(ended.code.is_some_and(|code| codes.contains(&code)), "{args:?}: {:?} {}", ended.code, ended.stderr);
    }
}

#[test]
fn variables_are_printed_as_they_are_and_never_obeyed() {
    let mix = Mix::new();
    for variable in
        ["CLEARWELL_LOG", "CLEARWELL_JOBS", "CLEARWELL_PROGRESS", "CLEARWELL_STORE", "CLEARWELL_CERTIFICATE"]
    {
        let ended = Ended::of(clearwell(mix.dir(), &["check"]).env(variable, NAME));
        assert_ne!(ended.code, Some(0), "{variable}");
        assert_printable(variable, &ended.stderr);
        assert_printable(variable, &ended.stdout);
    }
}

#[test]
fn names_in_trees_and_stores_are_printed_as_they_are() {
    let mix = Mix::new();
    // Released unchanged: no client refuses it.
    mix.put(format!("trees/editor/usr/share/{NAME}"), "hostile");
    // The source of the release is part of its record.
    fs::rename(mix.path("trees"), mix.path(ARGUMENT)).unwrap();
    symlink(ARGUMENT, mix.path("trees")).unwrap();
    let trees = format!("--trees={ARGUMENT}");
    runs(&mix, &["build", "--version=10", &trees]);
    mix.put(format!("{ARGUMENT}/editor/usr/share/{NAME}"), "hostile still");
    mix.put(format!("{ARGUMENT}/editor/usr/share/more-{NAME}"), "hostile too");
    runs(&mix, &["build", "--version=20", &trees]);
    let shown = runs(&mix, &["releases", "show", "10", "--packs", "--store=store"]).expect(0).stdout;
    assert!(shown.contains("source       trees") && shown.contains("\\nerror: fake"), "{shown}");
    let changed = runs(&mix, &["releases", "diff", "10", "20", "--store=store"]).expect(0).stdout;
    assert!(changed.contains("  ~ /usr/share/b\\x1b[2J\\r"), "{changed}");
    runs(&mix, &["releases", "explain", "20", &format!("/usr/share/{NAME}"), "--store=store"]).expect(0);
    runs(&mix, &["verify", "--store=store", "--cert=Swupd_Root.pem", "--retry-seconds=0"]).expect(0);

    // Names that cannot be released, and stray files in a store.
    let _socket = std::os::unix::net::UnixListener::bind(mix.path("socket")).unwrap();
    fs::rename(mix.path("socket"), mix.path(ARGUMENT).join("editor").join(ARGUMENT)).unwrap();
    mix.put(format!("{ARGUMENT}/libs/{ARGUMENT}"), "");
    runs(&mix, &["build", "--version=30", &trees]).expect(3);
    for folder in ["store/content", "store/content/10", "store/content/10/files", "store/meta", "store/content/version"]
    {
        mix.put(format!("{folder}/{ARGUMENT}"), "stray");
    }
    runs(&mix, &["check", "--store=store"]);
    runs(&mix, &["gc", "--store=store", "--dry-run", "--keep=1"]);
}

#[test]
fn a_foreign_tree_is_judged_without_being_obeyed() {
    let mix = Mix::released();
    let www = mix.path("www");
    let copied = std::process::Command::new("cp").args(["-aL"]).arg(mix.path("store/content")).arg(&www).status();
    assert!(copied.unwrap().success());
    for folder in ["", "10", "10/files", "version"] {
        mix.put(format!("www/{folder}/{ARGUMENT}"), "stray");
    }
    mix.put(format!("www/10/pack-{NAME}-from-0.tar"), "no pack");
    let manifest = fs::read_to_string(www.join("10/Manifest.os-core")).unwrap();
    mix.put("www/10/Manifest.os-core", manifest.replace("/usr/bin/hello", &format!("/usr/bin/{NAME}")));
    mix.put("www/10/Manifest.editor", format!("MANIFEST\t30\n{NAME}\n\n{NAME}\n"));
    runs(&mix, &["adopt", "--store=new", "--cert=Swupd_Root.pem", "www"]);
    runs(&mix, &["verify", "--www=www", "--cert=Swupd_Root.pem", "--retry-seconds=0"]);
}

#[test]
fn hostile_configuration_values_are_escaped_in_errors() {
    let mix = Mix::released();
    let hostile = "\\u001b[2J\\nerror: fake\\u009b\\u202e";
    for (file, text, args) in [
        ("clearwell.toml", format!("\"{hostile}\" = 1\n"), &["check"][..]),
        ("clearwell.toml", format!("store = \"{hostile}\"\n"), &["check"]),
        ("clearwell.toml", format!("content-url = \"{hostile}\"\n"), &["check"]),
        ("clearwell.toml", format!("xattrs = \"{hostile}\"\n"), &["check"]),
        (
            "serve.toml",
            format!("\"{hostile}\" = 1\n"),
            &["serve", "--store=store", "--config=serve.toml", "--check-config"],
        ),
        (
            "serve.toml",
            format!("listen = \"{hostile}\"\n"),
            &["serve", "--store=store", "--config=serve.toml", "--check-config"],
        ),
        (
            "serve.toml",
            format!("tls-certificate = \"{hostile}\"\nlisten-tls = \"127.0.0.1:0\"\n"),
            &["serve", "--store=store", "--config=serve.toml", "--check-config"],
        ),
        (
            "trees/bundles.toml",
            format!("[bundles.\"{hostile}\"]\n[bundles.editor]\ntitle = 1\nincludes = [\"{hostile}\"]\n"),
            &["build", "--trees=trees", "--store=store"],
        ),
        (
            "trees/bundles.toml",
            format!("owner = \"{hostile}\"\n\"{hostile}\" = 1\n"),
            &["build", "--trees=trees", "--store=store"],
        ),
    ] {
        let before = fs::read(mix.path(file)).ok();
        mix.put(file, &text);
        let ended = runs(&mix, args);
        assert_ne!(ended.code, Some(0), "{file}: {text}");
        match before {
            Some(before) => mix.put(file, before),
            None => fs::remove_file(mix.path(file)).unwrap(),
        }
    }
}

#[test]
fn names_of_certificates_are_printed_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let organisation = format!("--organisation={NAME}");
    let ended = run(dir.path(), &["init", "mix", &organisation]);
    assert_printable("init", &ended.stderr);
    assert_printable("init", &ended.stdout);
}

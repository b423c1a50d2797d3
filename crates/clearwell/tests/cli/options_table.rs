//! Options are a contract: one name has one kind of value in all commands, and earlier spellings are still accepted.

use std::collections::{BTreeMap, BTreeSet};

use crate::run::run;

/// Every command, as typed.
pub(crate) const COMMANDS: [&str; 28] = [
    "demo",
    "init",
    "build",
    "deltas",
    "publish",
    "discard",
    "adopt",
    "serve",
    "health",
    "verify",
    "check",
    "gc",
    "backup",
    "restore",
    "retract",
    "rotation",
    "renew",
    "releases",
    "releases show",
    "releases explain",
    "releases diff",
    "delta",
    "delta diff",
    "delta patch",
    "delta show",
    "schema",
    "completions",
    "man",
];

/// Options of every command.
const GLOBAL: [&str; 6] = ["--help", "--version", "--json", "--progress", "--log", "--log-style"];

/// Every option with its value, as in `--jobs <N>`.
fn of_help() -> BTreeSet<String> {
    let dir = tempfile::tempdir().unwrap();
    let mut options = BTreeSet::new();
    for command in COMMANDS {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = run(dir.path(), &words).expect(0).stdout;
        for line in help.lines().filter(|line| line.starts_with("      --") || line.starts_with("  -")) {
            let option = line.trim_start().trim_start_matches("-h, ").trim_start_matches("-V, ");
            // Help of one-line options continues behind two spaces.
            let option = option.split("  ").next().unwrap_or_default().trim_end().trim_end_matches("...");
            let name = option.split(' ').next().unwrap_or_default();
            let is_of_server = command == "serve" && !["--store", "--config", "--check-config"].contains(&name);
            let is_global = GLOBAL.contains(&name) && (name != "--version" || !option.contains('<'));
            if !is_of_server && !is_global {
                options.insert(option.to_owned());
            }
        }
    }
    options
}

#[test]
fn an_option_has_the_same_value_in_every_command() {
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for option in of_help() {
        let name = option.split(['=', ' ']).next().unwrap_or_default().trim_end_matches('[').to_owned();
        values.entry(name).or_default().insert(option);
    }
    // One release to build, or several to verify.
    values.remove("--version");
    let twice: Vec<_> = values.into_iter().filter(|(_, spellings)| spellings.len() > 1).collect();
    assert!(twice.is_empty(), "options with values of two kinds: {twice:?}");
}

#[test]
fn earlier_spellings_are_accepted_and_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    for (command, earlier, value) in [
        ("build", "--certificate", "x.pem"),
        ("build", "--next-certificate", "x.pem"),
        ("check", "--certificate", "x.pem"),
        ("rotation", "--next-certificate", "x.pem"),
        ("rotation", "--cert", "x.pem"),
        ("deltas --to 20", "--previous", "1"),
        ("init mix", "--passphrase-file", "none"),
        ("verify", "--lowest-rate", "1"),
        ("serve", "--tls-certificate", "x.pem"),
        ("serve", "--client-certificates", "none"),
        ("serve", "--signing-certificate", "x.pem"),
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let ended = run(dir.path(), &[&words[..], &[earlier, value]].concat());
        assert!(!ended.stderr.contains("unexpected argument"), "{command} {earlier}: {}", ended.stderr);
        let help = run(dir.path(), &[words[0], "--help"]).expect(0).stdout;
        let shown = help.lines().any(|line| line.trim_start().split(' ').next() == Some(earlier));
        assert!(!shown, "{command} --help shows {earlier}");
    }
}

//! Help, completions, and command lines that cannot be understood.

use clearwell_store::LayoutVersion;

use crate::options_table::COMMANDS;
use crate::run::run;

#[test]
fn every_command_explains_itself() {
    let dir = tempfile::tempdir().unwrap();
    for command in COMMANDS.into_iter().chain([""]) {
        for flag in ["--help", "-h"] {
            let words: Vec<&str> = command.split_whitespace().chain([flag]).collect();
            let ended = run(dir.path(), &words).expect(0);
            let usage = format!("Usage: clearwell {command}");
            assert!(ended.stdout.contains(usage.trim_end()), "{}", ended.stdout);
            assert_eq!(ended.stderr, "");
        }
    }
    let ended = run(dir.path(), &["--help"]).expect(0);
    assert!(ended.stdout.contains("Exit codes:") && ended.stdout.contains("clearwell demo"), "{}", ended.stdout);
}

#[test]
fn the_version_names_the_commit_and_the_store_layout() {
    let dir = tempfile::tempdir().unwrap();
    let version = run(dir.path(), &["--version"]).expect(0).stdout;
    let (number, inside) = version
        .strip_prefix("clearwell ")
        .and_then(|rest| rest.strip_suffix(&format!(", store layout {})\n", LayoutVersion::CURRENT)))
        .and_then(|rest| rest.split_once(" ("))
        .unwrap_or_else(|| panic!("{version}"));
    assert!(number.starts_with(|first: char| first.is_ascii_digit()) && !number.contains(' '), "{version}");
    assert!(!inside.is_empty() && !inside.contains(' '), "{version}");
}

#[test]
fn each_shell_gets_completions() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = run(dir.path(), &["completions", shell]).expect(0);
        assert!(ended.stdout.contains("format-bump") && ended.stdout.contains("drain-grace-seconds"), "{shell}");
    }
    run(dir.path(), &["completions", "dos"]).expect(2).says(&["dos", "bash"]);
}

#[test]
fn an_invalid_command_line_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for (args, named) in [
        (&["bild"][..], "bild"),
        (&["build", "--frob"], "--frob"),
        (&["build", "--version", "ten"], "ten"),
        (&["build", "--format", "0"], "0"),
        (&["build", "--memory", "much"], "much"),
        (&["build", "--trees", "a", "--mix", "b"], "--mix"),
        (&["build", "--increment"], "--mix"),
        (&["build", "--allow", "everything"], "directory-replaced"),
        (&["build", "--allow", "conflicting-entries"], "cannot be overruled"),
        (&["build"], "--trees"),
        (&["build", "--trees", "trees"], "folder trees does not exist"),
        (&["publish"], "<VERSION>"),
        (&["publish", "10"], "--store"),
        (&["verify"], "--store"),
        (&["verify", "--url", "ftp://a"], "ftp://a"),
        (&["releases"], "--store"),
        (&["serve"], "--store"),
        (&["adopt"], "<WWW>"),
    ] {
        let ended = run(dir.path(), args);
        let code = if args.contains(&"trees") { 3 } else { 2 };
        let ended = ended.expect(code).says(&[named]);
        assert_eq!(ended.stdout, "", "{args:?}");
        let json = run(dir.path(), &[args, &["--json"]].concat()).expect(code).json();
        assert_eq!(json["exit"], code);
        assert!(json["error"].as_str().is_some_and(|error| !error.is_empty()));
    }
    assert_eq!(dir.path().read_dir().unwrap().count(), 0, "a refused command line leaves nothing behind");
}

#[test]
fn the_environment_may_ask_for_json() {
    let mix = crate::mix::Mix::released();
    for (value, is_json) in [("1", true), ("true", true), ("0", false), ("", false)] {
        let ended = mix.run_with("CLEARWELL_JSON", value, &["releases", "--store", "store"]).expect(0);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&ended.stdout).is_ok(), is_json, "{value:?}");
        let refused = mix.run_with("CLEARWELL_JSON", value, &["releases", "--frob"]).expect(2);
        assert_eq!(refused.stdout.contains("\"exit\":2"), is_json, "{value:?}: {}", refused.stdout);
    }
}

//! Progress and colours: on a terminal, on pipes, and as JSON.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::mix::Mix;
use crate::run::{Ended, clearwell};

/// Releases 10 and 20, something to release after them, and a www tree.
fn mix() -> Mix {
    let mix = Mix::changed();
    mix.build(&["--version", "20", "--deltas", "0"]).expect(0);
    mix.change("thirty");
    clearwell_testkit::sample_www(&mix.path("www"));
    mix
}

/// Commands that take long, with the phases that each goes through.
const LONG: [(&str, &[&str]); 8] = [
    ("check", &["read", "manifests"]),
    ("deltas --to 20 --last 1", &["deltas 20", "packs 20", "prepare 20", "release 20"]),
    ("verify --from 10", &["pointers", "install 20", "signature 20", "bundles 20", "fullfiles 20", "update 10 to 20"]),
    ("adopt www --store other", &["read", "store"]),
    (
        "build",
        &[
            "scan",
            "plan",
            "guard plan",
            "sign",
            "make",
            "deltas",
            "packs",
            "prepare",
            "guard release",
            "release",
            "publish",
        ],
    ),
    ("backup copy", &["copy"]),
    ("restore copy --store restored", &["copy"]),
    ("gc --keep 1 --grace 0 --settle 0", &["plan", "remove"]),
];

#[test]
fn each_phase_is_one_line_with_its_name() {
    let mix = mix();
    for (command, phases) in LONG {
        let words: Vec<&str> = command.split(' ').collect();
        let ended = mix.run(&words).expect(0);
        let mut told: Vec<&str> = Vec::new();
        for line in ended.stderr.lines().filter(|line| !line.starts_with("warning: ")) {
            let (name, seconds) = line.split_at(18);
            let seconds = seconds.trim_start().split(' ').next().unwrap();
            assert!(seconds.parse::<f64>().is_ok(), "{command}: {line:?}");
            told.push(name.trim_end());
        }
        let mut distinct = told.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), told.len(), "{command}: a phase has two lines in\n{}", ended.stderr);
        for phase in phases {
            assert!(told.contains(phase), "{command}: no {phase:?} in\n{}", ended.stderr);
        }
        assert!(!ended.stderr.contains('\u{1b}') && !ended.stdout.contains('\u{1b}'), "{command}");
    }
}

#[test]
fn events_are_json_and_counts_never_go_back() {
    let mix = mix();
    for (command, phases) in LONG {
        let words: Vec<&str> = command.split(' ').chain(["--progress", "json", "--json"]).collect();
        let ended = mix.run(&words).expect(0);
        let mut running: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let mut finished = Vec::new();
        for line in ended.stderr.lines() {
            let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{command}: {error}: {line}"));
            let number = |key: &str| event[key].as_u64().unwrap_or_else(|| panic!("{command}: no {key} in {line}"));
            let phase = event["phase"].as_str().unwrap_or_default().to_owned();
            match event["event"].as_str().unwrap() {
                "started" => {
                    let _ = (number("total"), number("total-bytes"));
                    let name = match event["object"].as_str() {
                        Some(object) => format!("{phase} {object}"),
                        None => phase.clone(),
                    };
                    assert_eq!(running.insert(phase, (0, 0)), None, "{command}: {line}");
                    finished.push(name);
                }
                kind @ ("advanced" | "finished") => {
                    let now = (number("done"), number("bytes"));
                    let last = running[&phase];
                    assert!(last.0 <= now.0 && last.1 <= now.1, "{command}: {phase} goes back in {line}");
                    running.insert(phase.clone(), now);
                    if kind == "finished" {
                        running.remove(&phase);
                    }
                }
                "warning" => assert!(event["text"].is_string()),
                other => panic!("{command}: {other}"),
            }
        }
        assert!(running.is_empty(), "{command}: {running:?}");
        for phase in phases {
            assert!(finished.iter().any(|name| name == phase), "{command}: no {phase:?} in {finished:?}");
        }
    }
}

/// A pseudo-terminal: its controlling side, and the name of the side for programs.
fn terminal(columns: u16) -> (File, PathBuf) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let size = rustix::termios::Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&person, size).unwrap();
    let name = ptsname(&person, Vec::new()).unwrap();
    (File::from(person), PathBuf::from(name.to_str().unwrap()))
}

/// Runs on a terminal with this number of columns and types `typed`; returns the exit code and all output.
fn on_terminal(columns: u16, typed: &str, mut command: Command) -> (Option<i32>, String) {
    let (mut person, name) = terminal(columns);
    let open = || File::options().read(true).write(true).open(&name).unwrap();
    let mut child = command.stdin(open()).stdout(open()).stderr(open()).spawn().unwrap();
    // It has the child's descriptors open: reading would never end.
    drop(command);
    person.write_all(typed.as_bytes()).unwrap();
    let (mut shown, mut buffer) = (Vec::new(), [0; 4096]);
    // Linux reports a terminal without users as an error.
    while let Ok(count @ 1..) = person.read(&mut buffer) {
        shown.extend_from_slice(&buffer[..count]);
    }
    (child.wait().unwrap().code(), String::from_utf8_lossy(&shown).into_owned())
}

/// The binary with variables that concern terminals.
fn with(mix: &Mix, words: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = clearwell(mix.dir(), words);
    command.env("TERM", "xterm").envs(variables.iter().copied());
    command
}

/// What is on a screen after `written`: lines, with the movements of the cursor that bars make.
fn screen(written: &str) -> Vec<String> {
    let (mut lines, mut row): (Vec<String>, usize) = (vec![String::new()], 0);
    let mut rest = written;
    while let Some(next) = rest.chars().next() {
        if let Some(escape) = rest.strip_prefix("\u{1b}[") {
            let end = escape.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(escape.len() - 1);
            let number = escape[..end].parse::<usize>().unwrap_or(1);
            match &escape[end..=end] {
                "A" => row = row.saturating_sub(number),
                "B" => row += number,
                "K" => lines[row].clear(),
                _ => {}
            }
            rest = &escape[end + 1..];
            continue;
        }
        match next {
            '\n' => row += 1,
            '\r' => {}
            letter => lines[row].push(letter),
        }
        while lines.len() <= row {
            lines.push(String::new());
        }
        rest = &rest[next.len_utf8()..];
    }
    lines
}

#[test]
fn a_terminal_gets_a_bar_for_each_phase_and_keeps_it() {
    let mix = mix();
    for columns in [100, 80, 40, 20] {
        for (command, phases) in [LONG[0], LONG[2]] {
            let words: Vec<&str> = command.split(' ').collect();
            let (code, written) = on_terminal(columns, "", with(&mix, &words, &[]));
            assert_eq!(code, Some(0), "{command}: {written}");
            let screen = screen(&written);
            for phase in phases {
                let lines = screen.iter().filter(|line| {
                    line.strip_prefix(phase).is_some_and(|rest| rest.starts_with(' ') && !rest.contains("ok"))
                });
                assert!(lines.count() >= 1, "{command}: no {phase} at {columns} columns in\n{screen:#?}");
            }
        }
    }
}

/// True if a text selects a colour, a weight or another rendition (SGR of ECMA-48), whatever it does to the cursor.
fn has_colours(shown: &str) -> bool {
    shown
        .split("\u{1b}[")
        .skip(1)
        .any(|rest| rest.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ';').starts_with('m'))
}

#[test]
fn warnings_and_errors_have_colours_on_a_terminal_only() {
    let mix = Mix::released();
    let failing = ["verify", "--nosigcheck", "--version", "99"];
    let (code, shown) = on_terminal(100, "", with(&mix, &failing, &[]));
    assert_eq!(code, Some(4), "{shown}");
    assert!(shown.contains("\u{1b}[1;31merror:\u{1b}[0m there is no release 99"), "{shown:?}");
    let warned = ["verify", "--nosigcheck"];
    let (code, shown) = on_terminal(100, "", with(&mix, &warned, &[]));
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("\u{1b}[1;33mwarning:\u{1b}[0m signatures are not checked"), "{shown:?}");
    for (words, variable) in [
        (&failing[..], ("NO_COLOR", "1")),
        (&warned, ("NO_COLOR", "1")),
        (&failing, ("TERM", "dumb")),
        (&["verify", "--versoin"], ("TERM", "dumb")),
        (&["verify", "--help"], ("TERM", "dumb")),
        (&["verify", "--version", "99", "--json"], ("TERM", "xterm")),
    ] {
        // Services that build set CI, because their logs show colours; a terminal is still what TERM says.
        for ci in [None, Some(("CI", "true"))] {
            let variables: Vec<_> = [Some(variable), ci].into_iter().flatten().collect();
            let (_, shown) = on_terminal(100, "", with(&mix, words, &variables));
            assert!(!has_colours(&shown), "{words:?} {variables:?}: {shown:?}");
        }
    }
    // A terminal that cannot move its cursor gets lines.
    let (_, shown) = on_terminal(100, "", with(&mix, &["check"], &[("TERM", "dumb")]));
    assert!(!shown.contains('\u{1b}') && shown.contains("read  "), "{shown:?}");
    // A pipe is plain, also where colours are forced.
    let ended = Ended::of(&mut with(&mix, &warned, &[("CLICOLOR_FORCE", "1")])).expect(0);
    assert!(!ended.stderr.contains('\u{1b}'), "{:?}", ended.stderr);
}

#[test]
fn init_asks_at_a_terminal_for_the_url() {
    let mix = Mix::new();
    for (name, typed, expected) in [
        ("one", "\n", "# content-url = "),
        ("two", "here\nhttps://updates.example.org\n", "\ncontent-url = \"https://updates.example.org\""),
    ] {
        let (code, shown) = on_terminal(80, typed, with(&mix, &["init", name], &[]));
        assert_eq!(code, Some(0), "{shown}");
        assert!(shown.contains("URL from which endpoints will fetch content"), "{shown}");
        let config = std::fs::read_to_string(mix.path(name).join("clearwell.toml")).unwrap();
        assert!(config.contains(expected), "{config}");
    }
}

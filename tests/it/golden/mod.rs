//! Golden scenarios: what the reference generator made of known inputs, made again (the README of the fixtures).
//!
//! ```text
//! tests/fixtures/golden/<scenario>/scenario.json    what goes in
//!                                  expected/        what the reference made of it
//! ```
//!
//! `CLEARWELL_GOLDEN` names more folders, separated by colons: a scenario, or a folder of scenarios. A scenario whose
//! `quirks` name a mistake of the reference that is not repeated is not compared here; those of the fixtures have a
//! test each in [`decisions`].

mod compare;
mod content;
mod decisions;
mod replay;
mod scenario;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use replay::Replay;
use scenario::Scenario;

/// Mistakes of the reference that this generator does not repeat (spec, manifest 6). What it does instead, and why, is
/// beside the tests of [`decisions`].
const NOT_REPEATED: [&str; 6] = [
    "include-cycle-loses-files",
    "debuginfo-skips-neighbours",
    "illegal-directory-keeps-children",
    "optimized-links-always-change",
    "also-add-before-29-always-changes",
    "full-directory-becomes-file",
];

#[test]
fn golden_scenarios_are_reproduced() {
    let folders = scenario_folders();
    assert!(folders.len() >= 26, "the fixtures have 26 scenarios, found {}", folders.len());
    let mut compared = 0;
    let mut failures = Vec::new();
    for folder in folders {
        let scenario = Scenario::read(&folder);
        let replay = Replay::run(&scenario);
        if scenario.quirks.iter().any(|quirk| NOT_REPEATED.contains(&quirk.as_str())) {
            continue;
        }
        compared += 1;
        let differences = compare::all(&folder, &scenario, &replay);
        if !differences.is_empty() {
            failures.push(format!("{} ({}):\n  {}", scenario.name, folder.display(), differences.join("\n  ")));
        }
    }
    assert!(compared >= 20, "only {compared} scenarios were compared");
    assert!(failures.is_empty(), "{} of {compared} scenarios differ\n\n{}", failures.len(), failures.join("\n\n"));
}

/// The folder of one of the fixtures.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden").join(name)
}

fn scenario_folders() -> Vec<PathBuf> {
    let more = env::var_os("CLEARWELL_GOLDEN").unwrap_or_default();
    let roots = env::split_paths(&more).filter(|path| !path.as_os_str().is_empty());
    let mut folders = Vec::new();
    for root in [fixture("")].into_iter().chain(roots) {
        if root.join("scenario.json").exists() {
            folders.push(root);
            continue;
        }
        let entries = fs::read_dir(&root).unwrap_or_else(|error| panic!("{}: {error}", root.display()));
        let mut found: Vec<PathBuf> =
            entries.map(|entry| entry.unwrap().path()).filter(|path| path.join("scenario.json").exists()).collect();
        assert!(!found.is_empty(), "{} is neither a scenario nor a folder of scenarios", root.display());
        found.sort();
        folders.append(&mut found);
    }
    folders
}

//! Golden scenarios: known inputs and the output of the reference generator for them, reproduced (see the README of the
//! fixtures).
//!
//! ```text
//! tests/fixtures/golden/<scenario>/scenario.json    the input
//!                                  expected/        the output of the reference
//! ```
//!
//! `CLEARWELL_GOLDEN` names more folders, separated by colons: a scenario, or a folder of scenarios. A scenario whose
//! `quirks` name a bug of the reference that is not repeated is not compared here; those of the fixtures have a
//! test each in [`decisions`].

mod compare;
mod content;
mod decisions;
mod made;
mod replay;
mod scenario;
mod updates;
mod workspace;

use std::collections::{BTreeMap, HashSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clearwell_format::{BundleName, EntryPath, FileHash, FileKind, Manifest, Variant};

use replay::Replay;
use scenario::Scenario;

/// Bugs of the reference that this generator does not repeat (manifest §6). What it does instead, and why, is in the
/// comments of [`decisions`].
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
    assert!(folders.len() >= 27, "the fixtures have 27 scenarios, found {}", folders.len());
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
    assert!(compared >= 21, "only {compared} scenarios were compared");
    assert!(failures.is_empty(), "{} of {compared} scenarios differ\n\n{}", failures.len(), failures.join("\n\n"));
}

/// An endpoint that installs a bundle gets every file that the bundle lists: from its manifest or from an included one.
#[test]
fn golden_releases_lose_no_file_that_a_bundle_lists() {
    let mut checked = 0;
    for folder in scenario_folders() {
        let replay = Replay::run(&Scenario::read(&folder));
        for (version, release) in &replay.releases {
            let tree = &release.inputs.tree;
            let bans = |path: &EntryPath| release.inputs.debuginfo.bans(path);
            let illegal = |path: &EntryPath| path.as_bytes().iter().any(|byte| b";&|*`<>\\\"'\x07".contains(byte));
            for bundle in &release.inputs.bundles {
                let installed = installed_with(&release.manifests.bundles, &bundle.name);
                for node in bundle.files.iter().map(|listed| tree.node(listed.node)) {
                    let optimised = Variant::split(node.path.as_bytes()).0 != Variant::Sse;
                    if node.kind() == FileKind::Directory || optimised || bans(&node.path) || illegal(&node.path) {
                        continue;
                    }
                    let found = installed.contains(&(&node.path, node.hash));
                    assert!(found, "{}, {version}: {} of {} is lost", folder.display(), node.path, bundle.name);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 1000, "{checked}");
}

/// The bundles that an endpoint with `bundle` gets: the bundle and everything that it includes, directly or not.
fn installed_with<'m>(
    manifests: &'m BTreeMap<BundleName, Arc<Manifest>>,
    bundle: &BundleName,
) -> HashSet<(&'m EntryPath, FileHash)> {
    let mut installed = HashSet::new();
    let mut seen = HashSet::new();
    let mut next = vec![bundle];
    while let Some(name) = next.pop() {
        if let Some(manifest) = manifests.get(name).filter(|_| seen.insert(name)) {
            installed.extend(manifest.present().map(|entry| (&entry.path, entry.hash())));
            next.extend(&manifest.header.includes);
        }
    }
    installed
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

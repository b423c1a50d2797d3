//! Compares a plan with the output of the reference.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use clearwell_format::pack::PackMember;
use clearwell_format::resource::{Artifact, Pointer};
use clearwell_format::{FileHash, FileKind, Version, pointer};
use clearwell_generate::plan::{Origin, PackPlan};
use clearwell_generate::tree::{Body, Node};

use super::replay::{Released, Replay};
use super::scenario::Scenario;

/// One line per difference; empty if there are none.
pub(super) fn all(folder: &Path, scenario: &Scenario, replay: &Replay) -> Vec<String> {
    let expected = folder.join("expected");
    let mut differences = Vec::new();
    for outcome in &replay.commands {
        let (version, command, why) = (outcome.version, outcome.command, &outcome.why);
        match (&outcome.refusal, outcome.refused_by_reference) {
            (Some(refusal), false) => differences.push(format!("{version}: command {command} was refused: {refusal}")),
            (None, true) => differences.push(format!("{version}: command {command} should be refused: {why}")),
            _ => {}
        }
    }
    pointers(&expected, replay, &mut differences);
    let ties = ties(&expected);
    for input in &scenario.versions {
        let version = Version::new(input.version).unwrap();
        let folder = expected.join(version.to_string());
        match replay.releases.get(&version) {
            Some(release) => {
                manifests(&folder, version, release, &ties, &mut differences);
                let format = release.inputs.release.format.to_string();
                bytes(&folder.join("format"), format.as_bytes(), &mut differences);
                fullfiles(&folder, version, release, &mut differences);
                packs(&folder, version, replay, &mut differences);
            }
            None if folder.join("Manifest.MoM").exists() => differences.push(format!("{version} was not released")),
            None => {}
        }
    }
    differences
}

fn pointers(expected: &Path, replay: &Replay, differences: &mut Vec<String>) {
    let mut ours: BTreeMap<String, Version> =
        replay.latest.iter().map(|(format, version)| (Pointer::Latest(*format).to_string(), *version)).collect();
    ours.extend(replay.latest_version.map(|version| (Pointer::LatestVersion.to_string(), version)));
    let mut theirs = BTreeSet::new();
    for entry in fs::read_dir(expected.join("version")).unwrap() {
        let path = entry.unwrap().path();
        let file = if path.is_dir() { path.join("latest") } else { path };
        theirs.insert(file.strip_prefix(expected).unwrap().to_str().unwrap().to_owned());
    }
    if theirs != ours.keys().cloned().collect() {
        differences.push(format!("pointers: expected {theirs:?}, made {:?}", ours.keys()));
    }
    for (name, version) in ours {
        bytes(&expected.join(name), &pointer::to_bytes(version), differences);
    }
}

/// Manifests in which the order of lines with equal version and path is undefined.
fn ties(expected: &Path) -> BTreeSet<String> {
    match fs::read(expected.join("ties.json")) {
        Ok(text) => serde_json::from_slice(&text).unwrap(),
        Err(_) => BTreeSet::new(),
    }
}

fn manifests(
    folder: &Path,
    version: Version,
    release: &Released,
    ties: &BTreeSet<String>,
    differences: &mut Vec<String>,
) {
    let plan = &release.plan;
    let mut ours: BTreeMap<String, Vec<u8>> = plan
        .bundles
        .iter()
        .map(|planned| (format!("Manifest.{}", planned.bundle), planned.manifest.to_bytes()))
        .collect();
    ours.insert("Manifest.full".into(), plan.full.to_bytes());
    ours.insert("Manifest.MoM".into(), plan.mom.to_bytes());
    let theirs: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("Manifest."))
        .collect();
    for name in theirs.difference(&ours.keys().cloned().collect()) {
        differences.push(format!("{version}/{name} was not made"));
    }
    for (name, bytes) in ours {
        let path = folder.join(&name);
        let Ok(expected) = fs::read(&path) else {
            differences.push(format!("{version}/{name} should not have been made"));
            continue;
        };
        let (expected, made) = if ties.contains(&format!("{version}/{name}")) {
            (sorted_entries(&expected), sorted_entries(&bytes))
        } else {
            (expected, bytes)
        };
        differences.extend(first_difference(&format!("{version}/{name}"), &expected, &made));
    }
}

fn sorted_entries(manifest: &[u8]) -> Vec<u8> {
    let blank = manifest.windows(2).position(|pair| pair == b"\n\n").unwrap() + 2;
    let mut lines: Vec<&[u8]> = manifest[blank..].split_inclusive(|&byte| byte == b'\n').collect();
    lines.sort_unstable();
    [&manifest[..blank], &lines.concat()].concat()
}

pub(super) fn bytes(path: &Path, made: &[u8], differences: &mut Vec<String>) {
    match fs::read(path) {
        Ok(expected) => differences.extend(first_difference(&path.display().to_string(), &expected, made)),
        Err(error) => differences.push(format!("{}: {error}", path.display())),
    }
}

fn first_difference(name: &str, expected: &[u8], made: &[u8]) -> Option<String> {
    if expected == made {
        return None;
    }
    let lines =
        |bytes: &[u8]| -> Vec<String> { String::from_utf8_lossy(bytes).split('\n').map(str::to_owned).collect() };
    let (expected, made) = (lines(expected), lines(made));
    let at = expected.iter().zip(&made).take_while(|(a, b)| a == b).count();
    let show = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "the end".into());
    Some(format!("{name}, line {}: expected {:?}, made {:?}", at + 1, show(&expected), show(&made)))
}

fn fullfiles(folder: &Path, version: Version, release: &Released, differences: &mut Vec<String>) {
    let ours: BTreeSet<String> = release
        .plan
        .fullfiles
        .iter()
        .map(|fullfile| {
            let Origin::Tree(node) = fullfile.origin else {
                return format!("{} is not in the tree", fullfile.hash);
            };
            let name = Artifact::Fullfile(fullfile.hash).to_string();
            let file = name.strip_prefix("files/").unwrap();
            format!("{file}\t{}\t{}", fullfile.hash, columns(release.inputs.tree.node(node)))
        })
        .collect();
    let theirs: BTreeSet<String> = rows(&folder.join("fullfiles.tsv")).into_iter().map(|row| row.join("\t")).collect();
    for row in theirs.difference(&ours) {
        differences.push(format!("{version}: fullfile not made: {row}"));
    }
    for row in ours.difference(&theirs) {
        differences.push(format!("{version}: fullfile made without need: {row}"));
    }
}

/// Type, mode, uid, gid, size and link of a member.
fn columns(node: &Node) -> String {
    let (kind, mode, link) = match &node.body {
        Body::Directory => ("dir", node.owner.permissions, "-".into()),
        Body::Link(target) => ("symlink", 0o777, String::from_utf8_lossy(target).into_owned()),
        Body::File { .. } => ("file", node.owner.permissions, "-".into()),
    };
    let size = if node.kind() == FileKind::File { node.size() } else { 0 };
    format!("{kind}\t{mode:04o}\t{}\t{}\t{size}\t{link}", node.owner.uid, node.owner.gid)
}

/// The loose rule: the same packs, each with at least the hashes of the reference's pack and only content of the bundle.
fn packs(folder: &Path, version: Version, replay: &Replay, differences: &mut Vec<String>) {
    let mut theirs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows(&folder.join("packs.tsv")) {
        theirs.entry(row[0].clone()).or_default().extend(provided(&row[2]));
    }
    let all = replay.releases.values().flat_map(|release| release.plan.packs.iter().chain(&release.packs));
    let ours: BTreeMap<String, &PackPlan> = all
        .filter(|pack| pack.to == version)
        .map(|pack| (Artifact::Pack { bundle: pack.bundle.clone(), from: pack.from }.to_string(), pack))
        .collect();
    for (name, hashes) in &theirs {
        let Some(pack) = ours.get(name) else {
            differences.push(format!("{version}/{name} was not made"));
            continue;
        };
        let held: Vec<String> = pack.items.iter().map(|item| item.hash.to_string()).collect();
        for hash in hashes.iter().filter(|hash| held.iter().all(|held| !held.starts_with(*hash))) {
            differences.push(format!("{version}/{name} lacks {hash}"));
        }
    }
    for (name, pack) in &ours {
        if !theirs.contains_key(name) {
            differences.push(format!("{version}/{name} should not have been made"));
        }
        let manifest = replay.manifest(version.number(), pack.bundle.as_str());
        let content: BTreeSet<FileHash> = manifest.present().map(|entry| entry.hash()).collect();
        for item in pack.items.iter().filter(|item| !content.contains(&item.hash)) {
            differences.push(format!("{version}/{name} contains {}, which is not in the bundle", item.hash));
        }
    }
}

/// The hash that a member of a pack provides. The recorded name of a delta is cut off at the length of
/// a tar header, so only the first digits of its second hash are known.
pub(super) fn provided(member: &str) -> Option<String> {
    if let Some(delta) = member.strip_prefix("delta/10-20-") {
        let (_, to) = delta.split_once('-').unwrap();
        assert!(to.len() >= 20, "{member}");
        return Some(to.to_owned());
    }
    match PackMember::parse(member.as_bytes()) {
        Some(PackMember::Staged(hash)) => Some(hash.to_string()),
        Some(PackMember::Folder) => None,
        _ => panic!("{member}"),
    }
}

/// The rows of a table without its heading.
pub(super) fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

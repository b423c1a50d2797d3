//! Delta packs and delta manifests of the scenarios, made in a store and compared by the loose rule of their README: every
//! delta pack and delta manifest of the reference exists, and each pack provides what the reference's pack provides.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use clearwell_delta::patch;
use clearwell_format::archive::{ArchiveError, read_members, single_member};
use clearwell_format::pack::PackMember;
use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, FileHash, ManifestName, Owner, Resource, Version};
use clearwell_generate::build::{BuildOptions, build};
use clearwell_generate::deltas::{DeltaOptions, Sources, add_deltas};
use clearwell_generate::guard::Rule;
use clearwell_generate::progress::Silent;
use clearwell_store::Store;

use super::compare::{provided, rows};
use super::replay::Replay;
use super::scenario::{Command, Scenario};
use super::{NOT_REPEATED, scenario_folders};

#[test]
fn golden_endpoints_update_from_packs() {
    let mut failures = Vec::new();
    let mut packs = 0;
    for folder in scenario_folders() {
        let scenario = Scenario::read(&folder);
        let asks = scenario.versions.iter().flat_map(|input| &input.commands).any(|command| request(command).is_some());
        if !asks || scenario.quirks.iter().any(|quirk| NOT_REPEATED.contains(&quirk.as_str())) {
            continue;
        }
        let place = tempfile::tempdir().unwrap();
        let store = Store::create(place.path().join("store")).unwrap();
        let mut differences = Vec::new();
        release(&scenario, &store);
        requests(&scenario, &store, &mut differences);
        for version in store.releases().unwrap() {
            let folder = folder.join("expected").join(version.to_string());
            packs += compare_packs(&folder, version, &store, &mut differences);
            if same_requests(&scenario) {
                superfluous_packs(&folder, version, &store, &mut differences);
            }
            compare_manifests(&folder, version, &store, &mut differences);
        }
        if !differences.is_empty() {
            failures.push(format!("{} ({}):\n  {}", scenario.name, folder.display(), differences.join("\n  ")));
        }
    }
    assert!(packs > 20, "only {packs} packs were compared");
    assert!(failures.is_empty(), "{} scenarios differ\n\n{}", failures.len(), failures.join("\n\n"));
}

/// What a command asks for, if it asks for deltas: `--to`, and where endpoints come from.
fn request(command: &Command) -> Option<(Option<Version>, Sources)> {
    let argv: Vec<&str> = command.argv.iter().map(String::as_str).collect();
    let ["build", "delta-packs" | "delta-manifests", options @ ..] = argv.as_slice() else { return None };
    let value = |name: &str| {
        let place = options.iter().position(|option| *option == name)?;
        options[place + 1].parse::<Version>().ok()
    };
    let sources = match (value("--from"), value("--previous-versions")) {
        (Some(from), None) => Sources::Releases(vec![from]),
        (None, Some(count)) => Sources::Last(count.number() as usize),
        // Refused before anything is read.
        _ => return None,
    };
    Some((value("--to"), sources))
}

/// Releases every version, without delta packs.
fn release(scenario: &Scenario, store: &Store) {
    let replay = Replay::run(scenario);
    for released in replay.releases.values() {
        let mut options = BuildOptions::new(released.inputs.release.timestamp);
        options.deltas = 0;
        options.allowed = Rule::ALL.iter().copied().filter(|rule| rule.allowable()).collect();
        build(&released.inputs, &mut store.writer("test").unwrap(), None, &options, &Silent).unwrap();
    }
}

/// Runs all commands for deltas, after all versions were released.
fn requests(scenario: &Scenario, store: &Store, differences: &mut Vec<String>) {
    let mut writer = store.writer("test").unwrap();
    for input in &scenario.versions {
        for command in &input.commands {
            let Some((to, sources)) = request(command) else { continue };
            let to = to.unwrap_or_else(|| Version::new(input.version).unwrap());
            if sources == Sources::Releases(vec![to]) {
                continue;
            }
            match (add_deltas(&mut writer, to, &sources, &DeltaOptions::default(), &Silent), command.exit) {
                (Ok(added), 0) => differences.extend(added.warnings),
                (Err(error), 0) => differences.push(format!("{:?}: {error:?}", command.argv)),
                (Ok(added), _) => differences.push(format!("{:?} is not refused: {added:?}", command.argv)),
                (Err(_), _) => {}
            }
        }
    }
}

/// Returns the number of delta packs that the reference has.
fn compare_packs(folder: &Path, version: Version, store: &Store, differences: &mut Vec<String>) -> usize {
    let mut theirs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows(&folder.join("packs.tsv")).iter().filter(|row| !row[0].ends_with("-from-0.tar")) {
        theirs.entry(row[0].clone()).or_default().extend(provided(&row[2]));
    }
    for (name, expected) in &theirs {
        let artifact = Artifact::from_path(name).unwrap();
        let Artifact::Pack { bundle, from: Some(from) } = &artifact else { panic!("{name}") };
        let resource = Resource::of(version, artifact.clone());
        if store.lookup(&resource).unwrap().is_none() {
            differences.push(format!("{resource} is missing"));
            continue;
        }
        let ours = bring(&resource, &everything_at(*from, store), store);
        let content = &manifest(bundle, version, store);
        for hash in expected.iter().filter(|hash| !ours.iter().any(|ours| ours.to_string().starts_with(*hash))) {
            differences.push(format!("{resource} lacks {hash}"));
        }
        for hash in ours.iter().filter(|hash| !content.contains(hash)) {
            differences.push(format!("{resource} brings {hash}, which is not in the bundle"));
        }
    }
    theirs.len()
}

/// One command makes delta packs and delta manifests here; in some scenarios the reference made only one of them.
fn same_requests(scenario: &Scenario) -> bool {
    let of = |kind: &str| -> BTreeSet<String> {
        let commands =
            scenario.versions.iter().flat_map(|input| input.commands.iter().map(move |command| (input, command)));
        let asked = commands.filter(|(_, command)| command.argv.get(1).is_some_and(|argument| argument == kind));
        asked.map(|(input, command)| format!("{} {:?}", input.version, request(command))).collect()
    };
    of("delta-manifests").is_subset(&of("delta-packs"))
}

fn superfluous_packs(folder: &Path, version: Version, store: &Store, differences: &mut Vec<String>) {
    let theirs: BTreeSet<String> = rows(&folder.join("packs.tsv")).into_iter().map(|row| row[0].clone()).collect();
    for (artifact, _) in store.index(version).unwrap().to_map().unwrap() {
        if matches!(artifact, Artifact::Pack { .. }) && !theirs.contains(&artifact.to_string()) {
            differences.push(format!("{version}/{artifact} is one too many"));
        }
    }
}

/// The hashes that a pack provides to an endpoint with `files`.
fn bring(resource: &Resource, files: &HashMap<FileHash, Vec<u8>>, store: &Store) -> BTreeSet<FileHash> {
    let mut brought = BTreeSet::new();
    read_members::<ArchiveError>(&store.read(resource).unwrap()[..], |mut member| {
        let mut bytes = Vec::new();
        let found = member.hash(&mut bytes)?;
        match PackMember::parse(&member.header.name).unwrap() {
            PackMember::Folder => return Ok(()),
            PackMember::Staged(hash) => assert_eq!(found, hash, "{resource}"),
            PackMember::Delta(name) => {
                let new = patch(&files[&name.from], &bytes).unwrap();
                let owner = Owner { permissions: new.meta.mode & 0o7777, uid: new.meta.uid, gid: new.meta.gid };
                assert_eq!(FileHash::of_file(&new.bytes, owner), name.to, "{resource}");
                assert!(brought.insert(name.to), "{resource}");
                return Ok(());
            }
        }
        assert!(brought.insert(found), "{resource}");
        Ok(())
    })
    .unwrap();
    brought
}

/// The regular files of a release, except those of paths with optimised builds.
fn everything_at(release: Version, store: &Store) -> HashMap<FileHash, Vec<u8>> {
    let mut files = HashMap::new();
    for entry in store.mom(release).unwrap().bundles() {
        for entry in store.bundle_manifest(entry).unwrap().present() {
            if entry.is_file() && entry.modifier == clearwell_format::Modifier::NONE {
                let fullfile = Resource::of(entry.version, Artifact::Fullfile(entry.hash()));
                if let Ok(fullfile) = store.read(&fullfile) {
                    files.insert(entry.hash(), single_member(&fullfile, 1 << 30).unwrap().1);
                }
            }
        }
    }
    files
}

fn manifest(bundle: &BundleName, version: Version, store: &Store) -> BTreeSet<FileHash> {
    let manifest = store.manifest(version, &ManifestName::Bundle(bundle.clone())).unwrap();
    manifest.present().map(|entry| entry.hash()).collect()
}

/// Those of the reference exist, if smaller than the manifest itself, and all that exist are right.
fn compare_manifests(folder: &Path, version: Version, store: &Store, differences: &mut Vec<String>) {
    for row in rows(&folder.join("delta-manifests.tsv")).iter().filter(|row| row[1] == "made") {
        let artifact = Artifact::from_path(&row[0]).unwrap();
        let Artifact::DeltaManifest { bundle, .. } = &artifact else { panic!("{}", row[0]) };
        let archive = Resource::of(version, Artifact::ManifestTar(ManifestName::Bundle(bundle.clone())));
        let whole = store.lookup(&archive).unwrap().unwrap().size;
        if store.lookup(&Resource::of(version, artifact.clone())).unwrap().is_none()
            && row[2].parse::<u64>().unwrap() < whole
        {
            differences.push(format!("{version}/{artifact} is missing"));
        }
    }
    for (artifact, _) in store.index(version).unwrap().to_map().unwrap() {
        let Artifact::DeltaManifest { bundle, from } = &artifact else { continue };
        let name = ManifestName::Bundle(bundle.clone());
        let plain = |version| store.read(&Resource::of(version, Artifact::Manifest(name.clone()))).unwrap();
        let new = patch(&plain(*from), &store.read(&Resource::of(version, artifact.clone())).unwrap()).unwrap();
        if new.bytes != plain(version) || (new.meta.mode, new.meta.uid, new.meta.gid) != (0o100_644, 0, 0) {
            differences.push(format!("{version}/{artifact} makes another manifest"));
        }
    }
}

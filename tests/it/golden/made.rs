//! The scenarios as real releases in a store: the contents of archives are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use clearwell_format::archive::{MemberHeader, read_members};
use clearwell_format::pack::PackMember;
use clearwell_format::resource::{Artifact, Pointer};
use clearwell_format::{BundleName, FileHash, FileKind, ManifestName, Resource, Version};
use clearwell_generate::build::{BuildOptions, build};
use clearwell_generate::guard::Rule;
use clearwell_generate::progress::Silent;
use clearwell_store::Store;

use super::compare::{self, rows};
use super::replay::{Released, Replay};
use super::scenario::Scenario;
use super::{NOT_REPEATED, scenario_folders};

#[test]
fn golden_scenarios_are_released() {
    let mut failures = Vec::new();
    for folder in scenario_folders() {
        let scenario = Scenario::read(&folder);
        if scenario.quirks.iter().any(|quirk| NOT_REPEATED.contains(&quirk.as_str())) {
            continue;
        }
        // The guard refuses a release without fullfiles: endpoints could not repair themselves (020 has two gigabytes).
        let replay = Replay::run(&scenario);
        if replay.releases.values().any(|release| release.plan.fullfiles.is_empty()) {
            continue;
        }
        let differences = release(&folder, &replay);
        if !differences.is_empty() {
            failures.push(format!("{} ({}):\n  {}", scenario.name, folder.display(), differences.join("\n  ")));
        }
    }
    assert!(failures.is_empty(), "{} scenarios differ\n\n{}", failures.len(), failures.join("\n\n"));
}

/// Releases all versions of a scenario, in sequence, and returns every difference.
fn release(folder: &Path, replay: &Replay) -> Vec<String> {
    let expected = folder.join("expected");
    let place = tempfile::tempdir().unwrap();
    let store = Store::create(place.path().join("store")).unwrap();
    let mut differences = Vec::new();
    for (version, released) in &replay.releases {
        let mut options = BuildOptions::new(released.inputs.release.timestamp);
        options.deltas = 2;
        // Scenarios show what a generator does, even where it harms endpoints.
        options.allowed = Rule::ALL.iter().copied().filter(|rule| rule.allowable()).collect();
        let mut writer = store.writer("test").unwrap();
        if let Err(error) = build(&released.inputs, &mut writer, None, &options, &Silent) {
            differences.push(format!("{version} was not released: {error:?}"));
            return differences;
        }
    }
    store.refresh();
    for (version, released) in &replay.releases {
        let folder = expected.join(version.to_string());
        text_files(&folder, &store, *version, &mut differences);
        let names = released.plan.bundles.iter().map(|planned| ManifestName::Bundle(planned.bundle.clone()));
        for name in names.chain([ManifestName::Mom, ManifestName::Full]) {
            manifest(&store, *version, &name, released, &mut differences);
        }
        fullfiles(&folder, &store, *version, &mut differences);
        packs(&folder, &store, *version, released, &mut differences);
    }
    pointers(&expected, &store, &mut differences);
    differences
}

fn text_files(folder: &Path, store: &Store, version: Version, differences: &mut Vec<String>) {
    let format = store.read(&Resource::of(version, Artifact::Format)).unwrap();
    compare::bytes(&folder.join("format"), &format, differences);
}

/// Plain and as archive, the manifest that was planned; the plan is compared with the reference elsewhere.
fn manifest(store: &Store, version: Version, name: &ManifestName, released: &Released, differences: &mut Vec<String>) {
    let planned = match name {
        ManifestName::Mom => released.plan.mom.to_bytes(),
        ManifestName::Full => released.plan.full.to_bytes(),
        ManifestName::Bundle(bundle) => {
            released.plan.bundles.iter().find(|planned| planned.bundle == *bundle).unwrap().manifest.to_bytes()
        }
    };
    if store.read(&Resource::of(version, Artifact::Manifest(name.clone()))).unwrap() != planned {
        differences.push(format!("{version}/Manifest.{name} is not what was planned"));
    }
    let archive = store.read(&Resource::of(version, Artifact::ManifestTar(name.clone()))).unwrap();
    let members = members(&archive);
    let (header, hash) = &members[0];
    if members.len() != 1 || header.name != format!("Manifest.{name}").as_bytes() {
        differences.push(format!("{version}/Manifest.{name}.tar contains {:?}", members));
    }
    if *hash != FileHash::of_manifest(&planned) {
        differences.push(format!(
            "{version}/Manifest.{name}.tar contains another manifest, or one with another mode or owner"
        ));
    }
}

fn fullfiles(folder: &Path, store: &Store, version: Version, differences: &mut Vec<String>) {
    let mut ours = BTreeSet::new();
    for (artifact, _) in store.index(version).unwrap().to_map().unwrap() {
        let Artifact::Fullfile(name) = artifact else { continue };
        let members = members(&store.read(&Resource::of(version, artifact.clone())).unwrap());
        let [(header, hash)] = members.as_slice() else {
            differences.push(format!("{version}/{artifact} has {} members", members.len()));
            continue;
        };
        if *hash != name {
            differences.push(format!("{version}/{artifact} contains {hash}"));
        }
        ours.insert(format!("{name}.tar\t{}", columns(header)));
    }
    let theirs: BTreeSet<String> = rows(&folder.join("fullfiles.tsv")).into_iter().map(|row| row.join("\t")).collect();
    differences.extend(theirs.symmetric_difference(&ours).map(|row| format!("{version}: fullfiles differ: {row}")));
}

/// The zero packs are those of the reference; delta packs may be between other versions. Every member of a pack is what
/// its name says, and content of the bundle; where the reference has the pack, it does not have more members.
fn packs(folder: &Path, store: &Store, version: Version, released: &Released, differences: &mut Vec<String>) {
    let mut theirs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows(&folder.join("packs.tsv")) {
        theirs.entry(row[0].clone()).or_default().extend(compare::provided(&row[2]));
    }
    let mut zero_packs = BTreeSet::new();
    for (artifact, _) in store.index(version).unwrap().to_map().unwrap() {
        let Artifact::Pack { bundle, from } = &artifact else { continue };
        if from.is_none() {
            zero_packs.insert(artifact.to_string());
        }
        let content = content(released, bundle);
        let mut held = Vec::new();
        for (header, hash) in members(&store.read(&Resource::of(version, artifact.clone())).unwrap()) {
            let name = String::from_utf8(header.name.clone()).unwrap();
            let provides = match PackMember::parse(&header.name) {
                Some(PackMember::Folder) if header.owner.permissions == 0o700 => continue,
                Some(PackMember::Staged(named)) if named == hash => named,
                Some(PackMember::Delta(delta)) => delta.to,
                _ => {
                    differences.push(format!("{version}/{artifact}: {name} is {hash}, {header:?}"));
                    continue;
                }
            };
            if !content.contains(&provides) {
                differences.push(format!("{version}/{artifact}: {provides} is not in the bundle"));
            }
            if header.names_owner || header.pax_target {
                differences.push(format!("{version}/{artifact}: {name} names an owner or has a PAX target"));
            }
            held.push(provides.to_string());
        }
        for hash in theirs.get(&artifact.to_string()).into_iter().flatten() {
            if held.iter().all(|held| !held.starts_with(hash.as_str())) {
                differences.push(format!("{version}/{artifact} lacks {hash}"));
            }
        }
    }
    let expected: BTreeSet<String> = theirs.into_keys().filter(|name| name.ends_with("-from-0.tar")).collect();
    differences
        .extend(expected.symmetric_difference(&zero_packs).map(|name| format!("{version}: packs differ: {name}")));
}

fn pointers(expected: &Path, store: &Store, differences: &mut Vec<String>) {
    for (pointer, bytes) in &store.pointers().unwrap().files {
        // The reference reads it from others, but never writes it (manifest §6 quirk 19).
        if matches!(pointer, Pointer::First(_)) {
            continue;
        }
        compare::bytes(&expected.join(pointer.to_string()), bytes, differences);
    }
    for format in fs::read_dir(expected.join("version")).unwrap().map(|entry| entry.unwrap().path()) {
        let file = if format.is_dir() { format.join("latest") } else { format };
        let name = file.strip_prefix(expected).unwrap().to_str().unwrap().to_owned();
        if store.pointers().unwrap().files.keys().all(|pointer| pointer.to_string() != name) {
            differences.push(format!("{name} was not written"));
        }
    }
}

fn content(released: &Released, bundle: &BundleName) -> BTreeSet<FileHash> {
    released.manifests.bundles[bundle].present().map(|entry| entry.hash()).collect()
}

/// The members of an archive, each with the hash of the object that it makes.
fn members(archive: &[u8]) -> Vec<(MemberHeader, FileHash)> {
    let mut members = Vec::new();
    read_members::<clearwell_format::archive::ArchiveError>(archive, |mut member| {
        let hash = member.hash(&mut std::io::sink())?;
        members.push((member.header, hash));
        Ok(())
    })
    .unwrap();
    members
}

/// Member name, type, mode, uid, gid, size and link, as in the tables of the scenarios.
fn columns(header: &MemberHeader) -> String {
    let (kind, link) = match header.kind {
        FileKind::Directory => ("dir", "-".into()),
        FileKind::Link => ("symlink", String::from_utf8_lossy(&header.target).into_owned()),
        FileKind::File => ("file", "-".into()),
    };
    let name = String::from_utf8_lossy(&header.name);
    let owner = header.owner;
    format!("{name}\t{kind}\t{:04o}\t{}\t{}\t{}\t{link}", owner.permissions, owner.uid, owner.gid, header.size)
}

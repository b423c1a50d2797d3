//! Deltas: with an update pack and files that each of them has, endpoints produce what they lack.

use std::collections::{BTreeSet, HashMap};

use clearwell_delta::patch;
use clearwell_format::archive::{ArchiveError, read_members, single_member};
use clearwell_format::pack::{DeltaName, PackMember};
use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, FileHash, FileKind, ManifestName, Owner, Resource, Version};
use clearwell_generate::build::BuildError;
use clearwell_generate::deltas::report::{BaseMatch, Delivery, packs_of};
use clearwell_generate::deltas::{DeltaOptions, Sources, add_deltas};
use clearwell_generate::progress::Silent;
use clearwell_generate::remake::remake_packs;
use clearwell_store::Store;
use clearwell_store::check::{CheckOptions, check};
use clearwell_store::repair::How;
use proptest::prelude::*;

use crate::mix::{Mix, bundle, machine_code, noise, options, pack, snapshot, text, version};

/// The bundles of a release that an endpoint with `bundle` has for certain. Those of a [`Mix`] include os-core only.
fn company(bundle: &BundleName) -> BTreeSet<BundleName> {
    BTreeSet::from([bundle.clone(), BundleName::os_core()])
}

/// The regular files of some bundles at a release.
fn installed(release: Version, bundles: &BTreeSet<BundleName>, store: &Store) -> HashMap<FileHash, Vec<u8>> {
    let mut files = HashMap::new();
    for entry in store.mom(release).unwrap().bundles().filter(|entry| bundles.contains(&entry.bundle)) {
        for entry in store.bundle_manifest(entry).unwrap().present().filter(|entry| entry.is_file()) {
            let fullfile = store.read(&Resource::of(entry.version, Artifact::Fullfile(entry.hash()))).unwrap();
            files.insert(entry.hash(), single_member(&fullfile, 1 << 30).unwrap().1);
        }
    }
    files
}

/// Applies a pack as an endpoint with `files` does. Every delta must find its base, and every member be what it says.
/// A pack that would bring nothing is not there.
fn apply(resource: &Resource, files: &HashMap<FileHash, Vec<u8>>, store: &Store) -> BTreeSet<FileHash> {
    let mut brought = BTreeSet::new();
    if store.lookup(resource).unwrap().is_none() {
        return brought;
    }
    read_members::<ArchiveError>(&store.read(resource).unwrap()[..], |mut member| {
        let mut bytes = Vec::new();
        match PackMember::parse(&member.header.name).unwrap() {
            PackMember::Folder => {}
            PackMember::Staged(hash) => {
                assert_eq!(member.hash(&mut bytes)?, hash);
                assert!(brought.insert(hash), "{resource} brings {hash} twice");
            }
            PackMember::Delta(DeltaName { from, to }) => {
                assert_eq!((member.header.kind, member.header.owner), (FileKind::File, Owner::MANIFEST));
                member.hash(&mut bytes)?;
                let base = files.get(&from).unwrap_or_else(|| panic!("{resource}: endpoints lack {from}"));
                let new = patch(base, &bytes).unwrap();
                let owner = Owner { permissions: new.meta.mode & 0o7777, uid: new.meta.uid, gid: new.meta.gid };
                assert_eq!(FileHash::of_file(&new.bytes, owner), to);
                assert!(brought.insert(to), "{resource} brings {to} twice");
            }
        }
        Ok(())
    })
    .unwrap();
    brought
}

/// Updates an endpoint of every release to every later one, bundle by bundle, by the packs there are.
fn update_everything(store: &Store, reach: usize) {
    let releases = store.releases().unwrap();
    for (place, &to) in releases.iter().enumerate() {
        for &from in &releases[place.saturating_sub(reach)..place] {
            let (old, new) = (store.mom(from).unwrap(), store.mom(to).unwrap());
            for entry in new.bundles() {
                let Some(before) = old.bundle(&entry.bundle).filter(|old| old.version < entry.version) else {
                    continue;
                };
                let files = installed(from, &company(&entry.bundle), store);
                let resource = pack(entry.version.number(), entry.bundle.as_str(), Some(before.version.number()));
                let brought = apply(&resource, &files, store);
                let before = store.bundle_manifest(before).unwrap();
                let had: BTreeSet<_> = before.entries.iter().map(|entry| (&entry.path, entry.hash())).collect();
                let manifest = store.bundle_manifest(entry).unwrap();
                for entry in manifest.present().filter(|entry| !had.contains(&(&entry.path, entry.hash()))) {
                    assert!(brought.contains(&entry.hash()), "{resource} from {from} lacks {}", entry.path);
                }
                let Some(meta) = store.lookup(&resource).unwrap() else { continue };
                let zero = store.lookup(&pack(entry.version.number(), entry.bundle.as_str(), None)).unwrap().unwrap();
                assert!(meta.size <= zero.size, "{resource} against its zero pack");
            }
        }
    }
}

/// `bytes` with a few changes.
fn edited(bytes: &[u8], seed: u32) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let length = bytes.len();
    for n in 1..=3 {
        bytes[(seed as usize).wrapping_mul(7919 * n) % length] ^= 0x15;
    }
    bytes.splice(length / 3..length / 3, noise(20, seed));
    bytes
}

fn delivery(store: &Store, to: u32, bundle: &str, from: u32, path: &str) -> Delivery {
    let packs = packs_of(&store.record(version(to)).unwrap());
    let pack = packs.into_iter().find(|pack| pack.bundle == bundle && pack.from == from).unwrap();
    pack.files.into_iter().find(|file| file.path == path).unwrap().delivery
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    (folder, store)
}

#[test]
fn bases_are_found_by_path_name_and_likeness_in_this_and_other_bundles() {
    let (_folder, store) = store();
    let mut mix = Mix::sample();
    let (code, library, help) = (machine_code(80_000, 21), machine_code(70_000, 22), noise(40_000, 23));
    mix.file("editor", "/usr/bin/code", &code);
    mix.file("editor", "/usr/lib/liba.so.1.2", &library);
    mix.file("editor", "/usr/share/editor/old-name", &help);
    mix.file("os-core", "/usr/share/common", &noise(60_000, 24));
    mix.file("os-core", "/usr/share/moves", &noise(10_000, 26));
    mix.build(10, None, &store);
    mix.file("editor", "/usr/share/moves", &edited(&noise(10_000, 26), 6));
    mix.file("editor", "/usr/bin/code", &edited(&code, 1));
    mix.remove("/usr/lib/liba.so.1.2");
    mix.file("editor", "/usr/lib/liba.so.1.3", &edited(&library, 2));
    mix.remove("/usr/share/editor/old-name");
    mix.file("editor", "/usr/share/editor/another", &edited(&help, 3));
    mix.file("editor", "/usr/share/editor/copy", &edited(&noise(60_000, 24), 4));
    mix.file("editor", "/usr/share/editor/strange", &noise(3_000, 25));
    mix.file("editor", "/usr/share/editor/tiny", b"tiny");
    mix.build(20, Some(10), &store);
    update_everything(&store, 3);
    for (path, expected, base) in [
        ("/usr/bin/code", BaseMatch::SamePath, "/usr/bin/code"),
        ("/usr/lib/liba.so.1.3", BaseMatch::Renamed, "/usr/lib/liba.so.1.2"),
        ("/usr/share/editor/another", BaseMatch::Similar, "/usr/share/editor/old-name"),
        ("/usr/share/editor/copy", BaseMatch::Similar, "/usr/share/common"),
        ("/usr/share/moves", BaseMatch::SamePath, "/usr/share/moves"),
    ] {
        match delivery(&store, 20, "editor", 10, path) {
            Delivery::Delta { found, base: at, base_bundle, .. } => {
                assert_eq!((found, at.as_str()), (expected, base), "{path}");
                assert_eq!(base_bundle == "os-core", ["/usr/share/common", "/usr/share/moves"].contains(&base));
            }
            Delivery::Whole { why } => panic!("{path}: {why:?}"),
        }
    }
    for path in ["/usr/share/editor/strange", "/usr/share/editor/tiny"] {
        assert!(matches!(delivery(&store, 20, "editor", 10, path), Delivery::Whole { .. }), "{path}");
    }
    let size = store.lookup(&pack(20, "editor", Some(10))).unwrap().unwrap().size;
    assert!(size < 8_000, "{size} bytes for a few edits");
}

#[test]
fn a_base_in_os_core_counts_only_while_os_core_stands_still_for_the_bundle() {
    let (_folder, store) = store();
    let mut mix = Mix::sample();
    let common = noise(60_000, 30);
    mix.file("os-core", "/usr/share/common", &common);
    mix.build(10, None, &store);
    mix.file("os-core", "/usr/share/common", &edited(&common, 1));
    mix.build(20, Some(10), &store);
    mix.file("editor", "/usr/share/editor/copy", &edited(&common, 2));
    mix.build(30, Some(20), &store);
    // Endpoints on 10 and on 20 fetch the same pack, and have different commons.
    update_everything(&store, 3);
    assert!(matches!(delivery(&store, 30, "editor", 10, "/usr/share/editor/copy"), Delivery::Whole { .. }));
}

#[test]
fn packs_are_added_later_once_and_only_from_earlier_releases_of_the_format() {
    let (_folder, store) = store();
    let mut mix = Mix::sample();
    let few = clearwell_generate::build::BuildOptions { deltas: 1, ..options() };
    for (number, previous) in [(10, None), (20, Some(10)), (30, Some(20)), (40, Some(30))] {
        mix.file("editor", "/usr/share/editor/help", &text(50_000 + number as usize, 5));
        if number == 20 {
            mix.file("viewer", "/usr/share/viewer", &text(9_000, 5));
        }
        mix.build_with(number, previous, &store, Some(clearwell_testkit::signer()), &few).unwrap();
    }
    let has = |to, from| store.lookup(&pack(to, "editor", Some(from))).unwrap().is_some();
    assert!(has(40, 30) && !has(40, 20) && !has(40, 10));
    let add = |to, sources: &Sources| {
        add_deltas(&mut store.writer("test").unwrap(), version(to), sources, &DeltaOptions::default(), &Silent)
    };
    let added = add(40, &Sources::Releases(vec![version(10), version(20)])).unwrap();
    assert_eq!((added.from, added.extended), (vec![10, 20], vec![40]));
    // viewer did not change after 20, and that pack is there.
    assert_eq!((added.packs_there, added.warnings.len()), (1, 0));
    assert!(has(40, 10) && has(40, 20));
    assert!(added.packs.iter().any(|pack| pack.bundle == "editor" && pack.from == 10 && pack.deltas == 1));
    assert_eq!(packs_of(&store.record(version(40)).unwrap()).iter().filter(|pack| pack.bundle == "editor").count(), 3);

    let before = snapshot(store.root());
    let again = add(40, &Sources::Last(3)).unwrap();
    assert_eq!((again.from, again.packs.len(), again.extended), (vec![30, 20, 10], 0, vec![]));
    assert!(before == snapshot(store.root()));
    assert!(matches!(add(20, &Sources::Releases(vec![version(20)])), Err(BuildError::NotEarlier { .. })));
    assert!(add(40, &Sources::Releases(vec![version(11)])).is_err());
    assert!(add(10, &Sources::Last(3)).unwrap().packs.is_empty());
    assert!(!has(30, 10));
    add(30, &Sources::Last(9)).unwrap();
    update_everything(&store, 9);
}

#[test]
fn packs_added_later_are_those_that_the_build_would_have_made() {
    let releases = |deltas: usize| {
        let (folder, store) = store();
        let mut mix = Mix::sample();
        let options = clearwell_generate::build::BuildOptions { deltas, ..options() };
        for (number, previous) in [(10, None), (20, Some(10)), (30, Some(20))] {
            mix.file("editor", "/usr/bin/editor", &edited(&machine_code(150_000, 4), number));
            mix.build_with(number, previous, &store, None, &options).unwrap();
        }
        (folder, store)
    };
    let (_at_once, at_once) = releases(2);
    let (_later, later) = releases(0);
    for to in [20, 30] {
        let mut writer = later.writer("test").unwrap();
        add_deltas(&mut writer, version(to), &Sources::Last(2), &DeltaOptions::default(), &Silent).unwrap();
    }
    let packs = |store: &Store| {
        let mut files = snapshot(store.root());
        files.retain(|name, _| name.contains("-from-"));
        files
    };
    assert!(packs(&at_once).len() > 6 && packs(&at_once).keys().eq(packs(&later).keys()));
    for (name, bytes) in packs(&at_once) {
        // A pack's times are those of the files, which fullfiles keep.
        assert!(packs(&later)[&name] == bytes, "{name}");
    }
}

/// The xz streams of a pack.
fn streams(resource: &Resource, store: &Store) -> BTreeSet<Vec<u8>> {
    let bytes = store.read(resource).unwrap();
    let mut starts: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(b"\xfd7zXZ\0")).collect();
    starts.push(bytes.len());
    starts.windows(2).map(|ends| bytes[ends[0]..ends[1]].to_vec()).collect()
}

#[test]
fn packs_from_several_versions_hold_the_same_segments() {
    let program = machine_code(150_000, 9);
    let build = |workers: usize| {
        let (folder, store) = store();
        let mut mix = Mix::sample();
        let workers = std::num::NonZeroUsize::new(workers).unwrap();
        let options = clearwell_generate::build::BuildOptions { workers, ..options() };
        let library = |number: u32, release: u32| edited(&noise(150_000, 500 + number), release);
        mix.file("editor", "/usr/lib/ballast.so", &machine_code(6 << 20, 7));
        for (release, previous) in [(10, None), (20, Some(10)), (30, Some(20))] {
            // One changes each time, the others in the last release.
            mix.file("editor", "/usr/lib/liba.so", &edited(&noise(400_000, 8), release));
            for number in 0..32 {
                mix.file("editor", &format!("/usr/lib/lib{number:02}.so"), &library(number, release / 30));
            }
            if release == 30 {
                mix.file("editor", "/usr/bin/program", &program);
            }
            mix.build_with(release, previous, &store, None, &options).unwrap();
        }
        (folder, store)
    };
    let (_folder, store) = build(1);
    update_everything(&store, 9);
    let packs = [10, 20].map(|from| pack(30, "editor", Some(from)));
    let [older, newer] = packs.each_ref().map(|pack| streams(pack, &store));
    let bytes = |streams: &BTreeSet<Vec<u8>>| streams.iter().map(Vec::len).sum::<usize>();
    let common: BTreeSet<Vec<u8>> = older.intersection(&newer).cloned().collect();
    assert!(bytes(&common) * 2 > bytes(&older) && older != newer, "{} of {}", bytes(&common), bytes(&older));
    let hash = FileHash::of_file(&program, Owner::MANIFEST);
    let fullfile = streams(&Resource::of(version(30), Artifact::Fullfile(hash)), &store);
    let zero = streams(&pack(30, "editor", None), &store);
    assert_eq!(fullfile.intersection(&common).filter(|stream| zero.contains(*stream)).count(), 2, "content and end");

    let (_other, other) = build(5);
    assert!(snapshot(store.root()) == snapshot(other.root()));

    // A pack that is lost comes back as it was, with what it shared.
    let lost = other.path(&packs[0]);
    std::fs::write(&lost, "").unwrap();
    let report = check(&other, &CheckOptions::new(0), &Silent).unwrap();
    let mut writer = other.writer("test").unwrap();
    let findings: Vec<_> = report.findings.iter().collect();
    let back = remake_packs(&mut writer, &findings, false, &DeltaOptions::default(), &Silent).unwrap();
    assert_eq!(back, [(packs[0].clone(), How::SameBytes)]);
    assert!(store.read(&packs[0]).unwrap() == other.read(&packs[0]).unwrap());
}

#[test]
fn manifests_are_made_from_their_deltas() {
    let (_folder, store) = store();
    let mut mix = Mix::sample();
    for number in 0..60 {
        mix.file("editor", &format!("/usr/share/editor/{number}"), &text(300, number));
    }
    mix.build(10, None, &store);
    mix.file("editor", "/usr/share/editor/7", &text(300, 70));
    mix.build(20, Some(10), &store);
    let (editor, name) = (bundle("editor"), ManifestName::Bundle(bundle("editor")));
    let delta = Resource::of(version(20), Artifact::DeltaManifest { bundle: editor.clone(), from: version(10) });
    let plain = |number| store.read(&Resource::of(version(number), Artifact::Manifest(name.clone()))).unwrap();
    let made = patch(&plain(10), &store.read(&delta).unwrap()).unwrap();
    assert_eq!((made.bytes, made.meta.mode, made.meta.uid, made.meta.gid), (plain(20), 0o100_644, 0, 0));
    let archive = store.lookup(&Resource::of(version(20), Artifact::ManifestTar(name.clone()))).unwrap().unwrap();
    assert!(store.lookup(&delta).unwrap().unwrap().size < archive.size);
}

/// One change of a mix: bundle, path, how.
fn changes() -> impl Strategy<Value = Vec<Vec<(u8, u8, u8)>>> {
    prop::collection::vec(prop::collection::vec((0..3u8, 0..5u8, 0..6u8), 1..5), 2..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_changes_endpoints_update_from_packs_alone(releases in changes()) {
        let (_folder, store) = store();
        let mut mix = Mix::sample();
        let mut contents: HashMap<String, (Vec<u8>, u8)> = HashMap::new();
        let mut previous = None;
        for (place, changes) in releases.iter().enumerate() {
            for &(at, file, how) in changes {
                let path = format!("/usr/share/{file}");
                let (bundle, seed) = (["os-core", "editor", "viewer"][usize::from(at)], place as u32 * 50 + u32::from(how));
                let other = format!("/usr/share/{}", (file + 1) % 5);
                let now = contents.get(&path).map(|(bytes, _)| bytes.clone());
                let bytes = match (how, now) {
                    (0, Some(_)) => {
                        mix.remove(&path);
                        contents.remove(&path);
                        continue;
                    }
                    (1 | 2, Some(bytes)) => edited(&bytes, seed),
                    (3, Some(bytes)) => bytes,
                    (4, _) if contents.contains_key(&other) => edited(&contents[&other].0, seed),
                    _ => noise(150 + usize::from(how) * 2_000, seed),
                };
                mix.file(bundle, &path, &bytes);
                contents.insert(path, (bytes, at));
            }
            let number = 10 + 10 * place as u32;
            mix.build_with(number, previous, &store, None, &options()).unwrap();
            previous = Some(number);
        }
        update_everything(&store, 3);
    }
}

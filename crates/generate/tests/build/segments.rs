//! Zero packs across versions: what is reused, what is compressed again, and that interruptions do not change bytes.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;

use clearwell_format::archive::decoder;
use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, ManifestName, Resource};
use clearwell_generate::build::{BuildOptions, Profile};
use clearwell_store::Store;
use clearwell_testkit::signer;

use crate::mix::{Mix, brought, bundle, machine_code, noise, options, pack, snapshot, text, version};

/// An editor of 3 MiB in sixty files, a third of it machine code.
fn large() -> Mix {
    let mut mix = Mix::sample();
    for number in 0..20 {
        mix.file("editor", &format!("/usr/share/editor/text-{number:02}"), &text(60_000, 100 + number));
        mix.file("editor", &format!("/usr/share/editor/noise-{number:02}"), &noise(40_000, 200 + number));
        mix.file("editor", &format!("/usr/lib/editor-{number:02}.so"), &machine_code(60_000, 300 + number));
    }
    mix
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    (folder, store)
}

/// The objects of the bundle in a release.
fn wanted(number: u32, store: &Store) -> BTreeSet<FileHash> {
    let manifest = store.manifest(version(number), &ManifestName::Bundle(bundle("editor"))).unwrap();
    manifest.present().map(|entry| entry.hash()).collect()
}

/// How many bytes at the places of the new pack the old one has as well, in runs of 4 KiB.
fn shared(old: &[u8], new: &[u8]) -> usize {
    const RUN: usize = 4096;
    let runs: BTreeSet<&[u8]> = (0..old.len().saturating_sub(RUN)).map(|at| &old[at..at + RUN]).collect();
    let (mut at, mut shared) = (0, 0);
    while at + RUN <= new.len() {
        let is_there = runs.contains(&new[at..at + RUN]);
        shared += if is_there { RUN } else { 0 };
        at += if is_there { RUN } else { 1 };
    }
    shared
}

#[test]
fn a_small_change_keeps_most_of_the_pack_and_everything_is_there() {
    let (_folder, store) = store();
    let mut mix = large();
    mix.build(10, None, &store);
    mix.file("editor", "/usr/share/editor/text-03", &text(60_000, 999));
    mix.file("editor", "/usr/lib/editor-new.so", &machine_code(80_000, 998));
    mix.build(20, Some(10), &store);
    let packs = [10, 20].map(|number| store.read(&pack(number, "editor", None)).unwrap());
    assert!(shared(&packs[0], &packs[1]) * 10 > packs[0].len() * 8, "most of the pack is the one before");

    let staged: BTreeSet<FileHash> = brought(&pack(20, "editor", None), &store).into_iter().collect();
    assert!(staged.is_superset(&wanted(20, &store)));
    let dead: Vec<FileHash> = staged.difference(&wanted(20, &store)).copied().collect();
    assert_eq!(dead, [FileHash::of_file(&text(60_000, 103), clearwell_format::Owner::MANIFEST)]);

    // The fullfile of a program whose content packs share is the same file.
    let program = machine_code(80_000, 998);
    let hash = FileHash::of_file(&program, clearwell_format::Owner::MANIFEST);
    let fullfile = store.read(&Resource::of(version(20), Artifact::Fullfile(hash))).unwrap();
    let (_, content) = clearwell_format::archive::single_member(&fullfile, 1 << 20).unwrap();
    assert!(content == program);
    assert!(fullfile.windows(6).filter(|bytes| bytes == b"\xfd7zXZ\0").count() == 3, "three streams");
}

#[test]
fn dead_weight_is_bounded() {
    let (_folder, store) = store();
    let mut mix = large();
    mix.build(10, None, &store);
    for number in 1..8 {
        let (before, now) = (number * 10, number * 10 + 10);
        mix.file("editor", &format!("/usr/share/editor/noise-{number:02}"), &noise(40_000, 500 + number));
        mix.file("editor", &format!("/usr/lib/editor-{number:02}.so"), &machine_code(60_000, 600 + number));
        mix.build_with(now, Some(before), &store, Some(signer()), &BuildOptions { deltas: 0, ..options() }).unwrap();
        let bytes = store.read(&pack(now, "editor", None)).unwrap();
        let mut tar = Vec::new();
        std::io::Read::read_to_end(&mut decoder(&bytes[..]).unwrap(), &mut tar).unwrap();
        let staged: Vec<FileHash> = brought(&pack(now, "editor", None), &store);
        let live = wanted(now, &store);
        assert!(live.iter().all(|hash| staged.contains(hash)), "{now}");
        assert_eq!(staged.len(), staged.iter().collect::<BTreeSet<_>>().len(), "{now}: nothing twice");
        // Of files of 40 to 60 KB in a pack of 3 MiB, three may be dead; the fourth is a sixteenth.
        assert!(staged.len() - live.len() <= 4, "{now}: {} dead", staged.len() - live.len());
        assert!(tar.len() < 4 << 20);
    }
}

#[test]
fn bytes_do_not_depend_on_workers_interruptions_or_damage_of_the_cache() {
    let build = |workers: usize, meddle: &dyn Fn(&Store)| {
        let (_folder, store) = store();
        let options = BuildOptions { workers: NonZeroUsize::new(workers).unwrap(), deltas: 0, ..options() };
        let mut mix = large();
        mix.build_with(10, None, &store, Some(signer()), &options).unwrap();
        meddle(&store);
        mix.file("editor", "/usr/share/editor/text-03", &text(60_000, 999));
        mix.build_with(20, Some(10), &store, Some(signer()), &options).unwrap();
        (brought(&pack(20, "editor", None), &store).len(), snapshot(store.root()))
    };
    let (members, one) = build(1, &|_| {});
    assert!(one == build(8, &|_| {}).1);
    // Without a valid catalogue, everything is compressed again, and nothing dead is left.
    let catalogue = |store: &Store| store.layout().cache().join("segments/10/editor");
    for meddle in [
        &(|store: &Store| fs::remove_file(catalogue(store)).unwrap()) as &dyn Fn(&Store),
        &|store: &Store| fs::write(catalogue(store), "{}").unwrap(),
        &|store: &Store| {
            let text = fs::read_to_string(catalogue(store)).unwrap();
            fs::write(catalogue(store), text.replace("\"sha256\":\"", "\"sha256\":\"0")).unwrap();
        },
        // Another kind of compression cannot go on in the same archive.
        &|store: &Store| {
            let text = fs::read_to_string(catalogue(store)).unwrap();
            fs::write(catalogue(store), text.replace("\"xz\"", "\"zstd\"")).unwrap();
        },
    ] {
        assert_eq!(build(2, meddle).0, members - 1);
    }
}

#[test]
fn a_damaged_pack_lends_nothing() {
    let (_folder, store) = store();
    let mut mix = large();
    mix.build(10, None, &store);
    let path = store.path(&pack(10, "editor", None));
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    mix.file("editor", "/usr/share/editor/text-03", &text(60_000, 999));
    mix.build_with(20, Some(10), &store, Some(signer()), &BuildOptions { deltas: 0, ..options() }).unwrap();
    let staged: BTreeSet<FileHash> = brought(&pack(20, "editor", None), &store).into_iter().collect();
    assert!(staged.is_superset(&wanted(20, &store)));
}

#[test]
fn every_profile_follows_every_other() {
    let (_folder, store) = store();
    let mut mix = large();
    let mut previous = None;
    let order = [Profile::Small, Profile::Fast, Profile::Balanced, Profile::Small, Profile::Fast, Profile::Fast];
    for (number, profile) in (1..).zip(order) {
        mix.file("editor", "/usr/share/editor/text-03", &text(60_000, 900 + number));
        let options = BuildOptions { profile, deltas: 0, ..options() };
        mix.build_with(number * 10, previous, &store, Some(signer()), &options).unwrap();
        previous = Some(number * 10);
        let staged: BTreeSet<FileHash> = brought(&pack(number * 10, "editor", None), &store).into_iter().collect();
        assert!(staged.is_superset(&wanted(number * 10, &store)), "{profile}");
    }
}

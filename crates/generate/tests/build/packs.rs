//! What packs hold, and which there are.

use std::collections::{BTreeSet, HashSet};

use clearwell_format::{FileHash, Owner};
use clearwell_generate::build::BuildOptions;
use clearwell_generate::guard::Rule;
use clearwell_store::Store;
use clearwell_testkit::signer;

use crate::mix::{Mix, brought, machine_code, options, pack, text, version};

fn file(bytes: &[u8]) -> FileHash {
    FileHash::of_file(bytes, Owner { permissions: 0o644, uid: 0, gid: 0 })
}

#[test]
fn a_zero_pack_contains_the_whole_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    Mix::sample().build(10, None, &store);
    for entry in store.mom(version(10)).unwrap().bundles() {
        let manifest = store.bundle_manifest(entry).unwrap();
        let found = brought(&pack(10, entry.bundle.as_str(), None), &store);
        let expected: HashSet<FileHash> = manifest.present().map(|entry| entry.hash()).collect();
        assert_eq!(found.len(), expected.len(), "each hash once");
        assert_eq!(found.into_iter().collect::<HashSet<_>>(), expected);
    }
}

#[test]
fn an_update_pack_contains_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let mut mix = Mix::sample();
    mix.build(10, None, &store);
    let (help, code) = (text(50_000, 9), machine_code(150_000, 10));
    mix.file("editor", "/usr/share/editor/help", &help);
    let twenty = mix.build(20, Some(10), &store);
    assert_eq!(brought(&pack(20, "editor", Some(10)), &store), [file(&help)]);
    assert_eq!(store.lookup(&pack(20, "viewer", Some(10))).unwrap(), None, "unchanged");
    let editor = twenty.bundles.iter().find(|bundle| bundle.bundle == "editor").unwrap();
    assert_eq!(editor.update_bytes.keys().copied().collect::<Vec<_>>(), [10]);
    assert!(editor.update_bytes[&10] < editor.zero_pack_bytes.unwrap());

    mix.file("editor", "/usr/bin/editor", &code);
    mix.build(30, Some(20), &store);
    assert_eq!(brought(&pack(30, "editor", Some(20)), &store), [file(&code)]);
    let both: HashSet<FileHash> = brought(&pack(30, "editor", Some(10)), &store).into_iter().collect();
    assert_eq!(both, HashSet::from([file(&help), file(&code)]));
}

#[test]
fn packs_reach_back_as_far_as_asked_and_never_over_a_format() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let mut mix = Mix::sample();
    for (number, previous) in [(10, None), (20, Some(10)), (30, Some(20)), (40, Some(30))] {
        mix.file("editor", "/usr/share/editor/help", &text(1000, number));
        let options = BuildOptions { deltas: 2, ..options() };
        mix.build_with(number, previous, &store, None, &options).unwrap();
    }
    let has = |to, from| store.lookup(&pack(to, "editor", Some(from))).unwrap().is_some();
    assert!(has(40, 30) && has(40, 20) && !has(40, 10) && has(30, 10));

    mix.format = 31;
    mix.file("editor", "/usr/share/editor/help", &text(1000, 50));
    // Not how a format changes, but the shortest way to a release in another.
    let at_once = BuildOptions { allowed: BTreeSet::from([Rule::FormatBoundary]), ..options() };
    mix.build_with(50, Some(40), &store, None, &at_once).unwrap();
    mix.file("editor", "/usr/share/editor/help", &text(1000, 60));
    mix.build_with(60, Some(50), &store, None, &options()).unwrap();
    assert!(!has(50, 40) && has(60, 50) && !has(60, 40));
}

#[test]
fn an_update_pack_is_never_larger_than_the_zero_pack() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let mut mix = Mix::default();
    mix.format = 30;
    mix.file("os-core", "/usr/share/text", b"");
    mix.file("viewer", "/usr/bin/viewer", &machine_code(9_000, 6));
    mix.build(10, None, &store);
    mix.file("viewer", "/usr/bin/viewer", &machine_code(9_000, 7));
    mix.remove("/usr/bin/viewer");
    mix.file("viewer", "/usr/bin/other", &machine_code(9_000, 8));
    mix.build(20, Some(10), &store);
    let size = |from| store.lookup(&pack(20, "viewer", from)).unwrap().unwrap().size;
    assert!(size(Some(10)) <= size(None));
}

#[test]
fn older_releases_get_the_packs_they_lack() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let mut mix = Mix::sample();
    let without = BuildOptions { zero_packs: false, deltas: 0, ..options() };
    mix.build_with(10, None, &store, Some(signer()), &without).unwrap();
    mix.file("editor", "/usr/share/editor/help", &text(1000, 1));
    mix.build_with(20, Some(10), &store, Some(signer()), &without).unwrap();
    assert_eq!(store.lookup(&pack(10, "viewer", None)).unwrap(), None);
    mix.file("os-core", "/usr/share/text", &text(1000, 2));
    let outcome = mix.build(30, Some(20), &store);
    assert_eq!(outcome.extended, [10, 20]);
    let store = Store::open(store.root()).unwrap();
    assert!(!brought(&pack(10, "viewer", None), &store).is_empty());
    assert!(!brought(&pack(20, "editor", None), &store).is_empty());
    assert_eq!(brought(&pack(20, "editor", Some(10)), &store), [file(&text(1000, 1))]);
    assert_eq!(store.lookup(&pack(10, "editor", None)).unwrap(), None, "endpoints no longer install that one");
    assert_eq!(store.record(version(10)).unwrap().artifacts["zero_pack"].number, 1);
    mix.file("os-core", "/usr/share/text", &text(1000, 3));
    assert!(mix.build(40, Some(30), &store).extended.is_empty());
}

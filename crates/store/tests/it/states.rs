//! Which releases endpoints may have: what publication, retraction and adoption leave in records, and what is made of
//! records that do not say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clearwell_format::resource::Pointer;
use clearwell_store::ReleaseState::{self, Published, Retracted, Staged};
use clearwell_store::adopt::{AdoptOptions, adopt};
use clearwell_store::progress::Silent;
use clearwell_store::verify::DefectKind;
use clearwell_store::{ReleaseRecord, Store};
use clearwell_testkit::{ReleaseBuilder, TestObject, TestRelease, pointers, sample_www};

use crate::support::{format, version};

/// A release that was built on another.
fn on(number: u32, previous: Option<&TestRelease>) -> TestRelease {
    let objects = vec![TestObject::directory("/usr"), TestObject::file("/usr/release", format!("{number}"))];
    ReleaseBuilder::new(number, previous).bundle("os-core", &[], objects).build()
}

fn states(store: &Store) -> BTreeMap<u32, ReleaseState> {
    let states = store.states().unwrap();
    for (version, state) in &states {
        assert_eq!(store.state(*version).unwrap(), *state);
    }
    states.into_iter().map(|(version, state)| (version.number(), state)).collect()
}

fn release(store: &Store, release: &TestRelease) {
    release.release_in(&mut store.writer("test").unwrap());
}

fn publish(store: &Store, number: u32) {
    store.writer("test").unwrap().publish(&pointers(format(), version(number))).unwrap();
}

fn retract(store: &Store, number: u32, to: u32) {
    let writer = store.writer("test").unwrap();
    writer.publish(&pointers(format(), version(to))).unwrap();
    let record = store.record(version(number)).unwrap();
    writer.amend(&ReleaseRecord { retracted: Some(1), ..record }).unwrap();
}

#[test]
fn a_release_is_staged_until_pointers_name_it_and_never_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let ten = on(10, None);
    let twenty = on(20, Some(&ten));
    release(&store, &ten);
    assert_eq!(states(&store), [(10, Staged)].into());
    assert_eq!(store.record(version(10)).unwrap().published, None);
    publish(&store, 10);
    let first = store.record(version(10)).unwrap().published;
    assert!(first > Some(1_700_000_000));
    release(&store, &twenty);
    assert_eq!(states(&store), [(10, Published), (20, Staged)].into());
    publish(&store, 20);
    assert_eq!(states(&store), [(10, Published), (20, Published)].into());
    retract(&store, 20, 10);
    assert_eq!(states(&store), [(10, Published), (20, Retracted)].into());
    publish(&store, 20);
    let record = store.record(version(20)).unwrap();
    assert_eq!((record.retracted, states(&store)[&20]), (None, Published), "published after all");
    assert_eq!(store.record(version(10)).unwrap().published, first, "the first time counts");
}

#[test]
fn what_generators_read_is_no_publication() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    release(&store, &on(10, None));
    let first = [(Pointer::First(format()), b"10".to_vec())].into();
    store.writer("test").unwrap().publish(&first).unwrap();
    assert_eq!(states(&store), [(10, Staged)].into());
}

/// Makes the store what a program of layout 1.0 would have left.
fn forget_publications(root: &Path) {
    for entry in fs::read_dir(root.join("meta/releases")).unwrap() {
        let path = entry.unwrap().path();
        let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let fields = record.as_object_mut().unwrap();
        fields.remove("published");
        // The first layout had none.
        fields.remove("checksum");
        fs::write(&path, serde_json::to_vec(&record).unwrap()).unwrap();
    }
    fs::write(root.join("meta/layout"), "clearwell-store 1.0\n").unwrap();
}

#[test]
fn stores_that_do_not_say_it_are_read_and_upgraded() {
    // What is built on what, what is published in which order, and what is retracted; the first generations may be
    // gone.
    type Case<'a> = (&'a str, &'a [(u32, u32)], &'a [u32], Option<(u32, u32)>, bool, &'a [(u32, ReleaseState)]);
    let cases: [Case<'_>; 5] = [
        ("one waits", &[(10, 0), (20, 10)], &[10], None, false, &[(10, Published), (20, Staged)]),
        (
            "one was passed over",
            &[(10, 0), (20, 10), (30, 10)],
            &[10, 30],
            None,
            false,
            &[(10, Published), (20, Staged), (30, Published)],
        ),
        (
            "one was built on, and all history is there",
            &[(10, 0), (20, 10), (30, 20)],
            &[10, 30],
            None,
            false,
            &[(10, Published), (20, Staged), (30, Published)],
        ),
        (
            "one was built on, and it may have been published",
            &[(10, 0), (20, 10), (25, 10), (30, 20)],
            &[10, 20, 30],
            None,
            true,
            &[(10, Published), (20, Published), (25, Staged), (30, Published)],
        ),
        (
            "one was retracted",
            &[(10, 0), (20, 10), (30, 20), (40, 30)],
            &[10, 20, 30],
            Some((30, 20)),
            true,
            &[(10, Published), (20, Published), (30, Retracted), (40, Staged)],
        ),
    ];
    for (what, built, published, retracted, pruned, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(folder.path()).unwrap();
        let mut made: BTreeMap<u32, TestRelease> = BTreeMap::new();
        for (number, previous) in built {
            let next = on(*number, made.get(previous));
            release(&store, &next);
            made.insert(*number, next);
        }
        published.iter().for_each(|number| publish(&store, *number));
        if let Some((number, to)) = retracted {
            retract(&store, number, to);
        }
        if pruned {
            let latest = store.latest_version().unwrap().unwrap().number();
            (0..8).for_each(|_| publish(&store, latest));
        }
        forget_publications(folder.path());
        let expected: BTreeMap<u32, ReleaseState> = expected.iter().copied().collect();
        assert_eq!(states(&Store::open(folder.path()).unwrap()), expected, "{what}");
        let stamp = || fs::read_to_string(folder.path().join("meta/layout")).unwrap();
        assert_eq!(stamp(), "clearwell-store 1.0\n", "a reader changes nothing");

        let store = Store::open(folder.path()).unwrap();
        drop(store.writer("test").unwrap());
        assert_eq!(stamp(), "clearwell-store 1.2\n");
        assert_eq!(states(&store), expected, "{what}, upgraded");
        for (number, state) in expected {
            assert_eq!(store.record(version(number)).unwrap().published.is_some(), state != Staged, "{what}: {number}");
        }
    }
}

#[test]
fn what_was_built_on_a_release_that_is_gone_may_have_been_published() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let (ten, twenty) = (on(10, None), on(20, None));
    let thirty = on(30, Some(&twenty));
    [&ten, &twenty, &thirty].into_iter().for_each(|next| release(&store, next));
    (0..9).for_each(|_| publish(&store, 30));
    forget_publications(folder.path());
    fs::remove_file(store.layout().record(version(20))).unwrap();
    assert_eq!(states(&store), [(10, Published), (30, Published)].into());
}

#[test]
fn what_another_generator_released_is_published_up_to_its_pointers() {
    let folder = tempfile::tempdir().unwrap();
    let www = folder.path().join("www");
    sample_www(&www);
    for latest in ["format30/latest", "latest_version"] {
        fs::write(www.join("version").join(latest), "10").unwrap();
    }
    let store = Store::create(folder.path().join("store")).unwrap();
    let run = || adopt(&www, &mut store.writer("adopt").unwrap(), &AdoptOptions::default(), &Silent).unwrap();
    run();
    assert_eq!(states(&store), [(10, Published), (20, Staged)].into());
    for latest in ["format30/latest", "latest_version"] {
        fs::write(www.join("version").join(latest), "20").unwrap();
    }
    run();
    assert_eq!(states(&store), [(10, Published), (20, Published)].into());

    // What was retracted here is not brought back by a tree that does not know.
    retract(&store, 20, 10);
    let report = run();
    let is_it = |kind: &DefectKind| matches!(kind, DefectKind::PointerToRetracted { .. });
    assert!(report.findings.iter().any(|problem| is_it(&problem.defect.kind)), "{:?}", report.findings);
    assert_eq!(store.latest_version().unwrap(), Some(version(10)));
    assert_eq!(states(&store)[&20], Retracted);
}

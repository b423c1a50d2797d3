//! What may be dropped or built again, and what may not.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use clearwell_format::resource::Pointer;
use clearwell_store::gc::{Retention, collect};
use clearwell_store::progress::Silent;
use clearwell_store::{DiscardRefusal, Discarded, Fault, ReleaseRecord, ReleaseState, Store, StoreError};
use clearwell_testkit::{ReleaseBuilder, TestObject, TestRelease, pointers};

use crate::support::{another_pack, assert_sound, format, small_releases, version};

fn store_with(folder: &std::path::Path, releases: &[&TestRelease], published: u32) -> Store {
    let store = Store::create(folder).unwrap();
    let mut writer = store.writer("test").unwrap();
    releases.iter().for_each(|release| drop(release.release_in(&mut writer)));
    writer.publish(&pointers(format(), version(published))).unwrap();
    drop(writer);
    store
}

fn refusal(store: &Store, number: u32) -> Option<DiscardRefusal> {
    let judged = store.discard_refusal(version(number)).unwrap();
    match store.writer("test").unwrap().discard(version(number)) {
        Ok(_) => assert_eq!(judged, None),
        Err(error) => {
            assert_eq!(error.fault(), Fault::Version);
            let StoreError::NotDiscardable { reason, .. } = error else { panic!("{error:?}") };
            assert_eq!(judged, Some(reason));
        }
    }
    judged
}

#[test]
fn a_staged_release_goes_without_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = small_releases();
    let store = store_with(folder.path(), &[&first, &second], 10);
    let reader = Store::open(folder.path()).unwrap();
    reader.index(version(20)).unwrap();
    let mut writer = store.writer("test").unwrap();
    let Discarded::Release(counts) = writer.discard(version(20)).unwrap() else { panic!("it was released") };
    assert_eq!(counts.number, second.artifacts.len() as u64);
    assert!(!store.has_content(version(20)) && !store.layout().release_folder(version(20)).exists());
    assert!(!store.layout().index(version(20)).exists());
    assert_eq!(std::fs::read_dir(store.layout().staging()).unwrap().count(), 0);
    assert_eq!(reader.generation().unwrap(), 2, "readers are told to look again");
    reader.refresh();
    assert!(matches!(reader.index(version(20)), Err(StoreError::UnknownVersion { .. })));
    assert!(matches!(writer.discard(version(20)), Err(StoreError::UnknownVersion { .. })));
    // The version is free.
    second.release_in(&mut writer);
    writer.publish(&pointers(format(), version(20))).unwrap();
    assert_sound(&store);
}

#[test]
fn what_an_interrupted_build_left_goes_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let mut writer = store.writer("test").unwrap();
    drop(writer.draft(version(20), "options").unwrap());
    assert_eq!(writer.discard(version(20)).unwrap(), Discarded::Draft);
    assert!(!store.layout().draft(version(20)).exists());
    assert!(matches!(writer.discard(version(20)), Err(StoreError::UnknownVersion { .. })));
}

#[test]
fn what_endpoints_or_other_releases_may_need_stays() {
    let folder = tempfile::tempdir().unwrap();
    let [ten, twenty] = small_releases();
    let on_twenty = ReleaseBuilder::new(30, Some(&twenty))
        .bundle("os-core", &[], twenty.objects.values().next().unwrap().clone())
        .build();
    let store = store_with(folder.path(), &[&ten, &twenty, &on_twenty], 10);
    assert_eq!(refusal(&store, 10), Some(DiscardRefusal::Published));
    assert_eq!(refusal(&store, 20), Some(DiscardRefusal::BuiltOn { by: version(30) }));
    store.writer("test").unwrap().publish(&pointers(format(), version(30))).unwrap();
    assert_eq!(refusal(&store, 20), Some(DiscardRefusal::BuiltOn { by: version(30) }));
    assert_eq!(refusal(&store, 10), Some(DiscardRefusal::Published), "no pointer names it any more");

    let writer = store.writer("test").unwrap();
    writer.publish(&pointers(format(), version(10))).unwrap();
    let record = store.record(version(30)).unwrap();
    writer.amend(&ReleaseRecord { retracted: Some(1), ..record }).unwrap();
    drop(writer);
    assert_eq!(refusal(&store, 30), Some(DiscardRefusal::Retracted));
    assert_sound(&store);
}

#[test]
fn what_later_releases_have_files_of_stays() {
    let folder = tempfile::tempdir().unwrap();
    let [ten, twenty] = small_releases();
    let objects = twenty.objects.values().next().unwrap().clone();
    for (what, objects) in [
        ("the manifest", objects.clone()),
        ("a file", [objects, vec![TestObject::file("/usr/another", "of thirty")]].concat()),
    ] {
        let root = folder.path().join(what);
        let mut thirty = ReleaseBuilder::new(30, Some(&twenty)).bundle("os-core", &[], objects).build();
        // As if it had been built on a release in between that was collected since.
        thirty.mom.header.previous = None;
        let store = store_with(&root, &[&ten, &twenty, &thirty], 30);
        assert_eq!(refusal(&store, 20), Some(DiscardRefusal::NeededBy { by: version(30) }), "{what}");
    }
}

#[test]
fn what_was_collected_is_not_discarded() {
    let folder = tempfile::tempdir().unwrap();
    let [ten, twenty] = small_releases();
    let store = store_with(folder.path(), &[&ten], 10);
    let mut writer = store.writer("test").unwrap();
    twenty.release_in(&mut writer);
    writer.publish(&pointers(format(), version(20))).unwrap();
    let retention = Retention { grace: Duration::ZERO, ..Retention::new(1, SystemTime::now()) };
    collect(&mut writer, &retention, Duration::ZERO, &Silent).unwrap();
    drop(writer);
    assert!(!store.has_release(version(10)) && store.has_content(version(10)));
    assert_eq!(refusal(&store, 10), Some(DiscardRefusal::Collected));
    let draft = store.writer("test").unwrap().draft(version(10), "options").map(drop);
    assert!(matches!(draft, Err(StoreError::VersionExists { .. })));
}

#[test]
fn a_staged_release_is_replaced_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let [ten, twenty] = small_releases();
    let other =
        ReleaseBuilder::new(20, Some(&ten)).bundle("os-core", &[], vec![TestObject::file("/another", "20")]).build();
    let store = store_with(folder.path(), &[&ten, &twenty], 10);
    let reader = Store::open(folder.path()).unwrap();
    assert_eq!(reader.mom(version(20)).unwrap(), twenty.mom);
    let mut writer = store.writer("test").unwrap();
    let draft = writer.draft(version(20), "another").unwrap();
    for (artifact, bytes) in &other.artifacts {
        draft.put(artifact, bytes).unwrap();
    }
    assert_eq!(store.mom(version(20)).unwrap(), twenty.mom, "the old one is there until the new one is whole");
    let prepared = draft.prepare(other.record()).unwrap();
    assert_eq!(prepared.preview().mom(version(20)).unwrap(), other.mom);
    prepared.release().unwrap();
    assert_eq!(store.mom(version(20)).unwrap(), other.mom);
    reader.refresh();
    assert_eq!(reader.mom(version(20)).unwrap(), other.mom);
    assert_eq!(store.state(version(20)).unwrap(), ReleaseState::Staged);
    let names: BTreeSet<_> = store.index(version(20)).unwrap().to_map().unwrap().into_keys().collect();
    assert_eq!(names, other.artifacts.keys().cloned().collect());
    assert_eq!(std::fs::read_dir(store.layout().staging()).unwrap().count(), 0);
    assert_sound(&store);

    // Published, it stays.
    writer.publish(&pointers(format(), version(20))).unwrap();
    assert!(matches!(writer.draft(version(20), "third").map(drop), Err(StoreError::VersionExists { .. })));
}

#[test]
fn an_interrupted_replacement_is_continued_or_gives_way_to_a_publication() {
    let folder = tempfile::tempdir().unwrap();
    let [ten, twenty] = small_releases();
    let store = store_with(folder.path(), &[&ten, &twenty], 10);
    let (artifact, bytes) = another_pack();
    let mut writer = store.writer("test").unwrap();
    writer.draft(version(20), "another").unwrap().put(&artifact, bytes).unwrap();
    drop(writer);
    let mut writer = store.writer("test").unwrap();
    assert!(writer.draft(version(20), "another").unwrap().existing(&artifact).unwrap().is_some());
    writer.publish(&pointers(format(), version(20))).unwrap();
    drop(writer);
    drop(store.writer("test").unwrap());
    assert!(!store.layout().draft(version(20)).exists());
    assert_sound(&store);
}

#[test]
fn first_is_never_moved_to_a_staged_release() {
    let folder = tempfile::tempdir().unwrap();
    let [ten, twenty] = small_releases();
    let thirty =
        ReleaseBuilder::new(30, Some(&ten)).bundle("os-core", &[], vec![TestObject::file("/thirty", "30")]).build();
    let store = store_with(folder.path(), &[&ten], 10);
    let mut writer = store.writer("test").unwrap();
    writer.publish(&[(Pointer::First(format()), b"10".to_vec())].into()).unwrap();
    twenty.release_in(&mut writer);
    thirty.release_in(&mut writer);
    writer.publish(&pointers(format(), version(30))).unwrap();
    let pinned =
        Retention { grace: Duration::ZERO, pinned: [version(20)].into(), ..Retention::new(1, SystemTime::now()) };
    collect(&mut writer, &pinned, Duration::ZERO, &Silent).unwrap();
    assert_eq!(store.releases().unwrap(), [version(20), version(30)]);
    assert_eq!(store.pointers().unwrap().version(Pointer::First(format())), Some(version(30)));
}

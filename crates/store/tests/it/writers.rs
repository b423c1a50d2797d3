//! One writer, its publications and its extensions.

use clearwell_format::resource::{Artifact, Pointer};
use clearwell_format::{FormatNumber, Resource};
use clearwell_store::{Fault, PointerSet, Store, StoreError};
use clearwell_testkit::{pointers, sample_store};

use crate::support::{another_pack, assert_sound, format, small_releases, version};

#[test]
fn the_second_writer_is_told_who_holds_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let first = store.writer("clearwell build --version 30").unwrap();
    let error = Store::open(folder.path()).unwrap().writer("another").unwrap_err();
    assert_eq!(error.fault(), Fault::Locked);
    let message = error.to_string();
    assert!(message.contains("clearwell build --version 30"), "{message}");
    assert!(message.contains(&std::process::id().to_string()), "{message}");
    drop(first);
    store.writer("another").unwrap();
}

#[test]
fn what_is_released_is_not_released_again() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample_store(folder.path());
    let mut writer = sample.store.writer("test").unwrap();
    let error = writer.draft(version(20), "other options").unwrap_err();
    assert!(matches!(error, StoreError::VersionExists { .. }));
    assert_eq!(error.fault(), Fault::Version);
}

#[test]
fn a_foreign_folder_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    std::fs::create_dir(store.layout().release_folder(version(30))).unwrap();
    let error = store.writer("test").unwrap().draft(version(30), "").unwrap_err();
    assert!(matches!(error, StoreError::StrayFolder { .. }));
    assert!(store.layout().release_folder(version(30)).exists());
}

#[test]
fn pointers_move_together_and_only_to_releases() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample_store(folder.path());
    let writer = sample.store.writer("test").unwrap();
    let missing = pointers(format(), version(30));
    assert!(matches!(writer.publish(&missing), Err(StoreError::PointerToNothing { .. })));
    let empty = PointerSet::from([(Pointer::LatestVersion, Vec::new())]);
    assert!(matches!(writer.publish(&empty), Err(StoreError::PointerToNothing { .. })));
    assert_eq!(sample.store.generation().unwrap(), 2, "nothing happened");

    // The pointers of another format leave those of format 30 alone.
    let next = FormatNumber::new(31).unwrap();
    let published = writer.publish(&pointers(next, version(10))).unwrap();
    assert_eq!(published, sample.store.pointers().unwrap());
    assert_eq!(published.number, 3);
    assert_eq!(published.latest(format()), Some(version(20)));
    assert_eq!(published.latest(next), Some(version(10)));
    assert_eq!(published.formats().collect::<Vec<_>>(), [format(), next]);
    assert_sound(&sample.store);
    // Any web server finds them below content/version.
    let latest = sample.store.root().join("content/version/format31/latest");
    assert_eq!(std::fs::read(latest).unwrap(), b"10");
}

#[test]
fn old_generations_go_and_recent_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample_store(folder.path());
    let writer = sample.store.writer("test").unwrap();
    let (ten, twenty) = (pointers(format(), version(10)), pointers(format(), version(20)));
    for _ in 0..10 {
        writer.publish(&ten).unwrap();
        writer.publish(&twenty).unwrap();
    }
    let mut kept: Vec<_> = std::fs::read_dir(sample.store.layout().generations())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    assert_eq!(kept, (15..=22).map(|number| format!("{number:08}")).collect::<Vec<_>>());
    assert_sound(&sample.store);
}

#[test]
fn an_extension_adds_and_never_replaces() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample_store(folder.path());
    let store = &sample.store;
    let (pack, bytes) = another_pack();
    let resource = Resource::of(version(20), pack.clone());
    assert_eq!(store.lookup(&resource).unwrap(), None);
    let before = store.record(version(20)).unwrap();

    let other_process = Store::open(folder.path()).unwrap();
    let mut writer = other_process.writer("deltas").unwrap();
    let draft = writer.extend(version(20)).unwrap();
    assert!(matches!(draft.put(&Artifact::Format, b"31"), Err(StoreError::DifferentBytes { .. })));
    assert!(matches!(draft.put(&Artifact::Format, b"30"), Ok(clearwell_store::PutOutcome::AlreadyThere(_))));
    draft.put(&pack, bytes).unwrap();
    let prepared = draft.prepare(before.clone()).unwrap();
    assert_eq!(prepared.preview().read(&resource).unwrap(), bytes);
    assert_sound(&prepared.preview());
    let record = prepared.release().unwrap().record;
    assert_eq!(record.total().number, before.total().number + 1);

    assert_eq!(store.lookup(&resource).unwrap(), None, "an open index stays as it is");
    assert_eq!(store.generation().unwrap(), 3, "readers are told to look again");
    store.refresh();
    assert_eq!(store.read(&resource).unwrap(), bytes);
    assert_eq!(other_process.read(&resource).unwrap(), bytes);
    assert_eq!(store.record(version(20)).unwrap(), record);
    assert_sound(store);
    assert!(matches!(writer.extend(version(30)), Err(StoreError::UnknownVersion { .. })));
}

#[test]
fn scratch_of_an_interrupted_writer_is_cleaned() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let staging = store.layout().staging();
    for (folder, file) in [("40", "content/files/x"), ("x", "y"), ("50/scratch", "0")] {
        std::fs::create_dir_all(staging.join(folder).join(file).parent().unwrap()).unwrap();
        std::fs::write(staging.join(folder).join(file), b"").unwrap();
    }
    std::fs::write(staging.join("layout"), b"").unwrap();
    drop(store.writer("test").unwrap());
    assert_eq!(std::fs::read_dir(&staging).unwrap().count(), 0);

    let mut writer = store.writer("test").unwrap();
    drop(writer.draft(version(10), "").unwrap());
    writer.discard_drafts().unwrap();
    assert_eq!(std::fs::read_dir(&staging).unwrap().count(), 0);
    small_releases()[0].release_in(&mut writer);
    assert_eq!(std::fs::read_dir(&staging).unwrap().count(), 0);
}

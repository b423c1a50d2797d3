//! The machine stops at every single change of the file system in turn. Each time the last release has to be whole, and
//! the next run has to finish.

use std::path::Path;
use std::sync::atomic::Ordering;

use clearwell_format::Resource;
use clearwell_store::{Store, StoreError};
use clearwell_testkit::{copy_store, pointers};

use crate::support::{another_pack, assert_sound, disk_until, format, small_releases, version};

#[derive(Clone, Copy, PartialEq)]
enum CrashPoint {
    Stopped,
    Finished,
}

/// Runs `work` on copies of `start`, stopped after 0, 1, 2, … operations, until it gets through. After each stop,
/// `check` looks at the store, then `work` runs again on a sound disk. Returns how many stops there were.
fn stop_everywhere(
    start: &Path,
    work: impl Fn(&Store) -> Result<(), StoreError>,
    check: impl Fn(&Store, CrashPoint),
) -> i64 {
    for operations in 0.. {
        let folder = tempfile::tempdir().unwrap();
        copy_store(start, folder.path());
        let (disk, left) = disk_until(operations);
        let stopped = work(&Store::open_on(folder.path(), disk).unwrap());

        let store = Store::open(folder.path()).unwrap();
        assert_sound(&store);
        check(&store, CrashPoint::Stopped);
        work(&store).unwrap_or_else(|error| panic!("after {operations} operations: {error}"));
        assert_sound(&store);
        check(&store, CrashPoint::Finished);
        assert_eq!(std::fs::read_dir(store.layout().staging()).unwrap().count(), 0, "staging is empty");

        // Tidying up may fail without failing the work: through only if nothing was refused.
        if stopped.is_ok() && left.load(Ordering::SeqCst) >= 0 {
            return operations;
        }
    }
    unreachable!("the work has an end")
}

fn store_with_release_10(folder: &Path) -> Store {
    let store = Store::create(folder).unwrap();
    let mut writer = store.writer("test").unwrap();
    small_releases()[0].release_in(&mut writer);
    writer.publish(&pointers(format(), version(10))).unwrap();
    store
}

#[test]
fn a_release_survives_a_stop_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    store_with_release_10(folder.path());
    let [first, second] = small_releases();
    let stops = stop_everywhere(
        folder.path(),
        |store| {
            let mut writer = store.writer("test")?;
            if !store.has_release(second.version) {
                let draft = writer.draft(second.version, "same options")?;
                for (artifact, bytes) in &second.artifacts {
                    draft.put(artifact, bytes)?;
                }
                let prepared = draft.prepare(second.record())?;
                assert_sound(&prepared.preview());
                prepared.release()?;
            }
            writer.publish(&pointers(format(), second.version)).map(drop)
        },
        |store, moment| {
            let latest = store.latest(format()).unwrap().unwrap();
            assert!(latest == first.version || latest == second.version);
            assert!(store.has_release(first.version));
            assert!(moment == CrashPoint::Stopped || latest == second.version);
        },
    );
    assert!(stops > 60, "each artifact is created, written and renamed at least: {stops}");
}

#[test]
fn an_extension_survives_a_stop_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    store_with_release_10(folder.path());
    let (artifact, bytes) = another_pack();
    let stops = stop_everywhere(
        folder.path(),
        |store| {
            let mut writer = store.writer("test")?;
            let draft = writer.extend(version(10))?;
            draft.put(&artifact, bytes)?;
            let mut record = store.record(version(10))?;
            record.notes = vec!["extended".to_owned()];
            draft.prepare(record)?.release().map(drop)
        },
        |store, moment| {
            assert_eq!(store.latest(format()).unwrap(), Some(version(10)));
            let pack = Resource::of(version(10), artifact.clone());
            match store.lookup(&pack).unwrap() {
                Some(_) => assert_eq!(store.read(&pack).unwrap(), bytes),
                None => assert!(moment == CrashPoint::Stopped),
            }
        },
    );
    assert!(stops > 15, "{stops}");
}

/// Release 10, published, and release 20, staged.
fn store_with_staged_20(folder: &Path) -> Store {
    let store = store_with_release_10(folder);
    small_releases()[1].release_in(&mut store.writer("test").unwrap());
    store
}

#[test]
fn a_discard_survives_a_stop_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    store_with_staged_20(folder.path());
    let stops = stop_everywhere(
        folder.path(),
        |store| match store.writer("test")?.discard(version(20)) {
            // The run before ended after all but its last word.
            Err(StoreError::UnknownVersion { .. }) => Ok(()),
            other => other.map(drop),
        },
        |store, moment| {
            assert_eq!(store.latest(format()).unwrap(), Some(version(10)));
            assert!(moment == CrashPoint::Stopped || !store.has_content(version(20)));
            assert!(
                store.has_release(version(20))
                    || store.layout().draft(version(20)).exists()
                    || !store.layout().release_folder(version(20)).exists()
            );
        },
    );
    assert!(stops > 15, "{stops}");
}

#[test]
fn a_staged_release_that_is_replaced_survives_a_stop_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    store_with_staged_20(folder.path());
    let [first, second] = small_releases();
    let another = vec![clearwell_testkit::TestObject::file("/another", "twenty")];
    let other = clearwell_testkit::ReleaseBuilder::new(20, Some(&first)).bundle("os-core", &[], another).build();
    let stops = stop_everywhere(
        folder.path(),
        |store| {
            let mut writer = store.writer("test")?;
            // Whatever was stopped, the next writer finds one of the two.
            let there = store.mom(version(20))?;
            assert!(there == second.mom || there == other.mom);
            let draft = writer.draft(version(20), "same options")?;
            for (artifact, bytes) in &other.artifacts {
                draft.put(artifact, bytes)?;
            }
            draft.prepare(other.record())?.release().map(drop)
        },
        |store, moment| {
            assert_eq!(store.latest(format()).unwrap(), Some(version(10)));
            match store.mom(version(20)) {
                Ok(mom) if moment == CrashPoint::Stopped => assert!(mom == second.mom || mom == other.mom),
                Ok(mom) => assert_eq!(mom, other.mom),
                Err(error) => {
                    assert!(matches!(error, StoreError::UnknownVersion { .. }), "{error:?}");
                    assert!(moment == CrashPoint::Stopped);
                }
            }
        },
    );
    assert!(stops > 60, "{stops}");
}

#[test]
fn a_store_can_be_created_after_a_stop_anywhere() {
    for operations in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let (disk, _) = disk_until(operations);
        match Store::create_on(folder.path(), disk) {
            Ok(_) => return assert!(operations > 5),
            Err(_) if Store::open(folder.path()).is_ok() => {}
            Err(_) => drop(Store::create(folder.path()).unwrap()),
        }
        Store::open(folder.path()).unwrap().writer("test").unwrap();
    }
}

//! A backup is stopped at every operation of its disk, and the disk is full from every write on: the pointers of the
//! previous snapshot have everything that they need, and the next backup completes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use clearwell_store::backup::{BackupOptions, RestoreOptions, back_up, restore};
use clearwell_store::check::Severity;
use clearwell_store::disk::{Disk, Operation};
use clearwell_store::gc::{Retention, collect};
use clearwell_store::progress::Silent;
use clearwell_store::{Fault, Store, StoreError};
use clearwell_testkit::{ReleaseBuilder, TestObject, copy_store, flip_byte, pointers};

use crate::backup::{assert_undamaged, check_findings, contents, options};
use crate::support::{another_pack, format, small_releases, version};

/// Fails from the `at`-th operation on for which `hits` is true.
fn disk(hits: fn(Operation) -> bool, kind: io::ErrorKind, at: usize) -> (Disk, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    let disk = Disk::with_hook(move |operation, _| {
        if hits(operation) && seen.fetch_add(1, Ordering::SeqCst) >= at { Err(kind.into()) } else { Ok(()) }
    });
    (disk, count)
}

fn every(_: Operation) -> bool {
    true
}

fn taking_room(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::CreateFolder
            | Operation::CreateFile
            | Operation::Write
            | Operation::SymbolicLink
            | Operation::SyncAll
    )
}

/// A store, and a backup of an earlier state of it.
struct Case {
    name: &'static str,
    store: Store,
    backup: PathBuf,
    options: BackupOptions,
    /// Something of the backup is damaged.
    damaged: bool,
}

fn cases(root: &Path) -> Vec<Case> {
    let at = |name: &str| root.join(name);
    let store = Store::create(at("store")).unwrap();
    let [first, second] = small_releases();
    let publish = |release: &clearwell_testkit::TestRelease| {
        let mut writer = store.writer("test").unwrap();
        release.release_in(&mut writer);
        writer.publish(&pointers(format(), release.version)).unwrap();
    };
    publish(&first);
    back_up(&store, &at("of-10"), Disk::default(), &options(), &Silent).unwrap();
    publish(&second);
    let mut writer = store.writer("test").unwrap();
    let draft = writer.extend(version(10)).unwrap();
    let (artifact, bytes) = another_pack();
    draft.put(&artifact, bytes).unwrap();
    draft.prepare(store.record(version(10)).unwrap()).unwrap().release().unwrap();
    let os_core = vec![TestObject::directory("/usr"), TestObject::file("/usr/release", "staged")];
    ReleaseBuilder::new(30, Some(&second)).bundle("os-core", &[], os_core).build().release_in(&mut writer);
    drop(writer);
    back_up(&store, &at("of-20"), Disk::default(), &options(), &Silent).unwrap();
    copy_store(&at("of-20"), &at("damaged"));
    flip_byte(&at("damaged/content/20/Manifest.os-core"));
    flip_byte(&at("damaged/meta/index/10"));

    copy_store(&at("store"), &at("collected"));
    let collected = Store::open(at("collected")).unwrap();
    let mut writer = collected.writer("gc").unwrap();
    writer.discard(version(30)).unwrap();
    let os_core = vec![TestObject::directory("/usr"), TestObject::file("/usr/release", "staged again")];
    ReleaseBuilder::new(30, Some(&second)).bundle("os-core", &[], os_core).build().release_in(&mut writer);
    let retention = Retention { grace: Duration::ZERO, ..Retention::new(1, SystemTime::now()) };
    collect(&mut writer, &retention, Duration::ZERO, &Silent).unwrap();
    drop(writer);

    let pruning = || BackupOptions { prune: true, ..options() };
    let case = |name, store: &Store, backup: &str, options| Case {
        name,
        store: store.clone(),
        backup: at(backup),
        options,
        damaged: backup == "damaged",
    };
    vec![
        case("first", &store, "none", options()),
        case("new releases", &store, "of-10", options()),
        case("nothing new", &store, "of-20", options()),
        case("damaged backup", &store, "damaged", options()),
        case("collected", &collected, "of-20", options()),
        case("pruned", &collected, "of-20", pruning()),
    ]
}

fn start(case: &Case, root: &Path) {
    if case.backup.exists() {
        copy_store(&case.backup, root);
    }
}

/// Runs to the end and returns the number of operations.
fn operations(case: &Case, hits: fn(Operation) -> bool, root: &Path) -> usize {
    start(case, root);
    let (disk, count) = disk(hits, io::ErrorKind::Other, usize::MAX);
    back_up(&case.store, root, disk, &case.options, &Silent).unwrap();
    std::fs::remove_dir_all(root).unwrap();
    count.load(Ordering::SeqCst)
}

/// The outcome of an uninterrupted backup.
fn expected(case: &Case, root: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    start(case, root);
    back_up(&case.store, root, Disk::default(), &case.options, &Silent).unwrap();
    let contents = contents(&Store::open(root).unwrap());
    std::fs::remove_dir_all(root).unwrap();
    contents
}

fn stop_at(case: &Case, hits: fn(Operation) -> bool, kind: io::ErrorKind, at: usize, root: &Path) {
    let context = format!("{} with {kind} at {at}", case.name);
    start(case, root);
    let before = Store::open(root).ok().map(|store| store.latest_version());
    let (disk, _) = disk(hits, kind, at);
    let ended = back_up(&case.store, root, disk, &case.options, &Silent);
    if let (Err(error), io::ErrorKind::StorageFull) = (&ended, kind) {
        assert!(matches!(error, StoreError::NoSpace { .. }), "{context}: {error}");
        assert_eq!(error.fault(), Fault::Disk);
    }
    // The first one is a store as soon as it has pointers.
    if let Some(Ok(before)) = before {
        let backup = Store::open(root).unwrap();
        let now = backup.latest_version().unwrap();
        assert!(now == before || now == case.store.latest_version().unwrap(), "{context}: {now:?}");
        if !case.damaged {
            let mut findings = check_findings(&backup);
            findings.retain(|finding| finding.severity() == Severity::Damage);
            assert!(findings.is_empty(), "{context}: {findings:#?}");
        }
    }
    back_up(&case.store, root, Disk::default(), &case.options, &Silent)
        .unwrap_or_else(|error| panic!("{context}, again: {error}"));
}

/// Returns the number of points.
fn stop_everywhere(case: &Case, root: &Path) -> usize {
    let trial = root.join(format!("trial of {}", case.name));
    let wanted = expected(case, &trial);
    let mut points = 0;
    for (hits, kind) in
        [(every as fn(Operation) -> bool, io::ErrorKind::Other), (taking_room, io::ErrorKind::StorageFull)]
    {
        // The stops already cover the operations before and after: every third write is enough for a full disk.
        let step = if kind == io::ErrorKind::StorageFull { 3 } else { 1 };
        for at in (0..operations(case, hits, &trial)).step_by(step) {
            stop_at(case, hits, kind, at, &trial);
            let backup = Store::open(&trial).unwrap();
            assert_undamaged(&backup);
            assert!(contents(&backup) == wanted, "{} with {kind} at {at}", case.name);
            assert_eq!(std::fs::read_dir(backup.layout().staging()).unwrap().count(), 0);
            std::fs::remove_dir_all(&trial).unwrap();
            points += 1;
        }
    }
    for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
        stop_at(case, every, kind, 0, &trial);
        std::fs::remove_dir_all(&trial).unwrap();
    }
    points
}

#[test]
fn a_backup_survives_a_stop_at_every_operation() {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let cases = cases(folder.path());
    let points: usize = std::thread::scope(|scope| {
        let root = folder.path();
        let threads: Vec<_> = cases.iter().map(|case| scope.spawn(move || stop_everywhere(case, root))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(points >= 300, "{points}");
}

#[test]
fn a_restoration_survives_a_stop_at_every_operation() {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let case = cases(folder.path()).remove(2);
    let backup = Store::open(&case.backup).unwrap();
    let (trial, options) =
        (folder.path().join("trial"), RestoreOptions { last_published: Some(version(90)), ..Default::default() });
    let (all, count) = disk(every, io::ErrorKind::Other, usize::MAX);
    restore(&backup, &trial, all, &options, &Silent).unwrap();
    std::fs::remove_dir_all(&trial).unwrap();
    for at in 0..count.load(Ordering::SeqCst) {
        let (stopping, _) = disk(every, io::ErrorKind::Other, at);
        if restore(&backup, &trial, stopping, &options, &Silent).is_err() {
            // Stopped after its last step, it is a store with releases.
            match restore(&backup, &trial, Disk::default(), &options, &Silent) {
                Ok(_) => {}
                Err(StoreError::BackupRefused { .. }) => assert!(!trial.join("meta/backup.json").exists()),
                Err(error) => panic!("at {at}: {error}"),
            }
        }
        let store = Store::open(&trial).unwrap();
        assert_undamaged(&store);
        assert!(contents(&store) == contents(&backup), "at {at}");
        assert_eq!(store.last_published().unwrap(), Some(version(90)));
        std::fs::remove_dir_all(&trial).unwrap();
    }
}

/// What a loss of power can take is what was not synced.
#[test]
fn files_are_synced_before_an_index_names_them_and_everything_before_the_pointers() {
    let folder = tempfile::tempdir().unwrap();
    let case = cases(folder.path()).remove(1);
    let root = folder.path().join("trial");
    start(&case, &root);
    let trace: Arc<Mutex<Vec<(Operation, PathBuf)>>> = Arc::default();
    let calls = trace.clone();
    let disk = Disk::with_hook(move |operation, path| {
        calls.lock().unwrap().push((operation, path.to_owned()));
        Ok(())
    });
    back_up(&case.store, &root, disk, &case.options, &Silent).unwrap();
    let (trace, backup) = (trace.lock().unwrap(), Store::open(&root).unwrap());
    let layout = backup.layout();
    let at = |operation, path: &Path| {
        let found = trace.iter().position(|call| call.0 == operation && call.1 == path);
        found.unwrap_or_else(|| panic!("no {operation:?} of {}", path.display()))
    };
    let switched = at(Operation::Rename, &layout.pointers_link());
    for number in [10, 20, 30].map(version) {
        let (index, record) = (layout.index(number), layout.record(number));
        let indexed = at(Operation::Rename, &index);
        let last_file = trace[..indexed].iter().rposition(|(operation, path)| {
            *operation == Operation::Rename && path.starts_with(layout.release_folder(number))
        });
        let synced = trace[..indexed].iter().rposition(|(operation, _)| *operation == Operation::SyncAll);
        assert!(last_file.unwrap() < synced.unwrap(), "{number}");
        assert!(indexed < at(Operation::Rename, &record));
        assert!(at(Operation::Rename, &record) < switched);
        assert!(at(Operation::SyncFile, &layout.draft(number).join("index")) < indexed);
        assert!(at(Operation::SyncFile, &layout.draft(number).join("record.json")) < at(Operation::Rename, &record));
    }
    for folder in [layout.indexes(), layout.records()] {
        let last = trace.iter().rposition(|call| call.0 == Operation::Rename && call.1.starts_with(&folder)).unwrap();
        let synced = trace.iter().rposition(|call| call.0 == Operation::SyncFolder && call.1 == folder).unwrap();
        assert!(last < synced && synced < switched);
    }
    assert!(switched < at(Operation::Rename, &layout.backup_note()));
}

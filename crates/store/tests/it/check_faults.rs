//! A check whose journal, and a writer whose lock, meets a disk that fails: at every single operation in turn, once or
//! from then on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clearwell_store::check::{CheckOptions, check};
use clearwell_store::disk::{Disk, Operation};
use clearwell_store::progress::{Event, Progress, Silent};
use clearwell_store::{Fault, Store, StoreError};
use clearwell_testkit::{copy_store, sample_store};

use crate::support::assert_sound;

/// A disk that fails at operation `at`, and with `for_good` at all that follow; and how many there were.
fn failing(at: u64, for_good: bool) -> (Disk, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let seen = count.clone();
    let disk = Disk::with_hook(move |_, _| {
        let now = seen.fetch_add(1, Ordering::SeqCst);
        if now == at || (for_good && now > at) { Err(std::io::Error::other("the disk failed")) } else { Ok(()) }
    });
    (disk, count)
}

/// Every file of the store but the journal.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            files.extend(self::files(&path));
        } else if kind.is_file() && !path.ends_with("meta/check") {
            files.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    files
}

/// What a check comes to: findings, and artifacts that this one or the one before has read.
fn outcome(store: &Store, resume: bool) -> (Vec<String>, u64) {
    let options = CheckOptions { resume, ..CheckOptions::new(1_700_000_000) };
    let report = check(store, &options, &Silent).unwrap();
    let findings = report.findings.iter().map(|finding| format!("{finding:?}")).collect();
    (findings, report.artifacts + report.resumed)
}

#[test]
fn a_check_ends_the_same_whatever_becomes_of_its_journal() {
    let folder = tempfile::tempdir().unwrap();
    let store = sample_store(folder.path()).store;
    let journal = store.layout().check_journal();
    let (before, expected) = (files(folder.path()), outcome(&store, false));
    assert!(!journal.exists());
    for for_good in [false, true] {
        for at in 0.. {
            let (disk, count) = failing(at, for_good);
            let failed = outcome(&Store::open_on(folder.path(), disk).unwrap(), false);
            assert_eq!(failed, expected, "operation {at}");
            assert_eq!(files(folder.path()), before, "operation {at}");
            for resume in [true, false] {
                assert_eq!(outcome(&store, resume), expected, "after operation {at}");
                assert!(!journal.exists(), "after operation {at}");
            }
            if count.load(Ordering::SeqCst) <= at {
                assert!(at >= 5, "created, cleared, written to and removed: {at}");
                break;
            }
        }
    }
}

/// Asks for an end once everything was read.
#[derive(Default)]
struct StopAfterReading(AtomicBool);

impl Progress for StopAfterReading {
    fn event(&self, event: Event) {
        if matches!(event, Event::Finished { .. }) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn a_line_of_the_journal_that_was_cut_off_never_counts() {
    let folder = tempfile::tempdir().unwrap();
    let store = sample_store(folder.path()).store;
    let (journal, expected) = (store.layout().check_journal(), outcome(&store, false));
    let stopped = |resume| {
        let options = CheckOptions { resume, ..CheckOptions::new(1_700_000_000) };
        let error = check(&store, &options, &StopAfterReading::default()).unwrap_err();
        assert!(matches!(error, StoreError::Cancelled));
        std::fs::read_to_string(&journal).unwrap()
    };
    // As the line of block 15 may be cut off where it reads as that of block 1.
    let text = stopped(false);
    let line = text.lines().nth(1).unwrap().to_owned();
    std::fs::write(&journal, format!("{}\n{line}", text.lines().next().unwrap())).unwrap();
    let text = stopped(true);
    assert_eq!(text.lines().filter(|found| *found == line).count(), 1, "only as it was read again: {text}");
    assert_eq!(outcome(&store, true), expected);
}

#[test]
fn a_lock_is_taken_or_refused_with_one_error_and_the_next_writer_has_it() {
    let folder = tempfile::tempdir().unwrap();
    drop(sample_store(folder.path()));
    // What an interrupted writer leaves.
    std::fs::write(folder.path().join("meta/staging/record"), "cut o").unwrap();
    for for_good in [false, true] {
        for at in 0.. {
            let copy = tempfile::tempdir().unwrap();
            copy_store(folder.path(), copy.path());
            let (disk, count) = failing(at, for_good);
            let store = Store::open_on(copy.path(), disk).unwrap();
            let taken = store.writer("first");
            if let Err(error) = &taken {
                assert_eq!(error.fault(), Fault::Disk);
                assert!(error.to_string().contains(store.root().to_str().unwrap()), "{error}");
            }
            let is_lock = at == 0;
            assert!(!is_lock || matches!(&taken, Err(StoreError::Io { operation: Operation::Lock, .. })), "{taken:?}");
            if taken.is_ok() {
                let second = Store::open(copy.path()).unwrap().writer("second").unwrap_err();
                assert!(matches!(second, StoreError::Locked { .. }), "{second:?}");
            }
            drop(taken);
            let store = Store::open(copy.path()).unwrap();
            assert_sound(&store);
            drop(store.writer("second").unwrap());
            assert_eq!(std::fs::read_dir(store.layout().staging()).unwrap().count(), 0);
            let holder = std::fs::read_to_string(store.layout().lock()).unwrap();
            assert_eq!(holder, format!("process {} (second)\n", std::process::id()));
            if count.load(Ordering::SeqCst) <= at {
                assert!(at >= 3, "locked, signed, tidied: {at}");
                break;
            }
        }
    }
}

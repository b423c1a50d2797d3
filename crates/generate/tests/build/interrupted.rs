//! Builds that are told to stop, at every step: they end, and the next one goes on.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use clearwell_generate::build::{BuildError, BuildOptions, build};
use clearwell_generate::deltas::{DeltaOptions, Sources, add_deltas};
use clearwell_generate::progress::{Event, Progress};
use clearwell_store::{Fault, Store, StoreError};
use clearwell_testkit::signer;

use crate::mix::{Mix, machine_code, options, snapshot, text, version};

/// Asks for an end at one of the safe points.
struct StopAt(AtomicI64);

impl Progress for StopAt {
    fn event(&self, _: Event) {}

    fn is_cancelled(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) <= 0
    }
}

/// A store with 10, and a mix that has changed since.
fn start(root: &Path) -> (Store, Mix) {
    let store = Store::create(root).unwrap();
    let mut mix = Mix::default();
    mix.format = 30;
    mix.file("os-core", "/usr/bin/tool", &machine_code(12_000, 1));
    mix.file("os-core", "/usr/share/text", &text(3_000, 1));
    mix.file("editor", "/usr/bin/editor", &machine_code(9_000, 2));
    mix.file("editor", "/usr/share/editor/help", &text(4_000, 3));
    mix.build(10, None, &store);
    mix.file("os-core", "/usr/share/text", &text(3_000, 4));
    mix.file("editor", "/usr/bin/editor", &machine_code(9_100, 2));
    mix.file("editor", "/usr/share/editor/help", &text(4_000, 5));
    (store, mix)
}

fn copy(from: &Path, to: &Path) -> Store {
    let _ = std::fs::remove_dir_all(to);
    assert!(std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
    Store::open(to).unwrap()
}

/// Whole artifacts, and parts of others, that the draft has.
fn finished(store: &Store) -> usize {
    let draft = store.layout().draft(version(20));
    let lines = |name: &str| std::fs::read_to_string(draft.join("parts").join(name)).unwrap_or_default();
    let lines = lines("make.index") + &lines("deltas.index");
    let files = std::fs::read_dir(draft.join("content/files")).map_or(0, Iterator::count);
    files + lines.lines().filter(|line| !line.is_empty()).count()
}

#[test]
fn a_build_that_is_told_to_stop_is_continued_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (begin, mix) = start(&folder.path().join("begin"));
    let before = snapshot(begin.root());
    let clean = copy(begin.root(), &folder.path().join("clean"));
    mix.build(20, Some(10), &clean);
    let clean = snapshot(clean.root());
    let mut kept = Vec::new();
    for number in 0.. {
        let store = copy(begin.root(), &folder.path().join("store"));
        let mut writer = store.writer("test").unwrap();
        let one = BuildOptions { workers: std::num::NonZeroUsize::MIN, ..options() };
        let progress = StopAt(AtomicI64::new(number));
        let ended = build(&mix.inputs(20, Some(10)), &mut writer, Some(signer()), &one, &progress);
        drop(writer);
        let Err(error) = ended else { break };
        assert!(matches!(error, BuildError::Store(StoreError::Cancelled)), "{error:?}");
        assert_eq!(error.fault(), Fault::Cancelled);
        assert!(before == snapshot(store.root()), "{number}");
        kept.push(finished(&store));
        mix.build(20, Some(10), &store);
        assert!(clean == snapshot(store.root()), "{number}");
    }
    assert!(kept.is_sorted() && kept.len() > 15 && kept.last() > Some(&8), "{kept:?}");
}

#[test]
fn deltas_that_are_told_to_stop_leave_whole_releases() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mix) = start(&folder.path().join("store"));
    mix.build_with(20, Some(10), &store, Some(signer()), &BuildOptions { deltas: 0, ..options() }).unwrap();
    let before = snapshot(store.root());
    let add = |progress: &dyn Progress| {
        let sources = Sources::Releases(vec![version(10)]);
        add_deltas(&mut store.writer("deltas").unwrap(), version(20), &sources, &DeltaOptions::default(), progress)
    };
    assert!(matches!(add(&StopAt(AtomicI64::new(1))), Err(BuildError::Store(StoreError::Cancelled))));
    assert!(before == snapshot(store.root()));
    assert!(!add(&StopAt(AtomicI64::new(i64::MAX))).unwrap().packs.is_empty());
}

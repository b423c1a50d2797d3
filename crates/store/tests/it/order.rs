//! What a loss of power can take: everything that was not synced. So whatever makes something visible has to come after
//! the syncs of what it makes visible.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use clearwell_store::Store;
use clearwell_store::disk::{Disk, Operation};
use clearwell_testkit::pointers;

use crate::support::{format, small_releases, version};

type Trace = Arc<Mutex<Vec<(Operation, PathBuf)>>>;

fn traced() -> (Disk, Trace) {
    let trace = Trace::default();
    let calls = trace.clone();
    let disk = Disk::with_hook(move |operation, path| {
        calls.lock().unwrap().push((operation, path.to_owned()));
        Ok(())
    });
    (disk, trace)
}

fn position(trace: &[(Operation, PathBuf)], operation: Operation, path: &Path) -> usize {
    let found = trace.iter().position(|call| call.0 == operation && call.1 == path);
    found.unwrap_or_else(|| panic!("no {operation:?} of {}", path.display()))
}

#[test]
fn everything_is_synced_before_it_becomes_visible() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, trace) = traced();
    let store = Store::create_on(folder.path(), disk).unwrap();
    trace.lock().unwrap().clear();
    let release = &small_releases()[0];
    let mut writer = store.writer("test").unwrap();
    release.release_in(&mut writer);
    let trace_of_release = std::mem::take(&mut *trace.lock().unwrap());
    writer.publish(&pointers(format(), version(10))).unwrap();
    let trace_of_publication = std::mem::take(&mut *trace.lock().unwrap());

    let (layout, at) = (store.layout(), |operation, path: &Path| position(&trace_of_release, operation, path));
    let staged = layout.draft(version(10));
    let visible = at(Operation::Rename, &layout.record(version(10)));
    let moved = at(Operation::Rename, &layout.release_folder(version(10)));
    for artifact in release.artifacts.keys() {
        assert!(at(Operation::SyncFile, &staged.join(format!("content/{artifact}"))) < moved, "{artifact}");
    }
    for path in [staged.join("content"), staged.join("content/files")] {
        assert!(at(Operation::SyncFolder, &path) < moved, "{}", path.display());
    }
    assert!(moved < at(Operation::SyncFolder, &layout.content()));
    for path in [staged.join("index"), staged.join("record.json")] {
        assert!(at(Operation::SyncFile, &path) < moved, "{}", path.display());
    }
    let index = at(Operation::Rename, &layout.index(version(10)));
    let index_synced = at(Operation::SyncFolder, &layout.indexes());
    assert!(moved < index && index < index_synced && index_synced < visible);
    assert!(visible < at(Operation::SyncFolder, &layout.records()));

    let at = |operation, path: &Path| position(&trace_of_publication, operation, path);
    let switched = at(Operation::Rename, &layout.pointers_link());
    let is_new = |call: &&(Operation, PathBuf)| call.0 == Operation::CreateFile;
    let files: Vec<_> = trace_of_publication[..switched].iter().filter(is_new).collect();
    assert_eq!(files.len(), 5, "four pointers and their sums");
    for (_, path) in files {
        assert!(at(Operation::SyncFile, path) < switched);
        assert!(at(Operation::SyncFolder, path.parent().unwrap()) < switched);
    }
    assert!(at(Operation::SyncFolder, &layout.generations()) < switched);
    assert!(switched < at(Operation::SyncFolder, &layout.content()));
    assert!(switched < at(Operation::Rename, &layout.record(version(10))), "published is what pointers named");
}

#[test]
fn many_files_are_synced_by_one_call() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, trace) = traced();
    let store = Store::create_on(folder.path(), disk).unwrap();
    let mut writer = store.writer("test").unwrap();
    let draft = writer.draft(version(10), "").unwrap();
    for number in 0..300_u32 {
        let hash =
            clearwell_format::FileHash::from_bytes(*clearwell_store::Digest::of(&number.to_le_bytes()).as_bytes());
        draft.put(&clearwell_format::resource::Artifact::Fullfile(hash), b"x").unwrap();
    }
    let record = clearwell_store::ReleaseRecord::new(version(10), format(), 0);
    draft.prepare(record).unwrap().release().unwrap();
    let trace = trace.lock().unwrap();
    let count = |operation| trace.iter().filter(|call| call.0 == operation).count();
    assert_eq!(count(Operation::SyncAll), 1);
    assert!(count(Operation::SyncFile) < 10);
    assert!(position(&trace, Operation::SyncAll, &store.layout().draft(version(10)).join("content")) > 0);
}

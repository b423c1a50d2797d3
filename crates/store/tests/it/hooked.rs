//! Nothing changes past the disk: whatever a store has or had, the hook was asked for it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use clearwell_store::Store;
use clearwell_store::check::{CheckOptions, check};
use clearwell_store::disk::Disk;
use clearwell_store::gc::{Retention, collect};
use clearwell_store::progress::Silent;
use clearwell_testkit::pointers;

use crate::support::{another_pack, format, small_releases, version};

/// The names of all files, folders and links below a folder.
fn names_below(folder: &Path, names: &mut BTreeSet<OsString>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        names.insert(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            names_below(&entry.path(), names);
        }
    }
}

#[test]
fn the_hook_is_asked_for_every_file_of_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let seen: Arc<Mutex<BTreeSet<PathBuf>>> = Arc::default();
    let calls = seen.clone();
    let disk = Disk::with_hook(move |_, path| {
        calls.lock().unwrap().insert(path.to_owned());
        Ok(())
    });
    let store = Store::create_on(folder.path(), disk).unwrap();
    let mut names = BTreeSet::new();
    {
        let mut writer = store.writer("test").unwrap();
        for release in small_releases() {
            release.release_in(&mut writer);
            names_below(folder.path(), &mut names);
            writer.publish(&pointers(format(), release.version)).unwrap();
        }
        let draft = writer.extend(version(20)).unwrap();
        let (artifact, bytes) = another_pack();
        draft.put(&artifact, bytes).unwrap();
        names_below(folder.path(), &mut names);
        draft.prepare(store.record(version(20)).unwrap()).unwrap().release().unwrap();
    }
    check(&store, &CheckOptions::new(1_700_000_000), &Silent).unwrap();
    names_below(folder.path(), &mut names);
    let retention = Retention { grace: Duration::ZERO, ..Retention::new(1, SystemTime::now()) };
    collect(&mut store.writer("gc").unwrap(), &retention, Duration::ZERO, &Silent).unwrap();
    names_below(folder.path(), &mut names);

    let seen = seen.lock().unwrap();
    // Folders are moved with what is in them, so files are known by their names.
    let seen_names: BTreeSet<OsString> = seen.iter().filter_map(|path| path.file_name()).map(OsString::from).collect();
    assert_eq!(names.difference(&seen_names).collect::<Vec<_>>(), Vec::<&OsString>::new(), "made past the disk");
    // Those that a look at the folder may miss or that were there before.
    let layout = store.layout();
    for path in [layout.lock(), layout.check_journal(), layout.stamp(), layout.staging().join("collect")] {
        assert!(seen.contains(&path), "{} is written past the disk", path.display());
    }
}

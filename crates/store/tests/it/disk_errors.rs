//! What the operator reads when the disk says no.

use std::io;

use clearwell_format::resource::Artifact;
use clearwell_store::disk::{Disk, Operation};
use clearwell_store::{Fault, Store, StoreError};
use clearwell_testkit::sample_store;

use crate::support::{format, version};

fn put_with(kind: io::ErrorKind, failing: Operation) -> (StoreError, Store) {
    let folder = tempfile::tempdir().unwrap();
    let sound = sample_store(folder.path()).store;
    let disk = Disk::with_hook(move |operation, _| if operation == failing { Err(kind.into()) } else { Ok(()) });
    let store = Store::open_on(folder.path(), disk).unwrap();
    let mut writer = store.writer("test").unwrap();
    let put = |writer: &mut clearwell_store::Writer| {
        let draft = writer.draft(version(30), "")?;
        draft.put(&Artifact::Format, b"30")?;
        draft.prepare(clearwell_store::ReleaseRecord::new(version(30), format(), 0))?.release()
    };
    let error = put(&mut writer).unwrap_err();
    assert_eq!(sound.releases().unwrap(), [version(10), version(20)]);
    assert_eq!(sound.latest(format()).unwrap(), Some(version(20)));
    drop(writer);
    put(&mut sound.writer("test").unwrap()).unwrap();
    (error, sound)
}

#[test]
fn a_full_disk_says_so_and_names_path_and_remedy() {
    for failing in [Operation::Write, Operation::CreateFile, Operation::CreateFolder, Operation::SyncFile] {
        let (error, store) = put_with(io::ErrorKind::StorageFull, failing);
        assert_eq!(error.fault(), Fault::Disk);
        assert!(matches!(error, StoreError::NoSpace { .. }), "{failing:?}: {error}");
        let message = error.to_string();
        assert!(message.contains(store.root().to_str().unwrap()) && message.contains("free some"), "{message}");
    }
    assert!(matches!(put_with(io::ErrorKind::QuotaExceeded, Operation::Write).0, StoreError::NoSpace { .. }));
}

#[test]
fn missing_permission_and_a_second_file_system_have_their_own_words() {
    for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
        let (error, _) = put_with(kind, Operation::CreateFile);
        assert!(matches!(error, StoreError::NotPermitted { .. }), "{error}");
        assert!(error.to_string().contains("change its permissions"), "{error}");
    }
    let (error, _) = put_with(io::ErrorKind::CrossesDevices, Operation::Rename);
    assert!(matches!(error, StoreError::AcrossFileSystems { .. }), "{error}");
}

#[test]
fn other_failures_keep_their_cause_apart() {
    let (error, _) = put_with(io::ErrorKind::TimedOut, Operation::SyncFolder);
    assert_eq!(error.fault(), Fault::Disk);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(!error.to_string().contains(&source), "the chain reads once: {error}: {source}");
}

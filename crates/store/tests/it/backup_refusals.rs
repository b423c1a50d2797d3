//! Folders that a backup or a restoration refuses: nothing in them changes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use clearwell_store::backup::{BackupRefusal, RestoreOptions, back_up, restore};
use clearwell_store::disk::Disk;
use clearwell_store::progress::Silent;
use clearwell_store::{Fault, Store, StoreError};
use clearwell_testkit::{ReleaseBuilder, TestObject, flip_byte, pointers, sample_store};

use crate::backup::{a_pack, complete, contents, options, publish_third, refusal};
use crate::support::{format, version};

#[test]
fn folders_that_cannot_be_a_backup_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let store = sample_store(&at("store")).store;
    let refused = |path: &Path| refusal(back_up(&store, path, Disk::default(), &options(), &Silent).unwrap_err());
    symlink(at("store"), at("link")).unwrap();
    for nested in ["store", "store/backup", "store/content/30", "link/backup", "new/../store/backup", "."] {
        assert!(matches!(refused(&at(nested)), BackupRefusal::Nested { .. }), "{nested}");
    }
    assert!(!at("store/backup").exists() && !at("new").exists());

    sample_store(&at("live"));
    assert!(matches!(refused(&at("live")), BackupRefusal::NotABackup { .. }));
    fs::create_dir(at("home")).unwrap();
    fs::write(at("home/letter"), "").unwrap();
    let error = back_up(&store, &at("home"), Disk::default(), &options(), &Silent).unwrap_err();
    assert!(matches!(error, StoreError::NotEmpty { .. }), "{error}");
    fs::write(at("file"), "").unwrap();
    let error = back_up(&store, &at("file"), Disk::default(), &options(), &Silent).unwrap_err();
    assert_eq!(error.fault(), Fault::Store, "{error}");

    // A backup of another store: with other releases, or with a release of the same version.
    let other = Store::create(at("other")).unwrap();
    let os_core = vec![TestObject::directory("/usr"), TestObject::file("/usr/release", "other")];
    let release = ReleaseBuilder::new(20, None).bundle("os-core", &[], os_core).build();
    let mut writer = other.writer("test").unwrap();
    release.release_in(&mut writer);
    writer.publish(&pointers(format(), version(20))).unwrap();
    drop(writer);
    complete(&other, &at("of-other"), &options());
    let before = contents(&Store::open(at("of-other")).unwrap());
    assert!(
        matches!(refused(&at("of-other")), BackupRefusal::OtherStore { version: found, .. } if found == version(20))
    );
    assert!(contents(&Store::open(at("of-other")).unwrap()) == before);
    let unrelated = Store::create(at("unrelated")).unwrap();
    let mut writer = unrelated.writer("test").unwrap();
    let os_core = vec![TestObject::directory("/usr"), TestObject::file("/usr/release", "unrelated")];
    ReleaseBuilder::new(70, None).bundle("os-core", &[], os_core).build().release_in(&mut writer);
    drop(writer);
    let error = back_up(&unrelated, &at("of-other"), Disk::default(), &options(), &Silent).unwrap_err();
    assert!(matches!(refusal(error), BackupRefusal::OtherStore { .. } | BackupRefusal::StoreOlder { .. }));

    // A release was published in the folder: it is a store of its own now.
    complete(&store, &at("continued"), &options());
    let mut writer = Store::open(at("continued")).unwrap().writer("test").unwrap();
    let os_core = vec![TestObject::directory("/usr"), TestObject::file("/usr/release", "continued")];
    ReleaseBuilder::new(91, None).bundle("os-core", &[], os_core).build().release_in(&mut writer);
    writer.publish(&pointers(format(), version(91))).unwrap();
    drop(writer);
    let before = contents(&Store::open(at("continued")).unwrap());
    assert_eq!(refused(&at("continued")), BackupRefusal::Continued { path: at("continued"), version: version(91) });
    assert!(contents(&Store::open(at("continued")).unwrap()) == before);

    // The store went back to an earlier state.
    clearwell_testkit::copy_store(&at("store"), &at("earlier"));
    publish_third(&store);
    complete(&store, &at("backup"), &options());
    let earlier = Store::open(at("earlier")).unwrap();
    let error = back_up(&earlier, &at("backup"), Disk::default(), &options(), &Silent).unwrap_err();
    assert_eq!(
        refusal(error),
        BackupRefusal::StoreOlder { path: at("backup"), backup: store.generation().unwrap(), store: 2 }
    );
    // And the arguments the other way round.
    let backup = Store::open(at("backup")).unwrap();
    let error = back_up(&backup, &at("store"), Disk::default(), &options(), &Silent).unwrap_err();
    assert!(matches!(refusal(error), BackupRefusal::NotABackup { .. }));
}

#[test]
fn restorations_refuse_what_would_be_lost() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let store = sample_store(&at("store")).store;
    let (_, backup) = complete(&store, &at("backup"), &options());
    let restored = |from: &Store, to: &Path| restore(from, to, Disk::default(), &RestoreOptions::default(), &Silent);
    for to in ["store", "backup", "backup/new"] {
        let reason = refusal(restored(&backup, &at(to)).unwrap_err());
        assert!(matches!(reason, BackupRefusal::HasReleases { .. } | BackupRefusal::Nested { .. }), "{to}: {reason}");
    }
    // Only pointers are left of it.
    clearwell_testkit::copy_store(&at("store"), &at("damaged"));
    for part in ["meta/releases", "meta/index"] {
        fs::remove_dir_all(at("damaged").join(part)).unwrap();
        fs::create_dir(at("damaged").join(part)).unwrap();
    }
    let reason = refusal(restored(&backup, &at("damaged")).unwrap_err());
    assert!(matches!(reason, BackupRefusal::HasReleases { .. }));

    // A damaged backup is restored as far as it goes.
    flip_byte(&backup.path(&a_pack(10)));
    let report = restored(&backup, &at("part")).unwrap();
    assert_eq!(report.damage.len(), 1);
    let part = Store::open(at("part")).unwrap();
    assert_eq!(part.latest(format()).unwrap(), Some(version(20)));
    assert!(!part.path(&a_pack(10)).exists());
}

#[test]
fn a_restoration_needs_a_backup_that_was_complete_once() {
    let folder = tempfile::tempdir().unwrap();
    let (copy, new) = (folder.path().join("backup"), folder.path().join("new"));
    let store = sample_store(&folder.path().join("store")).store;
    let disk = Disk::with_hook(|_, path| match path.ends_with("content/version") {
        true => Err(std::io::Error::other("the machine stopped")),
        false => Ok(()),
    });
    back_up(&store, &copy, disk, &options(), &Silent).unwrap_err();
    let restored =
        |from: &Path| restore(&Store::open(from).unwrap(), &new, Disk::default(), &RestoreOptions::default(), &Silent);
    assert!(matches!(refusal(restored(&copy).unwrap_err()), BackupRefusal::Incomplete { .. }));
    assert!(!new.exists());
    complete(&store, &copy, &options());
    restored(&copy).unwrap();
}

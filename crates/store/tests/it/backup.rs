//! A backup has what its store had at one instant, whatever happens to either of them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clearwell_format::Resource;
use clearwell_format::resource::Artifact;
use clearwell_store::backup::{
    BackupNote, BackupOptions, BackupRefusal, CopyOptions, CopyReport, RestoreOptions, back_up, restore,
};
use clearwell_store::check::{CheckOptions, Finding, check};
use clearwell_store::disk::Disk;
use clearwell_store::gc::{Retention, collect};
use clearwell_store::progress::Silent;
use clearwell_store::verify::DefectKind;
use clearwell_store::{ReleaseState, Store, StoreError, clock};
use clearwell_testkit::{ReleaseBuilder, TestObject, cut_off, flip_byte, pointers, sample_releases, sample_store};

use crate::support::{Recorder, another_pack, format, version};

const NOW: i64 = 1_800_000_000;

pub(crate) fn options() -> BackupOptions {
    BackupOptions { copy: CopyOptions::default(), prune: false, now: NOW }
}

fn pruning() -> BackupOptions {
    BackupOptions { prune: true, ..options() }
}

fn run(store: &Store, folder: &Path, options: &BackupOptions) -> CopyReport {
    back_up(store, folder, Disk::default(), options, &Silent).unwrap()
}

/// A backup without anything to complain about, and the store in it.
#[track_caller]
pub(crate) fn complete(store: &Store, folder: &Path, options: &BackupOptions) -> (CopyReport, Store) {
    let report = run(store, folder, options);
    assert!(report.damage.is_empty() && report.mended.is_empty() && !report.pointers_held, "{report:?}");
    let backup = Store::open(folder).unwrap();
    assert_undamaged(&backup);
    assert_eq!(fs::read_dir(backup.layout().staging()).unwrap().count(), 0, "scratch is left");
    (report, backup)
}

#[track_caller]
pub(crate) fn assert_undamaged(store: &Store) {
    let findings = check_findings(store);
    assert!(findings.is_empty(), "{findings:#?}");
}

/// What a check finds, notes too. The pack that extends a release in these tests is not one, so it does not look inside.
pub(crate) fn check_findings(store: &Store) -> Vec<Finding> {
    let options = CheckOptions { contents: false, ..CheckOptions::new(clock::unix_seconds()) };
    let findings = check(store, &options, &Silent).unwrap().findings;
    // The smallest releases do not install a certificate.
    findings.into_iter().filter(|finding| !matches!(finding.defect.kind, DefectKind::NoCertificate)).collect()
}

/// Artifacts, indexes and records by path, and the pointers.
pub(crate) fn contents(store: &Store) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for version in store.contents().unwrap() {
        below(&store.layout().release_folder(version), store.root(), &mut files);
    }
    for folder in [store.layout().records(), store.layout().remnants(), store.layout().indexes()] {
        below(&folder, store.root(), &mut files);
    }
    for (pointer, bytes) in store.pointers().unwrap().files {
        files.insert(pointer.to_string().into(), bytes.to_vec());
    }
    files
}

fn below(folder: &Path, root: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, root, files);
        } else {
            files.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
        }
    }
}

#[track_caller]
fn assert_same(store: &Store, copy: &Store) {
    let (store, copy) = (contents(store), contents(copy));
    assert_eq!(store.keys().collect::<Vec<_>>(), copy.keys().collect::<Vec<_>>());
    for (path, bytes) in &store {
        assert!(copy[path] == *bytes, "{} differs", path.display());
    }
}

/// Releases 30 and published, on top of the sample's 20.
fn third(text: &str) -> clearwell_testkit::TestRelease {
    let [_, second] = sample_releases();
    let os_core = vec![TestObject::directory("/usr"), TestObject::file("/usr/release", text)];
    ReleaseBuilder::new(30, Some(&second)).bundle("os-core", &[], os_core).build()
}

pub(crate) fn publish_third(store: &Store) {
    let mut writer = store.writer("test").unwrap();
    third("thirty").release_in(&mut writer);
    writer.publish(&pointers(format(), version(30))).unwrap();
}

fn extend(store: &Store) {
    let mut writer = store.writer("test").unwrap();
    let draft = writer.extend(version(20)).unwrap();
    let (artifact, bytes) = another_pack();
    draft.put(&artifact, bytes).unwrap();
    draft.prepare(store.record(version(20)).unwrap()).unwrap().release().unwrap();
}

fn collect_all_but(store: &Store, number: usize) {
    let retention = Retention { grace: Duration::ZERO, ..Retention::new(number, SystemTime::now()) };
    collect(&mut store.writer("gc").unwrap(), &retention, Duration::ZERO, &Silent).unwrap();
}

pub(crate) fn refusal(error: StoreError) -> BackupRefusal {
    match error {
        StoreError::BackupRefused { reason } => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn a_backup_is_the_same_store_and_a_second_one_copies_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let (root, copy) = (folder.path().join("store"), folder.path().join("below/backup"));
    let store = sample_store(&root).store;
    let recorder = Recorder::default();
    let report = back_up(&store, &copy, Disk::default(), &options(), &recorder).unwrap();
    let backup = Store::open(&copy).unwrap();
    assert_undamaged(&backup);
    assert_same(&store, &backup);
    assert_eq!(report.added, [version(10), version(20)]);
    let artifacts: u64 = [10, 20].map(|number| store.index(version(number)).unwrap().len()).iter().sum();
    assert_eq!((report.copied.number, report.unchanged.number, report.generation), (artifacts, 0, 2));
    assert_eq!(recorder.finished()[0].1, artifacts);
    let note = BackupNote::read(&backup).unwrap().unwrap();
    assert_eq!(
        (note.taken, note.generation, note.store),
        (Some(NOW), 2, root.canonicalize().ok().map(|path| path.display().to_string()))
    );

    for (layout, other) in [(store.layout(), backup.layout())] {
        let pairs = [
            (layout.record(version(20)), other.record(version(20))),
            (layout.generation(2), other.generation(2)),
            (layout.release_folder(version(20)).join("format"), other.release_folder(version(20)).join("format")),
        ];
        for (from, to) in pairs {
            let (from, to) = (from.metadata().unwrap(), to.metadata().unwrap());
            assert_eq!(from.modified().unwrap(), to.modified().unwrap(), "gc decides by times");
            assert_eq!(to.permissions().mode() & 0o777, if to.is_dir() { 0o755 } else { 0o644 });
        }
    }

    let before = fs::metadata(backup.layout().index(version(20))).unwrap().ino();
    let (report, _) = complete(&store, &copy, &options());
    assert_eq!((report.copied.number, report.unchanged.number), (0, artifacts));
    assert_eq!((report.added, report.changed, report.generation), (vec![], vec![], 2));
    assert_eq!(fs::metadata(backup.layout().index(version(20))).unwrap().ino(), before, "nothing is written again");

    extend(&store);
    publish_third(&store);
    let (report, backup) = complete(&store, &copy, &options());
    assert_same(&store, &backup);
    assert_eq!((report.added, report.changed), (vec![version(30)], vec![version(20)]));
    assert_eq!(report.copied.number, store.index(version(30)).unwrap().len() + 1);
    assert_eq!(report.generation, store.generation().unwrap());
}

#[test]
fn a_restored_store_is_the_same_and_continues() {
    let folder = tempfile::tempdir().unwrap();
    let (copy, new) = (folder.path().join("backup"), folder.path().join("new"));
    let store = sample_store(&folder.path().join("store")).store;
    let (_, backup) = complete(&store, &copy, &options());
    fs::remove_dir_all(store.root()).unwrap();
    let options = RestoreOptions { last_published: Some(version(50)), ..RestoreOptions::default() };
    let report = restore(&backup, &new, Disk::default(), &options, &Silent).unwrap();
    assert!(report.damage.is_empty() && report.mended.is_empty() && !report.pointers_held);
    let restored = Store::open(&new).unwrap();
    assert_undamaged(&restored);
    assert_same(&backup, &restored);
    assert_eq!(BackupNote::read(&restored).unwrap(), None);
    assert_eq!(restored.last_published().unwrap(), Some(version(50)));

    // It is a store like any other, and its backup continues in the same folder.
    publish_third(&restored);
    complete(&restored, &copy, &self::options());
    assert_eq!(backup.last_published().unwrap(), Some(version(50)));
    let again = restore(&backup, &new, Disk::default(), &options, &Silent).unwrap_err();
    assert!(matches!(refusal(again), BackupRefusal::HasReleases { .. }));

    // A plain copy of the folder is a store too.
    let plain = folder.path().join("plain");
    clearwell_testkit::copy_store(&copy, &plain);
    let plain = Store::open(&plain).unwrap();
    assert_undamaged(&plain);
    collect_all_but(&plain, 1);
    assert_undamaged(&plain);
}

#[test]
fn an_empty_store_takes_a_restoration_and_an_older_layout() {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/stores");
    for layout in ["1.0", "1.1", "1.2"] {
        let at = |name: &str| folder.path().join(format!("{layout}-{name}"));
        clearwell_testkit::copy_store(&fixtures.join(layout), &at("store"));
        let store = Store::open(at("store")).unwrap();
        let backup = complete(&store, &at("backup"), &options()).1;
        drop(Store::create(at("new")).unwrap());
        restore(&backup, &at("new"), Disk::default(), &RestoreOptions::default(), &Silent).unwrap();
        for copy in [&backup, &Store::open(at("new")).unwrap()] {
            assert_same(&store, copy);
            assert_eq!(copy.states().unwrap(), store.states().unwrap(), "{layout}");
            let stamp = fs::read_to_string(copy.layout().stamp()).unwrap();
            assert_eq!(stamp, format!("clearwell-store {layout}\n"));
            assert_undamaged(copy);
        }
        // The first writer brings the store to the current layout: the backup follows.
        collect_all_but(&store, 1);
        let (_, backup) = complete(&store, &at("backup"), &options());
        assert_eq!(fs::read_to_string(backup.layout().stamp()).unwrap(), "clearwell-store 1.2\n");
    }
    let (store, backup) = (folder.path().join("1.0-store"), folder.path().join("1.2-backup"));
    fs::remove_dir_all(&store).unwrap();
    clearwell_testkit::copy_store(&fixtures.join("1.0"), &store);
    let error = back_up(&Store::open(&store).unwrap(), &backup, Disk::default(), &options(), &Silent).unwrap_err();
    assert!(matches!(refusal(error), BackupRefusal::StoreOlder { .. } | BackupRefusal::Upgraded { .. }));
}

#[test]
fn what_gc_removed_stays_in_the_backup_unless_it_is_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, pruned) = (folder.path().join("kept"), folder.path().join("pruned"));
    let store = sample_store(&folder.path().join("store")).store;
    publish_third(&store);
    for backup in [&kept, &pruned] {
        complete(&store, backup, &options());
    }
    let before = contents(&Store::open(&kept).unwrap());
    collect_all_but(&store, 1);
    assert_eq!(
        (store.releases().unwrap(), store.remnants().unwrap()),
        (vec![version(30)], vec![version(10), version(20)])
    );

    let (report, backup) = complete(&store, &kept, &options());
    assert_eq!(backup.releases().unwrap(), [10, 20, 30].map(version));
    assert_eq!(report.copied.number, 0);
    let after = contents(&backup);
    let is_of_release = |path: &&PathBuf| !path.starts_with("version");
    for path in before.keys().filter(is_of_release) {
        assert!(after.get(path) == before.get(path), "{}", path.display());
    }
    let (_, backup) = complete(&store, &pruned, &pruning());
    assert_same(&store, &backup);
    let (report, _) = complete(&store, &pruned, &pruning());
    assert_eq!(report.copied.number, 0);

    // A first backup after a collection has remnants as remnants.
    let late = folder.path().join("late");
    let (_, backup) = complete(&store, &late, &options());
    assert_same(&store, &backup);

    // Whole versions go, and what the backup never had stays away.
    let retention = Retention { grace: Duration::ZERO, leave_manifests: false, ..Retention::new(1, SystemTime::now()) };
    collect(&mut store.writer("gc").unwrap(), &retention, Duration::ZERO, &Silent).unwrap();
    let gone: Vec<_> = [10, 20].map(version).into_iter().filter(|number| !store.has_content(*number)).collect();
    assert!(!gone.is_empty());
    assert_eq!(complete(&store, &kept, &options()).0.kept, gone);
    let (report, backup) = complete(&store, &pruned, &pruning());
    assert_eq!(report.removed, gone);
    assert_same(&store, &backup);
    assert!(gone.iter().all(|number| !backup.layout().release_folder(*number).exists()));
}

#[test]
fn a_backup_may_be_collected_itself() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("backup");
    let store = sample_store(&folder.path().join("store")).store;
    publish_third(&store);
    let (_, backup) = complete(&store, &copy, &options());
    collect_all_but(&backup, 1);
    let ahead = backup.generation().unwrap();
    assert!(ahead > store.generation().unwrap());
    assert_eq!(backup.releases().unwrap(), [version(30)]);
    complete(&store, &copy, &options());
    // Pointers that move later are those of the store, under a number of the backup.
    let writer = store.writer("test").unwrap();
    writer.publish(&pointers(format(), version(20))).unwrap();
    writer.publish(&pointers(format(), version(30))).unwrap();
    drop(writer);
    let (report, backup) = complete(&store, &copy, &options());
    assert_eq!(backup.pointers().unwrap().files, store.pointers().unwrap().files);
    assert!(report.generation >= ahead);
}

#[test]
fn staged_releases_follow_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("backup");
    let store = sample_store(&folder.path().join("store")).store;
    let stage = |text: &str| drop(third(text).release_in(&mut store.writer("test").unwrap()));
    stage("one");
    let (_, backup) = complete(&store, &copy, &options());
    assert_eq!(backup.state(version(30)).unwrap(), ReleaseState::Staged);
    // Built again with other content.
    stage("another");
    let (_, backup) = complete(&store, &copy, &options());
    assert_same(&store, &backup);
    store.writer("test").unwrap().discard(version(30)).unwrap();
    let (report, backup) = complete(&store, &copy, &options());
    assert_eq!(report.removed, [version(30)]);
    assert_same(&store, &backup);
    stage("a third");
    complete(&store, &copy, &options());
    store.writer("test").unwrap().publish(&pointers(format(), version(30))).unwrap();
    let (_, backup) = complete(&store, &copy, &options());
    assert_same(&store, &backup);
}

pub(crate) fn a_pack(number: u32) -> Resource {
    Resource::of(version(number), Artifact::Pack { bundle: "os-core".parse().unwrap(), from: None })
}

#[test]
fn damage_in_the_store_is_reported_and_the_good_copy_stays() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("backup");
    let store = sample_store(&folder.path().join("store")).store;
    complete(&store, &copy, &options());
    let backup = Store::open(&copy).unwrap();
    let before = contents(&backup);
    flip_byte(&store.path(&a_pack(20)));
    cut_off(&store.path(&a_pack(10)));
    fs::remove_file(store.layout().release_folder(version(20)).join("format")).unwrap();
    flip_byte(&store.layout().index(version(10)));
    for _ in 0..2 {
        let report = run(&store, &copy, &pruning());
        let paths: Vec<_> = report.damage.iter().map(|defect| defect.path.display().to_string()).collect();
        assert_eq!(paths, ["content/20/format", "content/20/pack-os-core-from-0.tar", "meta/index/10"]);
        assert!(report.mended.is_empty() && report.copied.number == 0 && !report.pointers_held);
        assert!(contents(&backup) == before, "the copy is as it was");
        assert_undamaged(&backup);
    }
    // A record that is lost is not what a collection does.
    fs::remove_file(store.layout().record(version(10))).unwrap();
    run(&store, &copy, &pruning());
    assert!(backup.has_release(version(10)));

    // A restored file is copied no more than others.
    let (from, to) = (backup.path(&a_pack(20)), store.path(&a_pack(20)));
    fs::copy(from, to).unwrap();
    let report = run(&store, &copy, &options());
    assert_eq!((report.damage.len(), report.copied.number), (1, 0), "{:?}", report.damage);
}

#[test]
fn pointers_wait_for_a_release_that_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("backup");
    let store = sample_store(&folder.path().join("store")).store;
    complete(&store, &copy, &options());
    publish_third(&store);
    let (pack, sound) = (store.path(&a_pack(30)), fs::read(store.path(&a_pack(30))).unwrap());
    flip_byte(&pack);
    let report = run(&store, &copy, &options());
    assert!(report.pointers_held && report.damage.len() == 1, "{report:?}");
    let backup = Store::open(&copy).unwrap();
    assert_eq!(backup.latest(format()).unwrap(), Some(version(20)));
    assert!(backup.has_release(version(30)), "what is sound of it is there");
    assert!(!backup.path(&a_pack(30)).exists());

    fs::write(&pack, sound).unwrap();
    let report = run(&store, &copy, &options());
    assert_eq!(report.copied.number, 1);
    assert_eq!(report.mended, [PathBuf::from("content/30/pack-os-core-from-0.tar")]);
    assert_same(&store, &Store::open(&copy).unwrap());
    complete(&store, &copy, &options());

    // The pointers themselves.
    fs::remove_file(store.layout().pointers_link()).unwrap();
    symlink("elsewhere", store.layout().pointers_link()).unwrap();
    let report = run(&store, &copy, &options());
    assert!(report.pointers_held && report.damage[0].path == Path::new("content/version"), "{report:?}");
    assert_undamaged(&backup);

    // A first backup has what there is.
    let first = folder.path().join("first");
    let store = sample_store(&folder.path().join("other")).store;
    flip_byte(&store.path(&a_pack(20)));
    let report = run(&store, &first, &options());
    assert!(!report.pointers_held && report.damage.len() == 1);
    assert_eq!(Store::open(&first).unwrap().latest(format()).unwrap(), Some(version(20)));
}

/// Changes a file.
type Change = dyn Fn(&Path);

/// Each way in which a file of the backup can be wrong, and be noticed without reading all of it.
#[test]
fn damage_in_the_backup_is_repaired_from_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("backup");
    let store = sample_store(&folder.path().join("store")).store;
    let (_, backup) = complete(&store, &copy, &options());
    let manifest = "content/20/Manifest.os-core";
    let damage: [(&str, &Change); 9] = [
        (manifest, &|path| flip_byte(path)),
        (manifest, &|path| cut_off(path)),
        (manifest, &|path| fs::remove_file(path).unwrap()),
        (manifest, &|path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
        (manifest, &|path| {
            fs::remove_file(path).unwrap();
            rustix::fs::mkfifoat(rustix::fs::CWD, path, 0o600.into()).unwrap();
        }),
        (manifest, &|path| {
            fs::rename(path, path.with_extension("old")).unwrap();
            symlink(path.with_extension("old"), path).unwrap();
        }),
        ("meta/index/20", &|path| flip_byte(path)),
        ("meta/releases/10.json", &|path| fs::write(path, "{}").unwrap()),
        ("content/version", &|path| {
            fs::remove_file(path).unwrap();
            symlink("nowhere", path).unwrap();
        }),
    ];
    for (name, change) in damage {
        change(&copy.join(name));
        let report = run(&store, &copy, &options());
        assert_eq!(report.mended, [PathBuf::from(name)]);
        assert!(report.damage.is_empty(), "{report:?}");
        let _ = fs::remove_file(copy.join(manifest).with_extension("old"));
        assert_same(&store, &backup);
        complete(&store, &copy, &options());
    }

    // A bit that rots changes neither size nor times.
    let path = copy.join(manifest);
    let time = path.metadata().unwrap().modified().unwrap();
    flip_byte(&path);
    fs::File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
    assert_eq!(run(&store, &copy, &options()).mended, Vec::<PathBuf>::new());
    let paranoid = BackupOptions { copy: CopyOptions { paranoid: true, ..CopyOptions::default() }, ..options() };
    assert_eq!(run(&store, &copy, &paranoid).mended, [PathBuf::from(manifest)]);
    assert_same(&store, &backup);
    // Times alone are nothing to complain about.
    fs::File::options().append(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let (report, _) = complete(&store, &copy, &options());
    assert_eq!(report.copied.number, 0);
    assert_eq!(path.metadata().unwrap().modified().unwrap(), time);
}

#[test]
fn a_store_without_releases_and_files_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let (root, copy) = (folder.path().join("store"), folder.path().join("backup"));
    let store = Store::create(&root).unwrap();
    let (report, backup) = complete(&store, &copy, &options());
    assert_eq!((report.generation, backup.releases().unwrap()), (0, vec![]));
    assert_eq!(BackupNote::read(&backup).unwrap().unwrap().taken, Some(NOW));
    fs::write(root.join("content/index.html"), "").unwrap();
    fs::create_dir(root.join("content/images")).unwrap();
    let (report, _) = complete(&store, &copy, &options());
    assert_eq!(report.left_out, ["images", "index.html"]);
    assert!(!copy.join("content/index.html").exists());
}

#[test]
fn a_name_that_is_not_utf8_is_one_like_others() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &[u8]| folder.path().join(std::ffi::OsStr::from_bytes(name));
    let store = sample_store(&at(b"store \xff")).store;
    let (_, backup) = complete(&store, &at(b"backup \xff"), &options());
    restore(&backup, &at(b"new \xff"), Disk::default(), &RestoreOptions::default(), &Silent).unwrap();
}

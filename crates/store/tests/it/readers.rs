//! Reading while there is a writer, and opening what is not ours to open.

use std::sync::atomic::{AtomicBool, Ordering};

use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, ManifestName, Resource};
use clearwell_store::{Digest, Fault, LayoutVersion, Store, StoreError};
use clearwell_testkit::{pointers, sample_store};

use crate::support::{assert_sound, format, version};

#[test]
fn a_reader_sees_whole_generations_while_pointers_move() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample_store(folder.path());
    let sets = [pointers(format(), version(10)), pointers(format(), version(20))];
    let writer = sample.store.writer("test").unwrap();
    // Signatures carry the time: those of the sample may differ from these.
    writer.publish(&sets[1]).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut last, mut seen) = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                let pointers = sample.store.pointers().unwrap();
                assert!(pointers.number >= last, "generations only grow");
                seen += u64::from(pointers.number > last);
                last = pointers.number;
                let whole = |set: &clearwell_store::PointerSet| {
                    set.iter().all(|(pointer, bytes)| *pointers.files[pointer] == **bytes)
                };
                assert!(sets.iter().any(whole), "a pointer and its signature belong together");
            }
            seen
        });
        for turn in 0..60 {
            writer.publish(&sets[turn % 2]).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
}

#[test]
fn a_reader_that_was_open_before_sees_new_releases() {
    let folder = tempfile::tempdir().unwrap();
    let reader = {
        let store = Store::create(folder.path()).unwrap();
        assert_eq!(store.pointers().unwrap().number, 0);
        assert_eq!(store.latest(format()).unwrap(), None);
        store
    };
    let writer_side = Store::open(folder.path()).unwrap();
    let mut writer = writer_side.writer("test").unwrap();
    let format_file = Resource::of(version(10), Artifact::Format);
    assert_eq!(reader.lookup(&format_file).unwrap(), None);
    clearwell_testkit::sample_releases()[0].release_in(&mut writer);
    assert_eq!(reader.read(&format_file).unwrap(), b"30");
    assert_eq!(reader.releases().unwrap(), [version(10)]);
}

#[test]
fn only_what_an_index_names_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample_store(folder.path());
    let store = &sample.store;
    let stray = Resource::of(version(20), Artifact::Fullfile(FileHash::from_bytes([7; 32])));
    std::fs::write(store.path(&stray), b"x").unwrap();
    assert_eq!(store.lookup(&stray).unwrap(), None);
    assert!(matches!(store.read(&stray), Err(StoreError::NoSuchResource(_))));

    // A folder without a record is not a release.
    std::fs::create_dir(store.layout().release_folder(version(30))).unwrap();
    std::fs::write(store.layout().release_folder(version(30)).join("format"), b"30").unwrap();
    assert_eq!(store.lookup(&Resource::of(version(30), Artifact::Format)).unwrap(), None);
    assert!(matches!(store.mom(version(30)), Err(StoreError::UnknownVersion { .. })));
    assert!(matches!(store.record(version(30)), Err(StoreError::UnknownVersion { .. })));
    assert_eq!(store.releases().unwrap(), [version(10), version(20)]);
}

#[test]
fn pointers_are_looked_up_like_artifacts() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample_store(folder.path());
    let latest = Resource::from_request_path("version/format30/latest").unwrap();
    let meta = sample.store.lookup(&latest).unwrap().unwrap();
    assert_eq!((meta.size, meta.sha256), (2, Digest::of(b"20")));
    assert_eq!(sample.store.read(&latest).unwrap(), b"20");
    let other = Resource::from_request_path("version/format31/latest").unwrap();
    assert_eq!(sample.store.lookup(&other).unwrap(), None);
    assert_eq!(std::fs::read(sample.store.path(&latest)).unwrap(), b"20");
}

#[test]
fn manifests_are_found_in_archives_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let release = &clearwell_testkit::sample_releases()[0];
    let mut writer = store.writer("test").unwrap();
    let draft = writer.draft(release.version, "").unwrap();
    for (artifact, bytes) in &release.artifacts {
        if !matches!(artifact, Artifact::Manifest(_)) {
            draft.put(artifact, bytes).unwrap();
        }
    }
    draft.prepare(release.record()).unwrap().release().unwrap();
    assert_eq!(store.mom(release.version).unwrap(), release.mom);
    for entry in release.mom.bundles() {
        assert_eq!(store.bundle_manifest(entry).unwrap(), release.manifests[&entry.bundle]);
    }
    store.manifest(release.version, &ManifestName::Full).unwrap();
}

#[test]
fn newer_layouts_and_other_folders_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    assert!(matches!(Store::open(&path), Err(StoreError::NotAStore { .. })));
    let store = Store::create(&path).unwrap();
    assert_sound(&store);
    assert!(matches!(Store::create(&path), Err(StoreError::StoreExists { .. })));

    for (stamp, newer) in [("clearwell-store 1.3\n", true), ("clearwell-store 2.0\n", true), ("x", false), ("", false)]
    {
        std::fs::write(store.layout().stamp(), stamp).unwrap();
        let error = Store::open(&path).unwrap_err();
        assert_eq!(error.fault(), Fault::Store);
        match error {
            StoreError::LayoutTooNew { found } => assert!(newer && found > LayoutVersion::CURRENT),
            StoreError::LayoutUnreadable { .. } => assert!(!newer),
            other => panic!("{other}"),
        }
    }
    std::fs::write(folder.path().join("letter"), "dear reader").unwrap();
    let error = Store::create(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::NotEmpty { .. }) && error.to_string().contains("store"), "{error}");
}

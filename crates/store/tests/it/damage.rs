//! What broke, and what the reader is told.

use clearwell_format::resource::Artifact;
use clearwell_format::{ManifestName, Resource};
use clearwell_store::{Fault, IndexDamage, Store, StoreError};
use clearwell_testkit::{SampleStore, cut_off, flip_byte, sample_store};

use crate::support::{assert_sound, version};

fn damaged(harm: impl Fn(&SampleStore)) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    harm(&sample_store(folder.path()));
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

fn mom_of_20() -> Resource {
    Resource::of(version(20), Artifact::Manifest(ManifestName::Mom))
}

#[test]
fn a_damaged_index_stops_its_release_and_no_other() {
    let index_of_20 = |sample: &SampleStore| sample.store.layout().index(version(20));
    let (_folder, store) = damaged(|sample| flip_byte(&index_of_20(sample)));
    for error in [
        store.lookup(&mom_of_20()).map(drop).unwrap_err(),
        store.mom(version(20)).map(drop).unwrap_err(),
        store.writer("test").unwrap().extend(version(20)).map(drop).unwrap_err(),
    ] {
        assert_eq!(error.fault(), Fault::Store);
        assert!(matches!(error, StoreError::IndexDamaged { source: IndexDamage::Checksum, .. }), "{error}");
    }
    store.mom(version(10)).unwrap();

    let (_folder, store) = damaged(|sample| std::fs::remove_file(index_of_20(sample)).unwrap());
    let error = store.lookup(&mom_of_20()).unwrap_err();
    assert!(matches!(error, StoreError::IndexDamaged { source: IndexDamage::Missing, .. }), "{error}");
    let (_folder, store) = damaged(|sample| {
        std::fs::copy(sample.store.layout().index(version(10)), index_of_20(sample)).map(drop).unwrap()
    });
    let error = store.lookup(&mom_of_20()).unwrap_err();
    assert!(matches!(error, StoreError::IndexDamaged { source: IndexDamage::OtherRelease(10), .. }), "{error}");
}

#[test]
fn a_damaged_record_is_named() {
    for harm in [cut_off, |path: &std::path::Path| std::fs::write(path, b"").unwrap()] {
        let (_folder, store) = damaged(|sample| harm(&sample.store.layout().record(version(20))));
        assert!(matches!(store.record(version(20)), Err(StoreError::RecordDamaged { .. })));
        store.record(version(10)).unwrap();
    }
    let (_folder, store) = damaged(|sample| {
        let layout = sample.store.layout();
        std::fs::copy(layout.record(version(10)), layout.record(version(20))).map(drop).unwrap()
    });
    assert!(matches!(store.record(version(20)), Err(StoreError::RecordDamaged { .. })));
}

#[test]
fn a_damaged_artifact_is_not_read() {
    let (_folder, store) = damaged(|sample| flip_byte(&sample.store.path(&mom_of_20())));
    assert!(matches!(store.read(&mom_of_20()), Err(StoreError::ArtifactDamaged { .. })));
    assert!(matches!(store.mom(version(20)), Err(StoreError::ArtifactDamaged { .. })));
    assert!(store.open_artifact(&mom_of_20()).is_ok(), "the server checks on its own terms");

    let (_folder, store) = damaged(|sample| cut_off(&sample.store.path(&mom_of_20())));
    assert!(matches!(store.open_artifact(&mom_of_20()), Err(StoreError::ArtifactSize { .. })));
    let (_folder, store) = damaged(|sample| std::fs::remove_file(sample.store.path(&mom_of_20())).unwrap());
    let error = store.open_artifact(&mom_of_20()).unwrap_err();
    assert!(matches!(error, StoreError::ArtifactSize { found: 0, .. }));
    assert!(error.to_string().contains("20/Manifest.MoM"), "{error}");
}

#[test]
fn damaged_pointers_are_told_from_none() {
    let link = |sample: &SampleStore| sample.store.layout().pointers_link();
    let (_folder, store) = damaged(|sample| std::fs::remove_file(link(sample)).unwrap());
    assert_eq!(store.pointers().unwrap().number, 0);

    for target in [".pointers/00000099", ".pointers/x", "elsewhere"] {
        let (_folder, store) = damaged(|sample| {
            std::fs::remove_file(link(sample)).unwrap();
            std::os::unix::fs::symlink(target, link(sample)).unwrap();
        });
        assert!(matches!(store.pointers(), Err(StoreError::PointersDamaged { .. })), "{target}");
    }
    let (_folder, store) = damaged(|sample| {
        std::fs::remove_file(link(sample)).unwrap();
        std::fs::create_dir(link(sample)).unwrap();
    });
    assert!(matches!(store.generation(), Err(StoreError::PointersDamaged { .. })));
    assert_eq!(store.releases().unwrap().len(), 2);
}

#[test]
fn publishing_again_repairs_damaged_pointers() {
    let (_folder, store) = damaged(|sample| {
        std::fs::remove_dir_all(sample.store.layout().generation(2)).unwrap();
        std::fs::create_dir(sample.store.layout().generation(7)).unwrap();
    });
    assert!(matches!(store.pointers(), Err(StoreError::PointersDamaged { .. })));
    let writer = store.writer("test").unwrap();
    writer.publish(&clearwell_testkit::pointers(crate::support::format(), version(20))).unwrap();
    assert_eq!(store.generation().unwrap(), 8, "numbers are not used twice");
    assert_sound(&store);
}

#[test]
fn pointers_of_other_formats_survive_a_lost_link() {
    let harms: [fn(&std::path::Path); 3] = [
        |link| std::fs::remove_file(link).unwrap(),
        |link| {
            std::fs::remove_file(link).unwrap();
            std::os::unix::fs::symlink("elsewhere", link).unwrap();
        },
        |link| {
            std::fs::remove_file(link).unwrap();
            std::fs::create_dir(link).unwrap();
            std::fs::write(link.join("latest_version"), "20").unwrap();
        },
    ];
    for harm in harms {
        let (_folder, store) = damaged(|sample| harm(&sample.store.layout().pointers_link()));
        // Cut short by a crash.
        std::fs::create_dir(store.layout().generation(3)).unwrap();
        let writer = store.writer("test").unwrap();
        let other = clearwell_format::FormatNumber::new(31).unwrap();
        let mut set = clearwell_testkit::pointers(other, version(20));
        set.retain(|pointer, _| pointer.to_string().contains("format31"));
        writer.publish(&set).unwrap();
        assert_eq!(store.generation().unwrap(), 4);
        assert_eq!(store.latest(crate::support::format()).unwrap(), Some(version(20)));
        assert_eq!(store.latest(other).unwrap(), Some(version(20)));
        assert_sound(&store);
    }
}

#[test]
fn foreign_files_do_no_harm() {
    let (_folder, store) = damaged(|sample| {
        let layout = sample.store.layout();
        for path in [
            layout.records().join("notes.txt"),
            layout.records().join("0.json"),
            layout.generation(2).join("x"),
            layout.generation(2).join("format30/y"),
            layout.generations().join("z"),
            layout.content().join("index.html"),
        ] {
            std::fs::write(path, b"x").unwrap();
        }
        std::fs::create_dir(layout.generation(2).join("formatstaging")).unwrap();
    });
    assert_eq!(store.releases().unwrap().len(), 2);
    assert_eq!(store.pointers().unwrap().files.len(), 4);
    assert_sound(&store);
    store.writer("test").unwrap();
}

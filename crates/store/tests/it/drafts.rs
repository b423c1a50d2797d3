//! Putting artifacts.

use std::io::{self, Read};

use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, Resource};
use clearwell_store::{ArtifactMeta, Digest, PutOutcome, ReleaseRecord, Store, StoreError, Transfer};
use clearwell_testkit::{flip_byte, sample_store};

use crate::support::{assert_sound, format, version};

fn fullfile(number: u8) -> Artifact {
    Artifact::Fullfile(FileHash::from_bytes([number; 32]))
}

fn record() -> ReleaseRecord {
    ReleaseRecord::new(version(30), format(), 0)
}

#[test]
fn the_same_bytes_are_fine_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Store::create(folder.path()).unwrap().writer("test").unwrap();
    let draft = writer.draft(version(30), "").unwrap();
    let meta = ArtifactMeta { size: 1, sha256: Digest::of(b"a") };
    assert_eq!(draft.put(&fullfile(1), b"a").unwrap(), PutOutcome::Written(meta));
    assert_eq!(draft.put(&fullfile(1), b"a").unwrap(), PutOutcome::AlreadyThere(meta));
    assert!(matches!(draft.put(&fullfile(1), b"b"), Err(StoreError::DifferentBytes { .. })));
    assert_eq!(draft.contains(&fullfile(1)), Some(meta));
    assert_eq!(draft.contains(&fullfile(2)), None);
}

#[test]
fn many_threads_put_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let mut writer = store.writer("test").unwrap();
    let draft = writer.draft(version(30), "").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for number in 0..50 {
                    draft.put(&fullfile(number), &[number; 1000]).unwrap();
                }
            });
        }
    });
    draft.prepare(record()).unwrap().release().unwrap();
    assert_eq!(store.index(version(30)).unwrap().len(), 50);
    for number in 0..50 {
        assert_eq!(store.read(&Resource::of(version(30), fullfile(number))).unwrap(), [number; 1000]);
    }
}

#[test]
fn a_failing_source_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let mut writer = store.writer("test").unwrap();
    let draft = writer.draft(version(30), "").unwrap();
    let error = draft.put_with(&fullfile(1), |out| {
        out.write_all(&[7; 500_000])?;
        Err(io::Error::other("the source broke"))
    });
    assert!(matches!(error, Err(StoreError::Content { .. })));
    assert_eq!(draft.contains(&fullfile(1)), None);
    assert!(draft.existing(&fullfile(1)).unwrap().is_none());
    let scratch = store.layout().draft(version(30)).join("scratch");
    assert_eq!(std::fs::read_dir(scratch).unwrap().count(), 0);
    draft.put(&fullfile(1), b"good").unwrap();
}

#[test]
fn an_interrupted_draft_is_continued_with_the_same_fingerprint_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let mut writer = store.writer("test").unwrap();
    let draft = writer.draft(version(30), "options A").unwrap();
    for number in 1..=3 {
        draft.put(&fullfile(number), &[number]).unwrap();
    }
    drop(draft);
    drop(writer);

    let mut writer = store.writer("test").unwrap();
    let draft = writer.draft(version(30), "options A").unwrap();
    assert_eq!(draft.contains(&fullfile(1)), None, "only the caller knows whether it is right");
    let mut bytes = Vec::new();
    draft.existing(&fullfile(1)).unwrap().unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, [1]);
    assert_eq!(draft.keep(&fullfile(1)).unwrap(), ArtifactMeta { size: 1, sha256: Digest::of(&[1]) });
    draft.put(&fullfile(2), b"made again").unwrap();
    draft.prepare(record()).unwrap().release().unwrap();
    let index = store.index(version(30)).unwrap();
    assert_eq!(index.len(), 2, "what was neither kept nor put is not released");
    assert!(!store.path(&Resource::of(version(30), fullfile(3))).exists());
    assert_eq!(store.read(&Resource::of(version(30), fullfile(2))).unwrap(), b"made again");

    writer.draft(version(40), "options A").unwrap().put(&fullfile(1), b"x").unwrap();
    let draft = writer.draft(version(40), "options B").unwrap();
    assert!(draft.existing(&fullfile(1)).unwrap().is_none());
    draft.put(&fullfile(1), b"x").unwrap();
    drop(draft);
    let draft = writer.draft(version(50), "options B").unwrap();
    assert!(!store.layout().draft(version(40)).exists(), "there is one draft");
    draft.discard().unwrap();
    assert!(!store.layout().draft(version(50)).exists());
}

#[test]
fn what_changed_since_it_was_put_is_not_released() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let mut writer = store.writer("test").unwrap();
    let staged = store.layout().draft(version(30)).join("content").join(fullfile(1).to_string());
    let prepare = |writer: &mut clearwell_store::Writer, harm: &dyn Fn()| {
        let draft = writer.draft(version(30), "").unwrap();
        draft.put(&fullfile(1), b"good").unwrap();
        harm();
        draft.prepare(record()).map(drop).unwrap_err()
    };
    assert!(matches!(prepare(&mut writer, &|| flip_byte(&staged)), StoreError::ArtifactDamaged { .. }));
    let cut = || clearwell_testkit::cut_off(&staged);
    assert!(matches!(prepare(&mut writer, &cut), StoreError::ArtifactSize { found: 2, .. }));
    let remove = || std::fs::remove_file(&staged).unwrap();
    assert!(matches!(prepare(&mut writer, &remove), StoreError::ArtifactSize { found: 0, .. }));
    assert_eq!(store.releases().unwrap(), []);
}

#[test]
fn files_come_as_copies_or_links() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let source = folder.path().join("source");
    std::fs::write(&source, b"bytes").unwrap();
    let meta = ArtifactMeta { size: 5, sha256: Digest::of(b"bytes") };
    let mut writer = store.writer("test").unwrap();
    let draft = writer.draft(version(30), "").unwrap();
    draft.put_file(&fullfile(1), &source, meta, Transfer::Copy).unwrap();
    draft.put_file(&fullfile(2), &source, meta, Transfer::HardLink).unwrap();
    assert_eq!(
        draft.put_file(&fullfile(2), &source, meta, Transfer::HardLink).unwrap(),
        PutOutcome::AlreadyThere(meta)
    );
    draft.prepare(record()).unwrap().release().unwrap();
    let links = |number| {
        let path = store.path(&Resource::of(version(30), fullfile(number)));
        std::os::unix::fs::MetadataExt::nlink(&std::fs::metadata(path).unwrap())
    };
    assert_eq!((links(1), links(2)), (1, 2));
}

#[test]
fn a_preview_shows_the_draft_and_other_readers_do_not_see_it() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample_store(folder.path());
    let twenty = &sample.releases[1];
    let release = clearwell_testkit::ReleaseBuilder::new(30, Some(twenty)).bundle("os-core", &[], Vec::new()).build();
    let mut writer = sample.store.writer("test").unwrap();
    let draft = writer.draft(release.version, "").unwrap();
    for (artifact, bytes) in &release.artifacts {
        draft.put(artifact, bytes).unwrap();
    }
    let prepared = draft.prepare(release.record()).unwrap();
    let preview = prepared.preview();
    assert_eq!(preview.releases().unwrap(), [version(10), version(20), version(30)]);
    assert_eq!(preview.mom(release.version).unwrap(), release.mom);
    let published = preview.with_pointers(&clearwell_testkit::pointers(format(), release.version)).unwrap();
    assert_eq!(published.latest(format()).unwrap(), Some(release.version));
    assert_eq!(published.generation().unwrap(), 3);
    assert_sound(&published);

    assert_eq!(sample.store.generation().unwrap(), 2);
    assert!(!sample.store.has_release(release.version));
    let format_file = Resource::of(release.version, Artifact::Format);
    assert_eq!(sample.store.lookup(&format_file).unwrap(), None);
    prepared.release().unwrap();
    assert!(sample.store.lookup(&format_file).unwrap().is_some());
}

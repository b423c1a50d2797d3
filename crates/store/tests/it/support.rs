//! Small releases and checks that all tests share.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use clearwell_format::resource::{Artifact, Pointer};
use clearwell_format::{FormatNumber, Resource, Version};
use clearwell_store::Store;
use clearwell_store::disk::Disk;
use clearwell_store::progress::{Event, Phase, Progress};
use clearwell_testkit::{ReleaseBuilder, TestObject, TestRelease, signer};

pub(crate) fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

pub(crate) fn format() -> FormatNumber {
    FormatNumber::new(30).unwrap()
}

/// Releases 10 and 20 with as few artifacts as a client can use.
pub(crate) fn small_releases() -> [TestRelease; 2] {
    let os_core = |text: &str| vec![TestObject::directory("/usr"), TestObject::file("/usr/release", text)];
    let first = ReleaseBuilder::new(10, None).bundle("os-core", &[], os_core("ten")).build();
    let second = ReleaseBuilder::new(20, Some(&first)).bundle("os-core", &[], os_core("twenty")).build();
    [first, second]
}

/// A pack that no build makes, to extend a release with.
pub(crate) fn another_pack() -> (Artifact, &'static [u8]) {
    (Artifact::Pack { bundle: "os-core".parse().unwrap(), from: Some(version(5)) }, b"a pack from release 5")
}

/// Everything that readers can see is whole: each artifact has its digest, each manifest its hash, each pointer names a
/// release and has its own signature.
pub(crate) fn assert_sound(store: &Store) {
    for version in store.releases().unwrap() {
        for (artifact, meta) in store.index(version).unwrap().to_map().unwrap() {
            let bytes = store.read(&Resource::of(version, artifact)).unwrap();
            assert_eq!(bytes.len() as u64, meta.size);
        }
        let (recorded, indexed) = (store.record(version).unwrap().total().number, store.index(version).unwrap().len());
        // The record of an extension follows its index; the next writer completes what was interrupted between them.
        let extension_left = store.layout().draft(version).exists();
        assert!(recorded == indexed || (extension_left && recorded < indexed));
        for entry in store.mom(version).unwrap().bundles() {
            store.bundle_manifest(entry).unwrap();
        }
    }
    let pointers = store.pointers().unwrap();
    for format in pointers.formats() {
        assert!(store.has_release(pointers.latest(format).unwrap()));
        let (latest, signature) = (Pointer::Latest(format), Pointer::LatestSignature(format));
        clearwell_sign::verify(&pointers.files[&latest], &pointers.files[&signature], signer().anchor(), None).unwrap();
    }
}

/// A disk that fails for good once `operations` have gone through, as if the machine had stopped.
pub(crate) fn disk_until(operations: i64) -> (Disk, Arc<AtomicI64>) {
    let left = Arc::new(AtomicI64::new(operations));
    let count = left.clone();
    let disk = Disk::with_hook(move |_, _| match count.fetch_sub(1, Ordering::SeqCst) {
        left if left > 0 => Ok(()),
        _ => Err(std::io::Error::other("the machine stopped")),
    });
    (disk, left)
}

/// Records the events of a progress.
#[derive(Default)]
pub(crate) struct Recorder(Mutex<Vec<Event>>);

impl Progress for Recorder {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Recorder {
    /// The phases that ended, sorted, with what they did. Fails if one began twice, or counts went back or beyond their
    /// totals.
    #[track_caller]
    pub(crate) fn finished(self) -> Vec<(Phase, u64, u64)> {
        let (mut last, mut finished) = (std::collections::BTreeMap::new(), Vec::new());
        for event in self.0.into_inner().unwrap() {
            match event {
                Event::Started { phase, .. } => assert_eq!(last.insert(phase, (0, 0)), None, "{phase:?} began twice"),
                Event::Advanced { phase, done, total, bytes, total_bytes } => {
                    let (last_done, last_bytes) = last.insert(phase, (done, bytes)).unwrap();
                    assert!(last_done <= done && last_bytes <= bytes, "{phase:?} goes back");
                    assert!(
                        done <= total && bytes <= total_bytes.max(bytes * u64::from(total_bytes == 0)),
                        "{phase:?}"
                    );
                }
                Event::Finished { phase, done, bytes } => {
                    let (last_done, last_bytes) = last[&phase];
                    assert!(last_done <= done && last_bytes <= bytes, "{phase:?} goes back");
                    finished.push((phase, done, bytes));
                }
                Event::Warning { text } => panic!("{text}"),
            }
        }
        finished.sort_unstable();
        finished
    }
}

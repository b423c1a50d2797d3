//! An origin in memory that counts what it is asked, delivers in a chosen form, and fails on request.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use clearwell_format::resource::Artifact;
use clearwell_format::{FormatNumber, Version};
use clearwell_serve::{Download, DownloadWriter, Opened, Origin, OriginError, Snapshot};
use clearwell_store::{ArtifactMeta, Digest, PointerGeneration};
use clearwell_testkit::pointers;

use crate::fixture::Fixture;

/// The form in which [`Origin::open`] delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    File,
    Bytes,
    /// A file that is still written when the first requests read it.
    Stream,
    /// A file that the test writes: see [`RecordingOrigin::next_writer`].
    StreamByHand,
}

/// A method of [`Origin`] that is to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Generation,
    Lookup,
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Absent,
    NotYet,
    Damaged,
    Unreachable,
}

impl Failure {
    fn error(self) -> OriginError {
        match self {
            Self::Absent => OriginError::Absent,
            Self::NotYet => OriginError::NotYet,
            Self::Damaged => OriginError::Damaged("damaged by the test".into()),
            Self::Unreachable => OriginError::Unreachable("cut off by the test".into()),
        }
    }
}

/// Numbers of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) snapshots: usize,
    pub(crate) lookups: usize,
    pub(crate) opens: usize,
}

#[derive(Debug)]
pub(crate) struct RecordingOrigin {
    delivery: Delivery,
    artifacts: BTreeMap<(Version, Artifact), Bytes>,
    snapshot: Mutex<Snapshot>,
    failing: Mutex<Option<(Step, Failure)>>,
    writers: Mutex<Vec<DownloadWriter>>,
    snapshots: AtomicUsize,
    lookups: AtomicUsize,
    opens: AtomicUsize,
}

impl RecordingOrigin {
    /// The releases of the sample store, with `more` in release 20.
    pub(crate) fn new(fixture: &Fixture, delivery: Delivery, more: &[(Artifact, Vec<u8>)]) -> Arc<Self> {
        let mut artifacts = BTreeMap::new();
        for release in &fixture.sample.releases {
            for (artifact, bytes) in &release.artifacts {
                artifacts.insert((release.version, artifact.clone()), Bytes::from(bytes.clone()));
            }
        }
        let newest = fixture.newest().version;
        for (artifact, bytes) in more {
            artifacts.insert((newest, artifact.clone()), Bytes::from(bytes.clone()));
        }
        Arc::new(Self {
            delivery,
            artifacts,
            snapshot: Mutex::new(snapshot(fixture.store().pointers().unwrap(), newest)),
            failing: Mutex::default(),
            writers: Mutex::default(),
            snapshots: AtomicUsize::new(0),
            lookups: AtomicUsize::new(0),
            opens: AtomicUsize::new(0),
        })
    }

    /// What was called since the last call of this.
    pub(crate) fn take_calls(&self) -> Calls {
        let take = |count: &AtomicUsize| count.swap(0, Ordering::SeqCst);
        Calls { snapshots: take(&self.snapshots), lookups: take(&self.lookups), opens: take(&self.opens) }
    }

    pub(crate) fn publish(&self, version: u32) {
        let newest = Version::new(version).unwrap();
        let files = pointers(FormatNumber::new(30).unwrap(), newest);
        let files = files.into_iter().map(|(pointer, bytes)| (pointer, Arc::from(bytes))).collect();
        let mut current = self.snapshot.lock().unwrap();
        *current = snapshot(PointerGeneration { number: current.pointers.number + 1, files }, newest);
    }

    pub(crate) fn fail(&self, failing: Option<(Step, Failure)>) {
        *self.failing.lock().unwrap() = failing;
    }

    /// The writer of the file that was opened last.
    pub(crate) fn next_writer(&self) -> Option<DownloadWriter> {
        self.writers.lock().unwrap().pop()
    }

    fn check(&self, step: Step) -> Result<(), OriginError> {
        match *self.failing.lock().unwrap() {
            Some((failing, failure)) if failing == step => Err(failure.error()),
            _ => Ok(()),
        }
    }
}

fn snapshot(pointers: PointerGeneration, newest: Version) -> Snapshot {
    Snapshot { pointers, newest: Some(newest), releases: 2, size_bytes: 1000, ..Snapshot::default() }
}

impl Origin for RecordingOrigin {
    fn generation(&self) -> Result<u64, OriginError> {
        self.check(Step::Generation)?;
        Ok(self.snapshot.lock().unwrap().pointers.number)
    }

    fn snapshot(&self) -> Result<Snapshot, OriginError> {
        self.snapshots.fetch_add(1, Ordering::SeqCst);
        self.check(Step::Generation)?;
        Ok(self.snapshot.lock().unwrap().clone())
    }

    fn lookup_cached(&self, _: Version, _: &Artifact) -> Option<Result<ArtifactMeta, OriginError>> {
        None
    }

    fn lookup(&self, version: Version, artifact: &Artifact) -> Result<ArtifactMeta, OriginError> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        self.check(Step::Lookup)?;
        let bytes = self.artifacts.get(&(version, artifact.clone())).ok_or(OriginError::Absent)?;
        Ok(ArtifactMeta { size: bytes.len() as u64, sha256: Digest::of(bytes) })
    }

    fn open(&self, version: Version, artifact: &Artifact, meta: &ArtifactMeta) -> Result<Opened, OriginError> {
        self.opens.fetch_add(1, Ordering::SeqCst);
        self.check(Step::Open)?;
        let bytes = self.artifacts[&(version, artifact.clone())].clone();
        assert_eq!(*meta, ArtifactMeta { size: bytes.len() as u64, sha256: Digest::of(&bytes) });
        let mut file = tempfile::tempfile().unwrap();
        Ok(match self.delivery {
            Delivery::Bytes => Opened::Bytes(bytes),
            Delivery::File => {
                file.write_all(&bytes).unwrap();
                std::io::Seek::rewind(&mut file).unwrap();
                Opened::File { file, path: PathBuf::from("unnamed") }
            }
            Delivery::Stream => {
                let (mut writer, download) = Download::start(file, *meta).unwrap();
                std::thread::spawn(move || {
                    for piece in bytes.chunks(bytes.len() / 7 + 1) {
                        writer.write_all(piece).unwrap();
                        std::thread::yield_now();
                    }
                    writer.finish().unwrap();
                });
                Opened::Stream(download)
            }
            Delivery::StreamByHand => {
                let (writer, download) = Download::start(file, *meta).unwrap();
                self.writers.lock().unwrap().push(writer);
                Opened::Stream(download)
            }
        })
    }
}

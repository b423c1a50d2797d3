//! Objects by name, with their bytes: small ones in memory, large ones as open files.
//!
//! Always true: what is in here was compared with the index when it came in, or, if it is large, follows a check that is
//! under way; so wrong bytes do not leave. What fails is refused for a while without reading it again, and is reported
//! once for that while.
//!
//! Names are paths below the base, as a request for the object usually has them: looking one up needs no parsing and no
//! system call (for a large one, one `fstat`).
//!
//! Both caches are bounded, the one by bytes, the other by files. Many who ask for the same object at once wait for one
//! reading of it. What a check has found outlives the open file: a file that comes back as it was is not hashed again, so
//! requests for a byte each of more files than are kept open cost no more than opening them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clearwell_format::Resource;
use clearwell_format::printable::chain;
use clearwell_metrics::{CacheResult, Metrics, ShedReason};
use clearwell_store::disk::Operation;
use clearwell_store::{Digest, Store, StoreError};
use quick_cache::sync::Cache;
use quick_cache::{UnitWeighter, Weighter};
use tokio::sync::Semaphore;

use crate::check::{self, Check, Checker};
use crate::object::{Object, ObjectFile, ObjectMeta};
use crate::verified::{FileId, Stamp, VerifiedFile};

/// How long a damaged object is refused before it is looked at again: a repair shall show soon.
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// Damaged objects remembered; more of them are read again for each request.
const REFUSED_OBJECTS: usize = 4096;
/// Objects read from disk at the same time. Each takes a thread, and memory up to the size of a small object.
const READERS: usize = 32;
/// What an object costs in memory beside its bytes: header, name, places in tables.
const OVERHEAD_BYTES: u64 = 768;
/// Files up to this size are compared before they are answered with, which takes a millisecond; larger ones are checked
/// while they are sent.
const CHECKED_FIRST_BYTES: u64 = 1 << 20;
/// Large files checked at the same time: enough to keep a disk busy, and to leave the rest of the machine to others.
const CHECKERS: usize = 4;

/// Files whose check is remembered, some 200 bytes each.
const REMEMBERED_CHECKS: u64 = 1 << 16;

/// The objects that are at hand.
#[derive(Debug)]
pub(crate) struct Objects {
    store: Store,
    memory: Cache<String, Arc<Object>, ByBytes>,
    files: Arc<Files>,
    checks: Arc<Checks>,
    refused: Arc<Cache<Resource, Instant>>,
    /// Objects up to this size go to memory.
    small_bytes: u64,
    readers: Semaphore,
    /// Those who wait for a reader.
    queued: AtomicUsize,
    checkers: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

type Files = Cache<String, Arc<Object>, UnitWeighter>;

/// Checks of files, made or under way.
#[derive(Debug)]
struct Checks(Cache<FileId, Remembered, UnitWeighter>);

#[derive(Clone, Debug)]
struct Remembered {
    stamp: Stamp,
    expected: Digest,
    check: Check,
}

impl Checks {
    fn new() -> Self {
        Self(Cache::with_weighter(1024, REMEMBERED_CHECKS, UnitWeighter))
    }

    /// The check of a file that is as it was when that began.
    fn of(&self, stamp: &Stamp, expected: Digest) -> Option<Check> {
        let known = self.0.get(&stamp.id())?;
        let is_same = known.stamp == *stamp && known.expected == expected && known.check.is_hopeful();
        is_same.then_some(known.check)
    }

    fn remember(&self, stamp: Stamp, expected: Digest, check: Check) {
        self.0.insert(stamp.id(), Remembered { stamp, expected, check });
    }
}

#[derive(Clone, Copy, Debug)]
struct ByBytes;

impl Weighter<String, Arc<Object>> for ByBytes {
    fn weight(&self, _: &String, object: &Arc<Object>) -> u64 {
        object.meta.size + OVERHEAD_BYTES
    }
}

/// The object is there and cannot be served now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unserved {
    /// Something is wrong with it; what was logged.
    Refused,
    /// Too many wait for the disk.
    Busy,
}

impl Objects {
    pub(crate) fn new(store: Store, memory_bytes: u64, small_bytes: u64, files: usize, metrics: Arc<Metrics>) -> Self {
        // Mean of small objects in real content is some 8 KiB; the estimate only sizes the table.
        let items = usize::try_from(memory_bytes / 8192).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        Self {
            store,
            memory: Cache::with_weighter(items, memory_bytes, ByBytes),
            files: Arc::new(Cache::with_weighter(files, files as u64, UnitWeighter)),
            checks: Arc::new(Checks::new()),
            refused: Arc::new(Cache::new(REFUSED_OBJECTS)),
            small_bytes,
            readers: Semaphore::new(READERS),
            queued: AtomicUsize::new(0),
            checkers: Arc::new(Semaphore::new(CHECKERS)),
            metrics,
        }
    }

    /// The object of that name if it is at hand. Who finds none, and wants it, asks [`Objects::read`] next.
    pub(crate) fn at_hand(&self, name: &str) -> Option<Arc<Object>> {
        let object = self.memory.get(name).or_else(|| self.open_file(name))?;
        self.metrics.objects.lookup(CacheResult::Hit);
        Some(object)
    }

    /// A large object whose file nobody has touched since it was read: released bytes do not change, disks and people
    /// do.
    fn open_file(&self, name: &str) -> Option<Arc<Object>> {
        let object = self.files.get(name)?;
        if object.is_unchanged() {
            return Some(object);
        }
        self.files.remove(name);
        None
    }

    /// True if the object was found damaged a moment ago.
    pub(crate) fn is_refused(&self, resource: &Resource) -> bool {
        self.refused.get(resource).is_some_and(|since| since.elapsed() < REFUSED_FOR)
    }

    /// Refuses an object for a while.
    pub(crate) fn refuse(&self, resource: &Resource, error: &StoreError) -> Unserved {
        refuse(&self.refused, &self.metrics, resource, error);
        Unserved::Refused
    }

    /// The object, read and compared if it is not at hand. `waiting` is how many may wait for the disk.
    pub(crate) async fn read(
        &self,
        resource: &Resource,
        meta: &ObjectMeta,
        waiting: usize,
    ) -> Result<Arc<Object>, Unserved> {
        self.metrics.objects.lookup(CacheResult::Miss);
        let name = resource.to_string();
        if meta.size <= self.small_bytes {
            let reading = self.read_with(resource, meta, waiting, read_small);
            let object = self.memory.get_or_insert_async(name.as_str(), async { Ok(reading.await?.0) }).await?;
            self.metrics.objects.cached_bytes.set(i64::try_from(self.memory.weight()).unwrap_or(i64::MAX));
            Ok(object)
        } else {
            let reading = async {
                let (object, unchecked) = self.read_with(resource, meta, waiting, read_large).await?;
                if let Some(checker) = unchecked {
                    self.check(resource, &object, checker);
                }
                Ok(object)
            };
            self.files.get_or_insert_async(name.as_str(), reading).await
        }
    }

    async fn read_with(
        &self,
        resource: &Resource,
        meta: &ObjectMeta,
        waiting: usize,
        read: fn(&Reading) -> Result<Read, StoreError>,
    ) -> Result<(Arc<Object>, Option<Unchecked>), Unserved> {
        if self.is_refused(resource) {
            return Err(Unserved::Refused);
        }
        let queued = Queued::enter(&self.queued);
        if queued.before >= waiting.saturating_add(READERS) {
            self.metrics.http.shed(ShedReason::Disk);
            return Err(Unserved::Busy);
        }
        let _permit = self.readers.acquire().await.expect("the semaphore is never closed");
        let reading = Reading {
            store: self.store.clone(),
            resource: resource.clone(),
            meta: meta.clone(),
            checks: Arc::clone(&self.checks),
            metrics: Arc::clone(&self.metrics),
        };
        match tokio::task::spawn_blocking(move || read(&reading)).await {
            Ok(Ok(Read { object, unchecked })) => Ok((Arc::new(object), unchecked)),
            Ok(Err(error)) => Err(self.refuse(resource, &error)),
            // The reading panicked, which the runtime has reported, or the server stops.
            Err(_) => Err(Unserved::Refused),
        }
    }

    /// Checks a large file beside its answers.
    fn check(&self, resource: &Resource, object: &Arc<Object>, unchecked: Unchecked) {
        let (files, refused) = (Arc::clone(&self.files), Arc::clone(&self.refused));
        let (checks, checkers) = (Arc::clone(&self.checks), Arc::clone(&self.checkers));
        let (metrics, resource, object) = (Arc::clone(&self.metrics), resource.clone(), Arc::clone(object));
        // Not of the connection that asked: others follow the same check.
        tokio::spawn(async move {
            let _permit = checkers.acquire_owned().await;
            let checking = tokio::task::spawn_blocking(move || {
                let Unchecked { file, checker, stamp, expected, path } = unchecked;
                let error = match checker.run(&file.file, expected, &metrics) {
                    Ok(found) if found == expected => return checks.remember(stamp, expected, Check::sound()),
                    Ok(found) => StoreError::ArtifactDamaged { resource: Box::new(resource.clone()), expected, found },
                    Err(source) => StoreError::Io { operation: Operation::Read, path, source },
                };
                refuse(&refused, &metrics, &resource, &error);
                files.remove_if(resource.to_string().as_str(), |kept| Arc::ptr_eq(kept, &object));
            });
            // A panic in there is no verdict, and answers that follow the check end without one.
            let _ = checking.await;
        });
    }
}

fn refuse(refused: &Cache<Resource, Instant>, metrics: &Metrics, resource: &Resource, error: &StoreError) {
    refused.insert(resource.clone(), Instant::now());
    if matches!(error, StoreError::ArtifactDamaged { .. } | StoreError::ArtifactSize { .. }) {
        metrics.objects.damaged.inc();
    }
    tracing::error!(%resource, error = chain(error), "refused");
}

/// One who waits for the disk, until it is dropped.
struct Queued<'q> {
    queue: &'q AtomicUsize,
    before: usize,
}

impl<'q> Queued<'q> {
    fn enter(queue: &'q AtomicUsize) -> Self {
        Self { queue, before: queue.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.queue.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is read, and what that takes.
struct Reading {
    store: Store,
    resource: Resource,
    meta: ObjectMeta,
    checks: Arc<Checks>,
    metrics: Arc<Metrics>,
}

/// What was read.
struct Read {
    object: Object,
    unchecked: Option<Unchecked>,
}

/// What a check needs.
struct Unchecked {
    file: Arc<VerifiedFile>,
    checker: Checker,
    stamp: Stamp,
    expected: Digest,
    path: std::path::PathBuf,
}

fn read_small(reading: &Reading) -> Result<Read, StoreError> {
    let Reading { store, resource, meta, metrics, .. } = reading;
    let bytes = store.read(resource)?;
    metrics.objects.hashed_bytes.inc_by(bytes.len() as u64);
    Ok(Read { object: Object::of_bytes(resource, meta, &bytes), unchecked: None })
}

fn read_large(reading: &Reading) -> Result<Read, StoreError> {
    let Reading { store, resource, meta, checks, metrics } = reading;
    let (file, found) = store.open_artifact(resource)?;
    let expected = found.sha256;
    let path = store.path(resource);
    let failed = |source| StoreError::Io { operation: Operation::Read, path: path.clone(), source };
    // Before the bytes are read: what is written meanwhile shows.
    let stamp = Stamp::settled(&file).map_err(failed)?;
    let verified = |file, check| Arc::new(VerifiedFile::new(file, stamp, expected, check, Arc::clone(metrics)));
    let read =
        |file, unchecked| Read { object: Object::of_file(resource, meta, ObjectFile::new(meta, file)), unchecked };
    if let Some(check) = checks.of(&stamp, expected) {
        return Ok(read(verified(file, check), None));
    }
    let (checker, check) = check::begin();
    if found.size > CHECKED_FIRST_BYTES {
        checks.remember(stamp, expected, check.clone());
        let file = verified(file, check);
        let unchecked = Unchecked { file: Arc::clone(&file), checker, stamp, expected, path };
        return Ok(read(file, Some(unchecked)));
    }
    let digest = checker.run(&file, expected, metrics).map_err(failed)?;
    if digest != expected {
        return Err(StoreError::ArtifactDamaged { resource: Box::new(resource.clone()), expected, found: digest });
    }
    checks.remember(stamp, expected, Check::sound());
    Ok(read(verified(file, Check::sound()), None))
}

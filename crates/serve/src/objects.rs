//! The cache of objects by name: small ones in memory, large ones as open files.
//!
//! Always true: every cached object was compared with the index when it was loaded, or, if it is large, follows a check
//! that is under way; so wrong bytes are never sent. An object that fails is refused for some seconds without another
//! read, and is reported once in that time.
//!
//! Names are paths below the base, as a request for the object usually has them: a lookup needs no parsing and no system
//! call (for a large one, one `fstat`). The [`Origin`] is asked on misses only.
//!
//! Both caches are bounded, one by bytes, the other by files. Concurrent requests for one object wait for one read
//! of it. The outcome of a check outlives the open file: a file that is opened again unchanged is not hashed again, so
//! requests for a byte each of more files than are kept open cost no more than opening them.

mod checks;
mod load;
mod refusals;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clearwell_format::Resource;
use clearwell_metrics::{CacheResult, Metrics};
use quick_cache::sync::Cache;
use quick_cache::{UnitWeighter, Weighter};
use tokio::sync::Semaphore;

use crate::catalog::Unserved;
use crate::object::{Object, ObjectMeta, Source};
use crate::objects::checks::Checks;
use crate::objects::load::{Large, Loader, Pending, Small};
use crate::objects::refusals::Refusals;
use crate::origin::{Origin, OriginError};

/// Concurrent reads from the origin. Each takes a thread, and memory up to the size of a small object.
const READERS: usize = 32;
/// What an object costs in memory in addition to its bytes: header, name, entries in tables.
const OVERHEAD_BYTES: u64 = 768;
/// Large files checked concurrently: enough to keep a disk busy, and few enough to leave it to others as well.
const CHECKERS: usize = 4;

/// Cached objects.
#[derive(Debug)]
pub(crate) struct Objects {
    origin: Arc<dyn Origin>,
    memory: Cache<String, Arc<Object>, ByBytes>,
    files: Arc<Files>,
    checks: Arc<Checks>,
    refusals: Arc<Refusals>,
    /// Objects up to this size are kept in memory.
    small_bytes: u64,
    readers: Semaphore,
    /// Requests that read, or wait for a reader.
    queued: AtomicUsize,
    checkers: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

type Files = Cache<String, Arc<Object>, UnitWeighter>;

#[derive(Clone, Copy, Debug)]
struct ByBytes;

impl Weighter<String, Arc<Object>> for ByBytes {
    fn weight(&self, _: &String, object: &Arc<Object>) -> u64 {
        object.meta.size + OVERHEAD_BYTES
    }
}

impl Objects {
    pub(crate) fn new(
        origin: Arc<dyn Origin>,
        memory_bytes: u64,
        small_bytes: u64,
        files: usize,
        metrics: Arc<Metrics>,
    ) -> Self {
        // The mean of small objects in real content is some 8 KiB; the estimate only sizes the table.
        let items = usize::try_from(memory_bytes / 8192).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        Self {
            origin,
            memory: Cache::with_weighter(items, memory_bytes, ByBytes),
            files: Arc::new(Cache::with_weighter(files, files as u64, UnitWeighter)),
            checks: Arc::new(Checks::new()),
            refusals: Arc::new(Refusals::new(Arc::clone(&metrics))),
            small_bytes,
            readers: Semaphore::new(READERS),
            queued: AtomicUsize::new(0),
            checkers: Arc::new(Semaphore::new(CHECKERS)),
            metrics,
        }
    }

    /// The object of that name if it is cached; after `None`, [`Objects::read`] reads it.
    pub(crate) fn cached(&self, name: &str) -> Option<Arc<Object>> {
        let object = self.memory.get(name).or_else(|| self.open_file(name))?;
        self.metrics.objects.lookup(CacheResult::Hit);
        Some(object)
    }

    /// A large object whose file was not touched since it was read: released bytes do not change, disks and people do.
    fn open_file(&self, name: &str) -> Option<Arc<Object>> {
        let object = self.files.get(name)?;
        if object.is_unchanged() {
            return Some(object);
        }
        self.files.remove(name);
        None
    }

    /// True if the object could not be read a moment ago.
    pub(crate) fn is_refused(&self, resource: &Resource) -> bool {
        self.refusals.contains(resource)
    }

    /// The object, read from the origin and compared if it is not cached. At most `waiting` requests wait for a reader.
    pub(crate) async fn read(
        &self,
        resource: &Resource,
        meta: &ObjectMeta,
        waiting: usize,
    ) -> Result<Arc<Object>, Unserved> {
        self.metrics.objects.lookup(CacheResult::Miss);
        let name = resource.to_string();
        if meta.size <= self.small_bytes {
            let reading = async { Ok(Arc::new(self.read_small(resource, meta, waiting).await?)) };
            let object = self.memory.get_or_insert_async(name.as_str(), reading).await?;
            self.show_cached_bytes();
            return Ok(object);
        }
        let guard = match self.files.get_value_or_guard_async(name.as_str()).await {
            Ok(object) => return Ok(object),
            Err(guard) => guard,
        };
        // Of an origin that delivers bytes, even large objects are in memory.
        if let Some(object) = self.memory.get(name.as_str()) {
            return Ok(object);
        }
        let object = self.read_large(resource, meta, waiting).await?;
        match object.source {
            Source::Memory(_) => {
                self.memory.insert(name, Arc::clone(&object));
                self.show_cached_bytes();
            }
            // An error means that the name was removed meanwhile: the next request opens the file again.
            Source::File(_) => drop(guard.insert(Arc::clone(&object))),
        }
        Ok(object)
    }

    async fn read_small(&self, resource: &Resource, meta: &ObjectMeta, waiting: usize) -> Result<Object, Unserved> {
        match self.run(resource, meta, waiting, Loader::load_small).await? {
            Small::Read(object) => Ok(object),
            Small::Arriving(download) => {
                // Neither a thread nor a reader is taken while the bytes arrive.
                download.check.finished().await.map_err(|unsound| self.refusals.refuse(resource, &unsound.into()))?;
                self.run(resource, meta, waiting, move |loader| loader.read_arrived(&download)).await
            }
        }
    }

    async fn read_large(
        &self,
        resource: &Resource,
        meta: &ObjectMeta,
        waiting: usize,
    ) -> Result<Arc<Object>, Unserved> {
        let Large { object, pending } = self.run(resource, meta, waiting, Loader::load_large).await?;
        let object = Arc::new(object);
        if let Some(pending) = pending {
            self.follow(resource, &object, pending);
        }
        Ok(object)
    }

    /// Does blocking work for an object, on a thread that may wait for the origin.
    async fn run<T: Send + 'static>(
        &self,
        resource: &Resource,
        meta: &ObjectMeta,
        waiting: usize,
        work: impl FnOnce(&Loader) -> Result<T, OriginError> + Send + 'static,
    ) -> Result<T, Unserved> {
        if self.is_refused(resource) {
            return Err(Unserved::Unavailable);
        }
        let queued = Queued::enter(&self.queued);
        if queued.before >= waiting.saturating_add(READERS) {
            return Err(Unserved::Busy);
        }
        // An error would mean that the semaphore is closed, which it never is.
        let _permit = self.readers.acquire().await;
        let loader = Loader {
            origin: Arc::clone(&self.origin),
            resource: resource.clone(),
            meta: meta.clone(),
            checks: Arc::clone(&self.checks),
            metrics: Arc::clone(&self.metrics),
        };
        match tokio::task::spawn_blocking(move || work(&loader)).await {
            Ok(done) => done.map_err(|error| self.refusals.refuse(resource, &error)),
            // The work panicked, which the runtime has reported, or the server stops.
            Err(_) => Err(Unserved::Unavailable),
        }
    }

    /// Waits for the verdict on a large file while its answers are sent.
    fn follow(&self, resource: &Resource, object: &Arc<Object>, pending: Pending) {
        let (files, refusals) = (Arc::clone(&self.files), Arc::clone(&self.refusals));
        let (checks, checkers) = (Arc::clone(&self.checks), Arc::clone(&self.checkers));
        let (metrics, resource, object) = (Arc::clone(&self.metrics), resource.clone(), Arc::clone(object));
        // Not in the task of the connection that asked: other connections follow the same check.
        tokio::spawn(async move {
            let failed = match pending {
                Pending::Arrival(check) => check.finished().await.err().map(OriginError::from),
                Pending::Check(unchecked) => {
                    let _permit = checkers.acquire_owned().await;
                    let (checked, resource) = (Arc::clone(&checks), resource.clone());
                    let checking = tokio::task::spawn_blocking(move || unchecked.check(&resource, &checked, &metrics));
                    // A panic is not a verdict, and answers that follow the check end without one.
                    checking.await.ok().and_then(Result::err)
                }
            };
            if let Some(error) = failed {
                refusals.refuse(&resource, &error);
                files.remove_if(resource.to_string().as_str(), |kept| Arc::ptr_eq(kept, &object));
            }
        });
    }

    /// Shows the number of requests that read from the origin, or wait to.
    pub(crate) fn show_queued(&self) {
        let queued = self.queued.load(Ordering::Relaxed);
        self.metrics.objects.reads_queued.set(i64::try_from(queued).unwrap_or(i64::MAX));
    }

    fn show_cached_bytes(&self) {
        self.metrics.objects.cached_bytes.set(i64::try_from(self.memory.weight()).unwrap_or(i64::MAX));
    }
}

/// One request in the queue for the origin, until it is dropped.
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

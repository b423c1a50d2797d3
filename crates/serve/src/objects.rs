//! Objects by name, with their bytes: small ones in memory, large ones as open files.
//!
//! Always true: what is in here was compared with the index when it came in, so wrong bytes do not leave. What fails is
//! refused for a while without reading it again, and is reported once for that while.
//!
//! Both caches are bounded, the one by bytes, the other by files. Many who ask for the same object at once wait for one
//! reading of it.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clearwell_format::Resource;
use clearwell_metrics::{CacheResult, Metrics};
use clearwell_store::disk::Operation;
use clearwell_store::{Digest, Hasher, Store, StoreError};
use quick_cache::sync::Cache;
use quick_cache::{UnitWeighter, Weighter};
use tokio::sync::Semaphore;

use crate::object::{Object, ObjectMeta, Source, Stamp};

/// How long a damaged object is refused before it is looked at again: a repair shall show soon.
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// Damaged objects remembered; more of them are read again for each request.
const REFUSED_OBJECTS: usize = 4096;
/// Objects read from disk at the same time. Each takes a thread, and memory up to the size of a small object.
const READERS: usize = 32;
/// What an object costs in memory beside its bytes.
const OVERHEAD_BYTES: u64 = 512;
const HASH_BUFFER_BYTES: usize = 256 * 1024;

/// The objects that are at hand.
#[derive(Debug)]
pub(crate) struct Objects {
    store: Store,
    memory: Cache<Resource, Arc<Object>, ByBytes>,
    files: Cache<Resource, Arc<Object>, UnitWeighter>,
    refused: Cache<Resource, Instant>,
    /// Objects up to this size go to memory.
    small_bytes: u64,
    readers: Semaphore,
    metrics: Arc<Metrics>,
}

#[derive(Clone, Copy, Debug)]
struct ByBytes;

impl Weighter<Resource, Arc<Object>> for ByBytes {
    fn weight(&self, _: &Resource, object: &Arc<Object>) -> u64 {
        object.meta.size + OVERHEAD_BYTES
    }
}

/// The object is there and cannot be served now; why was logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

impl Objects {
    pub(crate) fn new(store: Store, memory_bytes: u64, small_bytes: u64, files: usize, metrics: Arc<Metrics>) -> Self {
        // Mean of small objects in real content is some 8 KiB; the estimate only sizes the table.
        let items = usize::try_from(memory_bytes / 8192).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        Self {
            store,
            memory: Cache::with_weighter(items, memory_bytes, ByBytes),
            files: Cache::with_weighter(files, files as u64, UnitWeighter),
            refused: Cache::new(REFUSED_OBJECTS),
            small_bytes,
            readers: Semaphore::new(READERS),
            metrics,
        }
    }

    /// The object if it is at hand.
    pub(crate) fn at_hand(&self, resource: &Resource) -> Option<Arc<Object>> {
        let object = self.memory.get(resource).or_else(|| self.open_file(resource));
        self.metrics.objects.lookup(if object.is_some() { CacheResult::Hit } else { CacheResult::Miss });
        object
    }

    /// A large object whose file nobody has touched since it was read: released bytes do not change, disks and people
    /// do.
    fn open_file(&self, resource: &Resource) -> Option<Arc<Object>> {
        let object = self.files.get(resource)?;
        if object.is_unchanged() {
            return Some(object);
        }
        self.files.remove(resource);
        None
    }

    /// True if the object was found damaged a moment ago.
    pub(crate) fn is_refused(&self, resource: &Resource) -> bool {
        self.refused.get(resource).is_some_and(|since| since.elapsed() < REFUSED_FOR)
    }

    /// Refuses an object for a while.
    pub(crate) fn refuse(&self, resource: &Resource, error: &StoreError) -> Refused {
        self.refused.insert(resource.clone(), Instant::now());
        let damaged = matches!(error, StoreError::ArtifactDamaged { .. } | StoreError::ArtifactSize { .. });
        if damaged {
            self.metrics.objects.damaged.inc();
        }
        tracing::error!(%resource, error = error as &dyn std::error::Error, "refused");
        Refused
    }

    /// The object, read and compared if it is not at hand.
    pub(crate) async fn read(&self, resource: &Resource, meta: &ObjectMeta) -> Result<Arc<Object>, Refused> {
        if meta.size <= self.small_bytes {
            let reading = self.memory.get_or_insert_async(resource, self.read_with(resource, meta, read_small));
            let object = reading.await?;
            self.metrics.objects.cached_bytes.set(i64::try_from(self.memory.weight()).unwrap_or(i64::MAX));
            Ok(object)
        } else {
            self.files.get_or_insert_async(resource, self.read_with(resource, meta, read_large)).await
        }
    }

    async fn read_with(
        &self,
        resource: &Resource,
        meta: &ObjectMeta,
        read: fn(&Store, &Resource) -> Result<Source, StoreError>,
    ) -> Result<Arc<Object>, Refused> {
        if self.is_refused(resource) {
            return Err(Refused);
        }
        let _permit = self.readers.acquire().await.expect("the semaphore is never closed");
        let (store, wanted) = (self.store.clone(), resource.clone());
        match tokio::task::spawn_blocking(move || read(&store, &wanted)).await {
            Ok(Ok(source)) => Ok(Arc::new(Object { meta: meta.clone(), source })),
            Ok(Err(error)) => Err(self.refuse(resource, &error)),
            // The reading panicked, which the runtime has reported, or the server stops.
            Err(_) => Err(Refused),
        }
    }
}

fn read_small(store: &Store, resource: &Resource) -> Result<Source, StoreError> {
    // Boxed: no more memory than the budget counts.
    store.read(resource).map(|bytes| Source::Memory(bytes.into_boxed_slice().into()))
}

fn read_large(store: &Store, resource: &Resource) -> Result<Source, StoreError> {
    let (file, meta) = store.open_artifact(resource)?;
    let failed = |source| StoreError::Io { operation: Operation::Read, path: store.path(resource), source };
    // Before the bytes are read: what is written meanwhile shows.
    let stamp = Stamp::of(&file).map_err(failed)?;
    let found = digest(&file).map_err(failed)?;
    if found != meta.sha256 {
        return Err(StoreError::ArtifactDamaged { resource: Box::new(resource.clone()), expected: meta.sha256, found });
    }
    Ok(Source::File { file: Arc::new(file), stamp })
}

fn digest(mut file: &File) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; HASH_BUFFER_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            length => hasher.update(&buffer[..length]),
        }
    }
}

//! What exists: released artifacts, the published pointers, and what does not exist *yet*.
//!
//! | asked for | answer |
//! |---|---|
//! | an artifact that the index of its release names | found |
//! | an artifact that its release does not have, such as a pack from a version that was never packed | absent: 404, and the client uses its next fallback at once |
//! | anything of a version above all published releases | not yet: 503. Clients learn versions from pointers and MoMs only, so another node is ahead of this one; and a release that is only staged may be built again with other bytes, which must not be cached as immutable |
//! | anything of a version below the newest that is not a release | absent: versions only increase, and removed releases do not return |
//! | anything of a version whose index cannot be used | not yet: 503, and the index is retried each second |
//! | a pointer of a format above all formats, or any before the first publication | not yet |
//! | any other pointer | absent |
//!
//! The [`Origin`] is asked for a new generation each second, and whenever a connection is bound to one.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use clearwell_format::Version;
use clearwell_format::printable::chain;
use clearwell_format::resource::Artifact;
use clearwell_metrics::Metrics;
use clearwell_store::ArtifactMeta;

use crate::origin::{Origin, OriginError};
use crate::pointer_view::{PointerView, Scope};
use crate::published::Published;

/// An index that cannot be used is tried again after this time: each time all of it is read.
const INDEX_RETRY: Duration = Duration::from_secs(1);

/// Published pointers and released artifacts.
#[derive(Debug)]
pub(crate) struct Catalog {
    origin: Arc<dyn Origin>,
    current: ArcSwap<Current>,
    /// Held while a new generation is loaded.
    refreshing: tokio::sync::Mutex<()>,
    /// False while the pointers cannot be read. The last that could be are still served.
    readable: AtomicBool,
    /// Held while an index is opened, which reads all of it.
    opening: tokio::sync::Mutex<()>,
    /// Versions whose index cannot be used, and when it was last tried.
    damaged: Mutex<BTreeMap<Version, Instant>>,
    metrics: Arc<Metrics>,
}

/// The state of the current generation.
#[derive(Debug)]
struct Current {
    published: Arc<Published>,
    newest: Option<Version>,
    /// Versions whose index was opened for this generation.
    opened: RwLock<HashSet<Version>>,
}

/// Why an artifact is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unserved {
    /// The artifact does not exist, and never will: 404.
    Absent,
    /// It may come, or it cannot be served now, which was logged or counted: 503.
    Unavailable,
    /// Too many requests wait for the disk: 503.
    Busy,
}

impl Catalog {
    /// Reads what is published and released now.
    ///
    /// # Errors
    /// Those of [`Origin::snapshot`].
    pub(crate) fn open(origin: Arc<dyn Origin>, metrics: Arc<Metrics>) -> Result<Self, OriginError> {
        let current = Current::load(&*origin, &metrics)?;
        Ok(Self {
            origin,
            current: ArcSwap::from_pointee(current),
            refreshing: tokio::sync::Mutex::default(),
            readable: AtomicBool::new(true),
            opening: tokio::sync::Mutex::default(),
            damaged: Mutex::default(),
            metrics,
        })
    }

    /// The pointers of the current generation that `scope` shows.
    pub(crate) fn view(&self, scope: Scope) -> PointerView {
        let published = match scope {
            Scope::DefaultChannel => &self.current.load().published,
        };
        PointerView { scope, published: Arc::clone(published) }
    }

    /// The same, after a look for a newer generation.
    pub(crate) async fn newest_view(self: &Arc<Self>, scope: Scope) -> PointerView {
        self.refresh().await;
        self.view(scope)
    }

    /// Shows how much room the origin has.
    pub(crate) async fn show_free(&self) {
        let (origin, metrics) = (Arc::clone(&self.origin), Arc::clone(&self.metrics));
        // An error is a panic, which is a bug that the runtime has reported.
        let _ = tokio::task::spawn_blocking(move || {
            if let Some(bytes) = origin.free_bytes() {
                metrics.store.show_free(bytes);
            }
        })
        .await;
    }

    /// False while the pointers cannot be read.
    pub(crate) fn is_readable(&self) -> bool {
        self.readable.load(Ordering::Relaxed)
    }

    /// Loads a new generation if there is one.
    pub(crate) async fn refresh(self: &Arc<Self>) {
        if self.is_current() {
            return;
        }
        let _refreshing = self.refreshing.lock().await;
        if self.is_current() {
            return;
        }
        let catalog = Arc::clone(self);
        // An error is a panic, which is a bug that the runtime has reported; the next refresh tries again.
        let _ = tokio::task::spawn_blocking(move || catalog.reload()).await;
    }

    fn is_current(&self) -> bool {
        let loaded = self.current.load().published.number;
        self.is_readable() && self.origin.generation().is_ok_and(|number| number == loaded)
    }

    fn reload(&self) {
        match Current::load(&*self.origin, &self.metrics) {
            Ok(current) => {
                let generation = current.published.number;
                tracing::info!(generation, newest = current.newest.map(Version::number), "new pointers loaded");
                self.current.store(Arc::new(current));
                self.readable.store(true, Ordering::Relaxed);
            }
            Err(error) => {
                if self.readable.swap(false, Ordering::Relaxed) {
                    let error = chain(&error);
                    tracing::error!(error, "the pointers cannot be read; the last ones are still served");
                }
            }
        }
    }

    /// Looks an artifact up.
    pub(crate) async fn find(
        self: &Arc<Self>,
        version: Version,
        artifact: &Artifact,
    ) -> Result<ArtifactMeta, Unserved> {
        let mut current = self.current.load_full();
        if current.is_above(version) {
            // Another node may have published it a moment ago.
            self.refresh().await;
            current = self.current.load_full();
        }
        if current.is_above(version) {
            return Err(Unserved::Unavailable);
        }
        match self.origin.lookup_cached(version, artifact) {
            Some(found) => found.map_err(|error| self.unserved(version, &error)),
            None => self.find_blocking(&current, version, artifact).await,
        }
    }

    async fn find_blocking(
        &self,
        current: &Current,
        version: Version,
        artifact: &Artifact,
    ) -> Result<ArtifactMeta, Unserved> {
        // One request opens an index; others wait here, where they occupy no thread.
        let is_opened = current.is_opened(version);
        let _opening = if is_opened { None } else { Some(self.opening.lock().await) };
        if !is_opened && self.damaged().get(&version).is_some_and(|tried| tried.elapsed() < INDEX_RETRY) {
            return Err(Unserved::Unavailable);
        }
        let (origin, artifact) = (Arc::clone(&self.origin), artifact.clone());
        // An error is a panic, which is a bug that the runtime has reported; the next request tries again.
        let looking_up = tokio::task::spawn_blocking(move || origin.lookup(version, &artifact));
        let found = looking_up.await.map_err(|_| Unserved::Unavailable)?;
        let is_usable = !matches!(found, Err(OriginError::Damaged(_) | OriginError::Unreachable(_)));
        current.set_opened(version, is_usable);
        if is_usable {
            self.recovered(version);
        }
        found.map_err(|error| self.unserved(version, &error))
    }

    fn unserved(&self, version: Version, error: &OriginError) -> Unserved {
        match error {
            OriginError::Absent => Unserved::Absent,
            OriginError::NotYet => Unserved::Unavailable,
            OriginError::Damaged(_) | OriginError::Unreachable(_) => {
                self.failed(version, error);
                Unserved::Unavailable
            }
        }
    }

    fn failed(&self, version: Version, error: &OriginError) {
        let mut damaged = self.damaged();
        if damaged.insert(version, Instant::now()).is_none() {
            tracing::error!(%version, error = chain(error), "the release is not served until its index can be read");
        }
        self.show_damaged(&damaged);
    }

    fn recovered(&self, version: Version) {
        let mut damaged = self.damaged();
        if damaged.remove(&version).is_some() {
            tracing::info!(%version, "the index can be read again and the release is served");
            self.show_damaged(&damaged);
        }
    }

    fn show_damaged(&self, damaged: &BTreeMap<Version, Instant>) {
        self.metrics.store.damaged_indexes.set(i64::try_from(damaged.len()).unwrap_or(i64::MAX));
    }

    fn damaged(&self) -> MutexGuard<'_, BTreeMap<Version, Instant>> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn load(origin: &dyn Origin, metrics: &Metrics) -> Result<Self, OriginError> {
        let snapshot = origin.snapshot()?;
        let published = Arc::new(Published::new(&snapshot, &metrics.fleet));
        for state in &published.formats {
            metrics.fleet.show(state.version);
        }
        metrics.store.show(published.number, &published.formats, snapshot.releases, snapshot.size_bytes);
        Ok(Self { published, newest: snapshot.newest, opened: RwLock::default() })
    }

    /// True for a version that no endpoint can have heard of from this server.
    fn is_above(&self, version: Version) -> bool {
        self.newest.is_none_or(|newest| version > newest)
    }

    fn is_opened(&self, version: Version) -> bool {
        self.opened.read().unwrap_or_else(PoisonError::into_inner).contains(&version)
    }

    fn set_opened(&self, version: Version, is_opened: bool) {
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if is_opened {
            opened.insert(version)
        } else {
            opened.remove(&version)
        };
    }
}

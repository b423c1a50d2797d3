//! What is there: released artifacts by index, pointers by generation, and what is not there *yet*.
//!
//! | asked for | answer |
//! |---|---|
//! | an artifact that the index of its release names | found |
//! | an artifact that its release does not have, such as a pack from a version nobody packed | never: 404, and the client goes on with the next best at once |
//! | anything of a version above all published releases | not yet: 503. Clients hear of versions from pointers and MoMs only, so another node is ahead of this one; and a release that is only staged may be built again with other bytes, which must not lie in caches as immutable |
//! | anything of a version below the newest that is no release | never: versions only go up, and what was collected stays away |
//! | a pointer of a format above all formats, or any before the first publication | not yet |
//! | any other pointer | never |
//!
//! | anything of a version whose index cannot be used | not yet: 503, and the index is tried again once a second |
//!
//! The store is asked whether a new generation is there once a second, and whenever a connection is bound to one; that
//! is one `readlink`. An index is read by position, on the spot where the page cache has it and by another thread where
//! the disk has to be waited for. One that was changed in place, by a restore for example, is opened and checked anew.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use clearwell_format::Version;
use clearwell_format::printable::chain;
use clearwell_format::resource::Artifact;
use clearwell_metrics::Metrics;
use clearwell_store::{ArtifactMeta, Index, Store, StoreError};

use crate::published::Published;

/// The store as the server sees it.
#[derive(Debug)]
pub(crate) struct Catalog {
    store: Store,
    current: ArcSwap<Snapshot>,
    /// Held by the one who looks for news.
    refreshing: tokio::sync::Mutex<()>,
    /// False while the pointers on disk cannot be read. The last that could be are still served.
    readable: AtomicBool,
    /// Held by the one who opens an index: that reads all of it.
    opening: tokio::sync::Mutex<()>,
    /// Versions whose index cannot be used, and when it was tried last.
    damaged: Mutex<BTreeMap<Version, Instant>>,
    metrics: Arc<Metrics>,
}

/// What was there when the generation was last seen to change.
#[derive(Debug, Default)]
struct Snapshot {
    published: Arc<Published>,
    /// The newest release that endpoints may have.
    newest: Option<Version>,
    releases: usize,
    /// Of all releases.
    size_bytes: u64,
    /// Opened when first asked for.
    indexes: RwLock<HashMap<Version, Arc<Index>>>,
}

/// What the catalog knows of an artifact.
#[derive(Debug)]
pub(crate) enum Found {
    /// Released.
    Artifact(ArtifactMeta),
    /// There is no such thing, and there will not be.
    Never,
    /// It may come.
    NotYet,
    /// The index cannot be used, which was logged.
    Unreadable,
}

impl From<Option<ArtifactMeta>> for Found {
    /// What an index says.
    fn from(meta: Option<ArtifactMeta>) -> Self {
        meta.map_or(Self::Never, Self::Artifact)
    }
}

impl Catalog {
    /// Reads what is published and released now.
    pub(crate) fn open(store: Store, metrics: Arc<Metrics>) -> Result<Self, StoreError> {
        let snapshot = Snapshot::load(&store)?;
        snapshot.show(&metrics);
        Ok(Self {
            store,
            current: ArcSwap::from_pointee(snapshot),
            refreshing: tokio::sync::Mutex::default(),
            readable: AtomicBool::new(true),
            opening: tokio::sync::Mutex::default(),
            damaged: Mutex::default(),
            metrics,
        })
    }

    /// The pointers as last seen.
    pub(crate) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.current.load().published)
    }

    /// The newest pointers.
    pub(crate) async fn newest_published(self: &Arc<Self>) -> Arc<Published> {
        self.refresh().await;
        self.published()
    }

    /// False while the pointers on disk cannot be read.
    pub(crate) fn is_readable(&self) -> bool {
        self.readable.load(Ordering::Relaxed)
    }

    /// Takes over a new generation if there is one.
    pub(crate) async fn refresh(self: &Arc<Self>) {
        if self.is_current() {
            return;
        }
        let _alone = self.refreshing.lock().await;
        if self.is_current() {
            return;
        }
        let catalog = Arc::clone(self);
        // A panic in there is a mistake; the next refresh tries again.
        let _ = tokio::task::spawn_blocking(move || catalog.reload()).await;
    }

    fn is_current(&self) -> bool {
        let seen = self.current.load().published.number;
        self.is_readable() && self.store.generation().is_ok_and(|number| number == seen)
    }

    fn reload(&self) {
        self.store.refresh();
        match Snapshot::load(&self.store) {
            Ok(snapshot) => {
                snapshot.show(&self.metrics);
                let generation = snapshot.published.number;
                tracing::info!(generation, newest = snapshot.newest.map(Version::number), "pointers taken over");
                self.current.store(Arc::new(snapshot));
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
    pub(crate) async fn find(self: &Arc<Self>, version: Version, artifact: &Artifact) -> Found {
        let mut snapshot = self.current.load_full();
        if snapshot.is_above(version) {
            // Another node may have told of it a moment ago.
            self.refresh().await;
            snapshot = self.current.load_full();
        }
        if snapshot.is_above(version) {
            return Found::NotYet;
        }
        match snapshot.opened(version).and_then(|index| index.get_cached(artifact)) {
            Some(Ok(found)) => found.into(),
            // Not open yet, changed since, or not in memory.
            Some(Err(_)) | None => self.find_on_disk(&snapshot, version, artifact).await,
        }
    }

    async fn find_on_disk(&self, snapshot: &Snapshot, version: Version, artifact: &Artifact) -> Found {
        // A version nobody released: one `stat` says so, without a thread.
        if !self.store.has_content(version) {
            return Found::Never;
        }
        let is_open = snapshot.opened(version).is_some_and(|index| index.is_unchanged());
        let _alone = if is_open { None } else { Some(self.opening.lock().await) };
        if !is_open && self.damaged().get(&version).is_some_and(|tried| tried.elapsed() < TRIED_AGAIN) {
            return Found::Unreadable;
        }
        let (store, artifact) = (self.store.clone(), artifact.clone());
        let looking = tokio::task::spawn_blocking(move || {
            let index = store.index(version)?;
            let found = index.get(&artifact)?;
            Ok((index, found))
        });
        // A panic in there is a mistake, which the runtime has reported; the next request tries again.
        match looking.await.unwrap_or(Err(StoreError::UnknownVersion { version })) {
            Ok((index, found)) => {
                snapshot.indexes.write().unwrap_or_else(PoisonError::into_inner).insert(version, index);
                self.recovered(version);
                found.into()
            }
            Err(StoreError::UnknownVersion { .. }) => Found::Never,
            Err(error) => {
                self.failed(version, &error);
                Found::Unreadable
            }
        }
    }

    fn failed(&self, version: Version, error: &StoreError) {
        let mut damaged = self.damaged();
        if damaged.insert(version, Instant::now()).is_none() {
            tracing::error!(%version, error = chain(error), "the release is not served until its index is whole");
        }
        self.show_damaged(&damaged);
    }

    fn recovered(&self, version: Version) {
        let mut damaged = self.damaged();
        if damaged.remove(&version).is_some() {
            tracing::info!(%version, "the index is whole again and the release is served");
            self.show_damaged(&damaged);
        }
    }

    fn show_damaged(&self, damaged: &BTreeMap<Version, Instant>) {
        self.metrics.store.damaged_indexes.set(i64::try_from(damaged.len()).unwrap_or(i64::MAX));
    }

    fn damaged(&self) -> std::sync::MutexGuard<'_, BTreeMap<Version, Instant>> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An index that cannot be used is tried again after this long: each time all of it is read.
const TRIED_AGAIN: Duration = Duration::from_secs(1);

impl Snapshot {
    /// Reads it from the store. That happens with each publication, so a few records more do not matter; and artifacts
    /// that were added to a release count at once.
    fn load(store: &Store) -> Result<Self, StoreError> {
        let published = Arc::new(Published::new(&store.pointers()?));
        let releases = store.releases()?;
        // A record that cannot be read is a gap in a figure, not a reason to stop serving.
        let size = |version: &Version| store.record(*version).map_or(0, |record| record.total().bytes);
        let newest = store.newest_seen()?;
        Ok(Self {
            published,
            newest,
            releases: releases.len(),
            size_bytes: releases.iter().map(size).sum(),
            indexes: RwLock::default(),
        })
    }

    /// True for a version that no endpoint can have heard of here.
    fn is_above(&self, version: Version) -> bool {
        self.newest.is_none_or(|newest| version > newest)
    }

    fn show(&self, metrics: &Metrics) {
        metrics.store.show(self.published.number, &self.published.formats, self.releases, self.size_bytes);
    }

    fn opened(&self, version: Version) -> Option<Arc<Index>> {
        self.indexes.read().unwrap_or_else(PoisonError::into_inner).get(&version).cloned()
    }
}

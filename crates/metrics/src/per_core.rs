//! Counters without contention: each core adds to its own shard, and a scrape sums the shards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Number of shards. Threads beyond it share them.
pub(crate) const SHARDS: usize = 16;

/// The shard of this thread.
pub(crate) fn own_shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    }
    OWN.with(|own| *own)
}

/// A counter that many cores add to with each request. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct CoreCounter(Arc<[Shard; SHARDS]>);

/// On separate cache lines: cores that count do not invalidate each other's.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(AtomicU64);

impl CoreCounter {
    pub(crate) fn inc(&self) {
        self.0[own_shard()].0.fetch_add(1, Ordering::Relaxed);
    }

    /// The sum of all shards.
    pub(crate) fn get(&self) -> u64 {
        self.0.iter().map(|shard| shard.0.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }
}

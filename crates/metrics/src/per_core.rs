//! Counting without waiting: each core adds in a place of its own, and a scrape sums.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use prometheus_client::metrics::counter::{Atomic, Counter};

/// Places to count in. More threads than this share them.
pub(crate) const PLACES: usize = 16;

/// The place of this thread.
pub(crate) fn own_place() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed) % PLACES;
    }
    OWN.with(|own| *own)
}

/// A counter that many cores add to with each request.
pub(crate) type CoreCounter = Counter<u64, PerCore>;

/// One number, in pieces.
#[derive(Debug, Default)]
pub(crate) struct PerCore([Piece; PLACES]);

/// On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Piece(AtomicU64);

impl Atomic<u64> for PerCore {
    fn inc(&self) -> u64 {
        self.inc_by(1)
    }

    fn inc_by(&self, number: u64) -> u64 {
        self.0[own_place()].0.fetch_add(number, Ordering::Relaxed)
    }

    fn get(&self) -> u64 {
        self.0.iter().map(|piece| piece.0.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }
}

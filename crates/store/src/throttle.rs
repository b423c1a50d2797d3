//! A limit on bytes per second that many threads share.

use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Limits the bytes per second; without a limit it lets everything through.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    limit: Option<Limit>,
}

#[derive(Debug)]
struct Limit {
    bytes_per_second: NonZeroU64,
    /// When everything that was taken so far has gone through.
    free_at: Mutex<Instant>,
}

impl Throttle {
    pub(crate) fn new(bytes_per_second: Option<NonZeroU64>) -> Self {
        let limit = |bytes_per_second| Limit { bytes_per_second, free_at: Mutex::new(Instant::now()) };
        Self { limit: bytes_per_second.map(limit) }
    }

    /// Takes `bytes`, and waits until they may have gone through.
    pub(crate) fn take(&self, bytes: u64) {
        let Some(limit) = &self.limit else { return };
        let cost = Duration::from_secs_f64(bytes as f64 / limit.bytes_per_second.get() as f64);
        let free_at = {
            let mut free_at = limit.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            *free_at = (*free_at).max(Instant::now()) + cost;
            *free_at
        };
        thread::sleep(free_at.saturating_duration_since(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_back_all_threads_together() {
        let throttle = Throttle::new(NonZeroU64::new(1_000_000));
        let begun = Instant::now();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| throttle.take(25_000));
            }
        });
        assert!(begun.elapsed() >= Duration::from_millis(95), "{:?}", begun.elapsed());
        Throttle::default().take(u64::MAX);
    }
}

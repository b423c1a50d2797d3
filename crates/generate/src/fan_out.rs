//! Parallel work as a function of its input.
//!
//! Items are handed out one at a time in their order, so a list sorted by cost keeps all workers busy to the end. What
//! comes out is in the order of the items and does not depend on the number of workers.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Calls `work` for each item on `workers` threads and returns the results in the order of the items.
///
/// # Errors
/// After a failure no further item is begun; of several failures the one of the earliest item is returned.
pub(crate) fn fan_out<T: Sync, R: Send, E: Send>(
    items: &[T],
    workers: NonZeroUsize,
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let results: Vec<Mutex<Option<Result<R, E>>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let worker = || {
        while !failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            let result = work(item);
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            *results[index].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        }
    };
    thread::scope(|scope| {
        // This thread works too. Where the system has no room for more, those that there are do it all.
        let more = 1..workers.get().min(items.len());
        more.map_while(|_| thread::Builder::new().spawn_scoped(scope, worker).ok()).for_each(drop);
        worker();
    });
    // Items are begun in order, so every item in front of a failed one has its result.
    results.into_iter().map_while(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order_and_failures_stop_the_work() {
        let items: Vec<usize> = (0..1000).collect();
        for workers in [1, 8] {
            let workers = NonZeroUsize::new(workers).unwrap();
            let doubled = fan_out(&items, workers, |item| Ok::<_, ()>(item * 2)).unwrap();
            assert_eq!(doubled, items.iter().map(|item| item * 2).collect::<Vec<_>>());
            let begun = AtomicUsize::new(0);
            let failure = fan_out(&items, workers, |&item| {
                begun.fetch_add(1, Ordering::Relaxed);
                if item % 10 == 7 { Err(item) } else { Ok(()) }
            });
            assert_eq!(failure, Err(7));
            assert!(begun.into_inner() < 1000);
        }
    }
}

//! Work on many items with all processors.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Runs `work` on each item and returns the results in the order of the items. After the first error no new item is
/// begun; the error of the earliest item that failed is returned.
pub(crate) fn fan_out<T: Sync, R: Send, E: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    fan_out_fallibly(workers, items, work)
}

/// Runs `work` on each item with `workers` threads and returns the results in the order of the items.
pub(crate) fn fan_out_on<T: Sync, R: Send>(
    workers: NonZeroUsize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let Ok(results) = fan_out_fallibly(workers.get(), items, |item| Ok::<_, Infallible>(work(item)));
    results
}

/// As [`fan_out`], with so many threads.
pub(crate) fn fan_out_fallibly<T: Sync, R: Send, E: Send>(
    workers: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let workers = workers.min(items.len());
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let worker = || {
        let mut done = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let position = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(position) else { break };
            let result = work(item);
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            done.push((position, result));
        }
        done
    };
    let mut results = thread::scope(|scope| {
        // This thread works too. Where the system has no room for more, those that there are do it all.
        let threads: Vec<_> =
            (1..workers).map_while(|_| thread::Builder::new().spawn_scoped(scope, worker).ok()).collect();
        let mut results = worker();
        for thread in threads {
            results.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    });
    results.sort_unstable_by_key(|(position, _)| *position);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_and_errors_stop() {
        let items: Vec<u32> = (0..1000).collect();
        let doubled = fan_out(&items, |item| Ok::<_, ()>(item * 2)).unwrap();
        assert!(doubled.iter().zip(&items).all(|(double, item)| *double == item * 2));
        assert_eq!(fan_out(&items, |item| if *item == 7 { Err(*item) } else { Ok(()) }), Err(7));
        assert_eq!(fan_out(&[], |_: &u32| Ok::<u32, ()>(0)), Ok(vec![]));
    }
}

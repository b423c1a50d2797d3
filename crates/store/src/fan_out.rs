//! Parallel work as a function of its input: results in the order of the items, whatever the number of threads.
//!
//! Items are handed out one at a time in their order, so a list sorted by cost keeps all threads busy to the end. The
//! calling thread works too. If the system refuses more threads, the existing ones do all of the work.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::StoreError;
use crate::progress::Meter;

/// Calls `work` for each item on up to `workers` threads.
///
/// # Errors
/// After a failure no further item is begun; of several failures, the one of the earliest item is returned.
pub fn fan_out<T: Sync, R: Send, E: Send>(
    items: &[T],
    workers: NonZeroUsize,
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
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
        let more = 1..workers.get().min(items.len());
        let threads: Vec<_> = more.map_while(|_| thread::Builder::new().spawn_scoped(scope, worker).ok()).collect();
        let mut results = worker();
        for thread in threads {
            results.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    });
    // Items are begun in order, so every item in front of a failed one has its result.
    results.sort_unstable_by_key(|(position, _)| *position);
    results.into_iter().map(|(_, result)| result).collect()
}

/// As [`fan_out`], and counts each finished item on `meter`, with the bytes that `bytes_of` gives for it.
///
/// # Errors
/// Those of `work`, and [`StoreError::Cancelled`] once the operator has asked for an end: asked before each item.
pub fn fan_out_metered<T: Sync, R: Send, E: Send + From<StoreError>>(
    items: &[T],
    workers: NonZeroUsize,
    meter: &Meter<'_>,
    bytes_of: impl Fn(&T) -> u64 + Sync,
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    fan_out(items, workers, |item| {
        meter.go_on()?;
        let result = work(item)?;
        meter.advance(1, bytes_of(item));
        Ok(result)
    })
}

/// One thread for each processor that this process may use.
pub fn processors() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::progress::{Event, Phase, Progress};

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
            assert_eq!(fan_out(&[], workers, |_: &u32| Ok::<u32, ()>(0)), Ok(vec![]));
        }
    }

    /// Cancels once `work` has run for three items.
    #[derive(Default)]
    struct Recorder {
        events: Mutex<Vec<Event>>,
        begun: AtomicUsize,
    }

    impl Progress for Recorder {
        fn event(&self, event: Event) {
            self.events.lock().unwrap().push(event);
        }

        fn is_cancelled(&self) -> bool {
            self.begun.load(Ordering::Relaxed) >= 3
        }
    }

    #[test]
    fn finished_items_are_counted_and_a_cancelled_phase_begins_no_more() {
        let recorder = Recorder::default();
        let run = |items: &[u64]| {
            let meter = Meter::begin(&recorder, Phase::Make, items.len() as u64, items.iter().sum());
            let done = fan_out_metered(
                items,
                NonZeroUsize::MIN,
                &meter,
                |bytes| *bytes,
                |_| {
                    recorder.begun.fetch_add(1, Ordering::Relaxed);
                    Ok::<_, StoreError>(())
                },
            )?;
            meter.finish();
            Ok::<_, StoreError>(done.len())
        };
        assert_eq!(run(&[10, 20]).unwrap(), 2);
        let finished = Event::Finished { phase: Phase::Make, done: 2, bytes: 30 };
        assert_eq!(recorder.events.lock().unwrap().last(), Some(&finished));
        assert!(matches!(run(&[1, 2, 3]), Err(StoreError::Cancelled)));
        assert_eq!(recorder.begun.load(Ordering::Relaxed), 3);
    }
}

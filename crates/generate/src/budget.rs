//! A budget for memory that grows with a file: workers reserve memory before they allocate it, and wait until others
//! release theirs.
//!
//! Requests are served in order of arrival, so a large one is not starved by many small ones. One that is larger than
//! the whole budget waits until everything is free and then runs alone: it would otherwise never run. A worker that has
//! a [`Reservation`] must not wait for other workers, or both wait for ever.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Memory, in bytes, that tasks share.
#[derive(Debug)]
pub struct Budget {
    total: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    free: u64,
    next_ticket: u64,
    serving: u64,
}

impl Budget {
    /// A budget of `total` bytes, at least one.
    pub const fn new(total: u64) -> Self {
        let total = if total == 0 { 1 } else { total };
        Self { total, state: Mutex::new(State { free: total, next_ticket: 0, serving: 0 }), changed: Condvar::new() }
    }

    /// Half of what this process may use, as [`clearwell_store::memory`] knows it.
    pub fn of_machine() -> Self {
        Self::new(clearwell_store::memory::allowed_bytes().map_or(FALLBACK_BYTES, |bytes| bytes / 2))
    }

    /// All of it, in bytes.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Waits until `bytes` are free, or all of them if the budget is smaller, and takes them until the reservation is
    /// dropped.
    pub fn reserve(&self, bytes: u64) -> Reservation<'_> {
        let bytes = bytes.min(self.total);
        let mut state = self.lock();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        while state.serving != ticket || state.free < bytes {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.free -= bytes;
        state.serving += 1;
        self.changed.notify_all();
        Reservation { budget: self, bytes }
    }

    /// The numbers are whole after every statement, so a panic elsewhere leaves nothing half-done here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory that was taken from a [`Budget`]; dropping it gives the memory back.
#[derive(Debug)]
pub struct Reservation<'b> {
    budget: &'b Budget,
    bytes: u64,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.budget.lock().free += self.bytes;
        self.budget.changed.notify_all();
    }
}

/// Used where the system does not report its memory.
const FALLBACK_BYTES: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn what_is_held_never_exceeds_the_budget() {
        let budget = Budget::new(100);
        let (held, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for worker in 0..8u64 {
                let (budget, held, most) = (&budget, &held, &most);
                scope.spawn(move || {
                    for round in 0..200 {
                        let bytes = (worker * 31 + round * 17) % 70 + 1;
                        let reservation = budget.reserve(bytes);
                        let now = held.fetch_add(bytes, Ordering::SeqCst) + bytes;
                        most.fetch_max(now, Ordering::SeqCst);
                        // The others try to get theirs meanwhile.
                        std::thread::yield_now();
                        held.fetch_sub(bytes, Ordering::SeqCst);
                        drop(reservation);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 100);
        assert_eq!(budget.lock().free, 100);
    }

    #[test]
    fn a_request_above_the_budget_runs_alone() {
        let budget = Budget::new(10);
        let all = budget.reserve(1 << 40);
        assert_eq!(budget.lock().free, 0);
        drop(all);
        assert_eq!(budget.lock().free, 10);
    }

    #[test]
    fn the_machine_has_some_memory() {
        assert!(Budget::of_machine().total() > 1 << 20);
    }
}

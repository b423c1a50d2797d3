//! Counts by a number that is not known in advance, such as a version: with an upper bound, and without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::per_core::{SHARDS, own_shard};

/// Numbers with separate counts. Each is a series of Prometheus per node.
pub(crate) const NUMBERS: usize = 500;

/// Counts for up to [`NUMBERS`] numbers; further numbers are counted together. The first thread that counts a number
/// assigns its slot; from then on each core adds in its own shard.
///
/// On the heap in small pieces: a stack of 2 MiB may have to hold what is made at a start.
#[derive(Debug)]
pub(crate) struct NumberedCounts {
    /// By slot; zero where it is free.
    numbers: Box<[AtomicU64]>,
    shards: [Shard; SHARDS],
}

/// On separate cache lines.
#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    /// By slot.
    counts: Box<[AtomicU64]>,
    others: AtomicU64,
}

impl Default for NumberedCounts {
    fn default() -> Self {
        let row = || std::iter::repeat_with(AtomicU64::default).take(NUMBERS).collect();
        Self { numbers: row(), shards: std::array::from_fn(|_| Shard { counts: row(), others: AtomicU64::default() }) }
    }
}

impl NumberedCounts {
    /// Adds one for a number, which is not zero.
    pub(crate) fn inc(&self, number: u64) {
        let shard = &self.shards[own_shard()];
        let count = self.slot(number).map_or(&shard.others, |slot| &shard.counts[slot]);
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Shows a number before it is counted.
    pub(crate) fn show(&self, number: u64) {
        let _ = self.slot(number);
    }

    /// The slot of a number, assigned if it has none; `None` if all are taken.
    fn slot(&self, number: u64) -> Option<usize> {
        let first = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % NUMBERS;
        (first..NUMBERS).chain(0..first).find(|&slot| {
            let taken = match self.numbers[slot].load(Ordering::Relaxed) {
                0 => self.numbers[slot]
                    .compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed)
                    .unwrap_or_else(|other| other),
                taken => taken,
            };
            // Zero: the exchange took the slot for this number.
            taken == 0 || taken == number
        })
    }

    /// All numbers that were counted and their counts, in ascending order.
    pub(crate) fn counts(&self) -> Vec<(u64, u64)> {
        let numbers = self.numbers.iter().map(|number| number.load(Ordering::Relaxed)).enumerate();
        let mut counts: Vec<_> = numbers
            .filter(|(_, number)| *number != 0)
            .map(|(slot, number)| (number, self.sum(|shard| &shard.counts[slot])))
            .collect();
        counts.sort_unstable();
        counts
    }

    /// The count of all numbers without a slot.
    pub(crate) fn others(&self) -> u64 {
        self.sum(|shard| &shard.others)
    }

    fn sum(&self, count: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards.iter().map(|shard| count(shard).load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_bounded() {
        let counts = NumberedCounts::default();
        for number in 1..=NUMBERS as u64 + 50 {
            counts.inc(number);
            counts.inc(number);
        }
        let found = counts.counts();
        assert_eq!((found.len(), counts.others()), (NUMBERS, 100));
        assert_eq!(found[0], (1, 2));
    }

    #[test]
    fn a_number_is_shown_before_it_is_counted() {
        let counts = NumberedCounts::default();
        counts.show(20);
        assert_eq!(counts.counts(), [(20, 0)]);
        counts.inc(20);
        counts.show(20);
        assert_eq!(counts.counts(), [(20, 1)]);
    }

    #[test]
    fn counts_of_many_threads_are_summed() {
        let counts = NumberedCounts::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for at in 0..10_000 {
                        counts.inc(1 + at % 490);
                    }
                });
            }
        });
        let found = counts.counts();
        assert_eq!(found.len(), 490, "no number has two slots");
        assert_eq!(found.iter().map(|(_, count)| count).sum::<u64>(), 80_000);
        assert_eq!(counts.others(), 0);
    }
}

//! How the fleet updates: from which version to which, derived from the deltas that endpoints request.
//!
//! Versions are label values here and in no other subsystem: up to 100 pairs; further pairs are counted together. A
//! client can ask for any version, but only deltas that are released count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clearwell_format::Version;
use prometheus::Registry;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use crate::family::{Family, register};
use crate::per_core::{SHARDS, own_shard};

/// Pairs of versions with separate counts.
const PAIRS: usize = 100;

/// The label value of both versions for all further pairs.
const OTHER: &str = "other";

/// Handles of the fleet metrics.
#[derive(Clone, Debug, Default)]
pub struct FleetMetrics {
    moves: Arc<Moves>,
}

/// The first thread that counts a pair assigns its slot; from then on each core adds in its own shard.
#[derive(Debug)]
struct Moves {
    /// See [`packed`]; zero where a slot is free.
    pairs: [AtomicU64; PAIRS],
    shards: [Shard; SHARDS],
}

/// On separate cache lines.
#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    pairs: [AtomicU64; PAIRS],
    others: AtomicU64,
}

impl Default for Moves {
    fn default() -> Self {
        let row = || [const { AtomicU64::new(0) }; PAIRS];
        let shards = std::array::from_fn(|_| Shard { pairs: row(), others: AtomicU64::new(0) });
        Self { pairs: row(), shards }
    }
}

impl Moves {
    /// The slot of a pair, assigned if it has none; `None` if all are taken.
    fn slot(&self, from: Version, to: Version) -> Option<usize> {
        let pair = packed(from, to);
        let first = (pair.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % PAIRS;
        (first..PAIRS).chain(0..first).find(|&slot| {
            let taken = match self.pairs[slot].load(Ordering::Relaxed) {
                0 => self.pairs[slot]
                    .compare_exchange(0, pair, Ordering::Relaxed, Ordering::Relaxed)
                    .unwrap_or_else(|other| other),
                taken => taken,
            };
            // Zero: the exchange took the slot for this pair.
            taken == 0 || taken == pair
        })
    }

    fn sum(&self, count: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards.iter().map(|shard| count(shard).load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }

    fn others(&self) -> u64 {
        self.sum(|shard| &shard.others)
    }

    /// All pairs that were counted, by version.
    fn pairs(&self) -> Vec<((u32, u32), u64)> {
        let taken =
            self.pairs.iter().map(|pair| pair.load(Ordering::Relaxed)).enumerate().filter(|(_, pair)| *pair != 0);
        let mut pairs: Vec<_> = taken
            .map(|(slot, pair)| (((pair >> 32) as u32, pair as u32), self.sum(|shard| &shard.pairs[slot])))
            .collect();
        pairs.sort_unstable();
        pairs
    }
}

/// Two versions as one number, which is never zero.
fn packed(from: Version, to: Version) -> u64 {
    u64::from(from.number()) << 32 | u64::from(to.number())
}

impl FleetMetrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help = "Deltas sent to endpoints, by the versions they lead from and to";
        let family = Family::counter("clearwell_fleet_deltas_total", help, &["from", "to"]);
        register(registry, MoveCollector { family, moves: Arc::clone(&metrics.moves) });
        metrics
    }

    /// An endpoint took a delta pack or a manifest delta from one version to another.
    pub fn moves(&self, from: Version, to: Version) {
        let shard = &self.moves.shards[own_shard()];
        let count = self.moves.slot(from, to).map_or(&shard.others, |slot| &shard.pairs[slot]);
        count.fetch_add(1, Ordering::Relaxed);
    }
}

struct MoveCollector {
    family: Family,
    moves: Arc<Moves>,
}

impl Collector for MoveCollector {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.family.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let pairs = self.moves.pairs().into_iter();
        let mut samples: Vec<_> = pairs
            .map(|((from, to), count)| self.family.sample(&[&from.to_string(), &to.to_string()], count as f64))
            .collect();
        samples.push(self.family.sample(&[OTHER, OTHER], self.moves.others() as f64));
        vec![self.family.with(samples)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_bounded() {
        let metrics = FleetMetrics::default();
        let version = |number| Version::new(number).unwrap();
        for from in 1..=150 {
            metrics.moves(version(from), version(200));
            metrics.moves(version(from), version(200));
        }
        let pairs = metrics.moves.pairs();
        assert_eq!((pairs.len(), metrics.moves.others()), (PAIRS, 100));
        assert_eq!(pairs[0], ((1, 200), 2));
    }

    #[test]
    fn counts_of_many_threads_are_summed() {
        let metrics = FleetMetrics::default();
        let version = |number| Version::new(number).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for at in 0..10_000 {
                        metrics.moves(version(1 + at % 90), version(200));
                    }
                });
            }
        });
        let pairs = metrics.moves.pairs();
        assert_eq!(pairs.len(), 90, "no pair has two slots");
        assert_eq!(pairs.iter().map(|(_, count)| count).sum::<u64>() + metrics.moves.others(), 80_000);
        assert_eq!(metrics.moves.others(), 0);
    }
}

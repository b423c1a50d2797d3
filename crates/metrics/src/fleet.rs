//! How the fleet moves: from which version to which, as told by the deltas that endpoints ask for.
//!
//! Versions are labels here, and the only ones: so many pairs at most, and all others as one. A client can ask for any
//! version, but only deltas that are released count.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clearwell_format::Version;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;

use crate::per_core::{PLACES, own_place};

/// Pairs of versions that are told apart.
const PAIRS: usize = 100;

/// Handles of everything about the fleet.
#[derive(Clone, Debug, Default)]
pub struct FleetMetrics {
    moves: Arc<Moves>,
}

/// Which pair has which place is decided once, by whoever comes first; from then on each core adds in a row of its own.
#[derive(Debug)]
struct Moves {
    /// See [`packed`]; zero where a place is free.
    pairs: [AtomicU64; PAIRS],
    counts: [Counts; PLACES],
}

/// On cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Counts {
    pairs: [AtomicU64; PAIRS],
    others: AtomicU64,
}

impl Default for Moves {
    fn default() -> Self {
        let row = || [const { AtomicU64::new(0) }; PAIRS];
        let counts = std::array::from_fn(|_| Counts { pairs: row(), others: AtomicU64::new(0) });
        Self { pairs: row(), counts }
    }
}

impl Moves {
    /// The place of a pair, which it takes if it has none; `None` if all are taken.
    fn place(&self, from: Version, to: Version) -> Option<usize> {
        let pair = packed(from, to);
        let first = (pair.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % PAIRS;
        (first..PAIRS).chain(0..first).find(|&place| {
            let taken = match self.pairs[place].load(Ordering::Relaxed) {
                0 => self.pairs[place]
                    .compare_exchange(0, pair, Ordering::Relaxed, Ordering::Relaxed)
                    .unwrap_or_else(|other| other),
                taken => taken,
            };
            // Zero was there before: it is ours now.
            taken == 0 || taken == pair
        })
    }

    fn sum(&self, figure: impl Fn(&Counts) -> &AtomicU64) -> u64 {
        self.counts.iter().map(|counts| figure(counts).load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }

    fn others(&self) -> u64 {
        self.sum(|counts| &counts.others)
    }

    /// All pairs that were counted, by version.
    fn pairs(&self) -> Vec<((u32, u32), u64)> {
        let taken =
            self.pairs.iter().map(|pair| pair.load(Ordering::Relaxed)).enumerate().filter(|(_, pair)| *pair != 0);
        let mut pairs: Vec<_> = taken
            .map(|(place, pair)| (((pair >> 32) as u32, pair as u32), self.sum(|counts| &counts.pairs[place])))
            .collect();
        pairs.sort_unstable();
        pairs
    }
}

/// Two versions as one number, which is never zero.
fn packed(from: Version, to: Version) -> u64 {
    u64::from(from.number()) << 32 | u64::from(to.number())
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MoveLabels {
    from: String,
    to: String,
}

impl FleetMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.sub_registry_with_prefix("fleet").register_collector(Box::new(metrics.clone()));
        metrics
    }

    /// An endpoint took a delta pack or a manifest delta from one version to another.
    pub fn moves(&self, from: Version, to: Version) {
        let counts = &self.moves.counts[own_place()];
        let count = self.moves.place(from, to).map_or(&counts.others, |place| &counts.pairs[place]);
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Collector for FleetMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let none = None::<&Exemplar<MoveLabels, u64>>;
        let help = "Deltas sent to endpoints, by the versions they lead from and to";
        let mut family = encoder.encode_descriptor("deltas", help, None, MetricType::Counter)?;
        for ((from, to), count) in self.moves.pairs() {
            let labels = MoveLabels { from: from.to_string(), to: to.to_string() };
            family.encode_family(&labels)?.encode_counter(&count, none)?;
        }
        let labels = MoveLabels { from: "other".to_owned(), to: "other".to_owned() };
        family.encode_family(&labels)?.encode_counter(&self.moves.others(), none)
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
    fn what_many_threads_count_is_one_sum() {
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
        assert_eq!(pairs.len(), 90, "no pair has two places");
        assert_eq!(pairs.iter().map(|(_, count)| count).sum::<u64>() + metrics.moves.others(), 80_000);
        assert_eq!(metrics.moves.others(), 0);
    }
}

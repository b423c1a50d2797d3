//! How the fleet moves: from which version to which, as told by the deltas that endpoints ask for.
//!
//! Versions are labels here, and the only ones: so many pairs at most, and all others as one. A client can ask for any
//! version, but only deltas that are released count.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use clearwell_format::Version;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;

/// Pairs of versions that are told apart.
const PAIRS: usize = 100;

/// Handles of everything about the fleet.
#[derive(Clone, Debug, Default)]
pub struct FleetMetrics {
    moves: Arc<Mutex<Moves>>,
}

#[derive(Debug, Default)]
struct Moves {
    pairs: HashMap<(Version, Version), u64>,
    others: u64,
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
        let mut moves = self.moves.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = moves.pairs.len() >= PAIRS;
        match moves.pairs.get_mut(&(from, to)) {
            Some(count) => *count += 1,
            None if is_full => moves.others += 1,
            None => drop(moves.pairs.insert((from, to), 1)),
        }
    }
}

impl Collector for FleetMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (mut counts, others) = {
            let moves = self.moves.lock().unwrap_or_else(PoisonError::into_inner);
            (moves.pairs.iter().map(|(pair, count)| (*pair, *count)).collect::<Vec<_>>(), moves.others)
        };
        counts.sort_unstable();
        let none = None::<&Exemplar<MoveLabels, u64>>;
        let help = "Deltas sent to endpoints, by the versions they lead from and to";
        let mut family = encoder.encode_descriptor("deltas", help, None, MetricType::Counter)?;
        for ((from, to), count) in counts {
            let labels = MoveLabels { from: from.to_string(), to: to.to_string() };
            family.encode_family(&labels)?.encode_counter(&count, none)?;
        }
        let labels = MoveLabels { from: "other".to_owned(), to: "other".to_owned() };
        family.encode_family(&labels)?.encode_counter(&others, none)
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
        let moves = metrics.moves.lock().unwrap();
        assert_eq!((moves.pairs.len(), moves.others), (PAIRS, 100));
        assert_eq!(moves.pairs[&(version(1), version(200))], 2);
    }
}

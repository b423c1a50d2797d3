//! Bundles that include each other.
//!
//! Source: manifest 6, quirk 4. Clients follow cycles without trouble (manifest 3.4), so a cycle that loses nothing is a
//! warning; what it loses is found by [`lost_path`](super::lost_path).

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let cycles = survey.includes.cycles();
    let finding = |cycle: Vec<usize>| {
        let names: Vec<&str> = cycle.iter().map(|&bundle| survey.bundles.get(bundle).name.as_str()).collect();
        Finding::warning(
            Rule::IncludeCycle,
            Object::Bundle(survey.bundles.get(cycle[0]).name.clone()),
            format!("{} include each other: endpoints have all of them or none", names.join(", ")),
            "take out one of the includes, or make them one bundle",
        )
    };
    cycles.into_iter().map(finding).collect()
}

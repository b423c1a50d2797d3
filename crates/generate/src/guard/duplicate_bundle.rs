//! The MoM names each bundle once.
//!
//! Source: manifest §4.

use std::collections::HashSet;

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let mut seen = HashSet::new();
    let twice = survey.context.release.mom.bundles().filter(|entry| !seen.insert(&entry.bundle));
    twice
        .map(|entry| {
            let object = Object::Bundle(entry.bundle.clone());
            Finding::refusal(Rule::DuplicateBundle, object, "the MoM names it twice", "list the bundle once")
        })
        .collect()
}

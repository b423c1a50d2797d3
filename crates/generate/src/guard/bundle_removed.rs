//! A bundle of the previous release is not in this one.
//!
//! Source: manifest 4 and 6, quirk 10. Endpoints that have it remove its files at the update, without a warning.

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let Some(previous) = &survey.previous else {
        return Vec::new();
    };
    let mom = survey.context.release.mom;
    let now: std::collections::HashSet<_> = mom.bundles().map(|entry| &entry.bundle).collect();
    let gone = previous.listing.mom.bundles().filter(|entry| !now.contains(&entry.bundle));
    gone.map(|entry| {
        Finding::warning(
            Rule::BundleRemoved,
            Object::Bundle(entry.bundle.clone()),
            "it is no longer in the release; endpoints that have it remove its files without a word",
            "tell its users, or keep the bundle",
        )
    })
    .collect()
}

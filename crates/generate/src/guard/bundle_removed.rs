//! A bundle that endpoints have is not in this release.
//!
//! Source: manifest §4 and §6 quirk 10. Endpoints that have it remove its files at the update, without a warning.
//! Reported by the release that drops the bundle, not by the releases after it.

use std::collections::HashSet;

use super::earlier_entries::endpoints_on;
use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let now: HashSet<_> = survey.context.release.mom.bundles().map(|entry| &entry.bundle).collect();
    let gone = survey.earlier_entries.bundles().filter(|(bundle, _)| !now.contains(bundle));
    gone.filter_map(|(bundle, releases)| {
        let releases = survey.news(releases, |previous| previous.release.mom.bundle(bundle).is_none());
        (!releases.is_empty()).then(|| {
            Finding::warning(
                Rule::BundleRemoved,
                Object::Bundle(bundle.clone()),
                format!(
                    "it is no longer in the release; {} that have it remove its files without a warning",
                    endpoints_on(&releases)
                ),
                "inform its users, or keep the bundle",
            )
        })
    })
    .collect()
}

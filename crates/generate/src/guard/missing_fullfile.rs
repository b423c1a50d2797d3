//! Each present entry has its fullfile, in the folder of the entry's version.
//!
//! Source: content layout §1 and must-keep §5. Fullfiles are what endpoints fall back to for everything; without one an
//! update ends with exit code 17.
//!
//! Not asked for: an entry that os-core carries (golden scenario 018).

use std::collections::HashSet;

use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, Resource};
use clearwell_store::fullfiles::is_carried;

use super::listed::Item;
use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let Some(store) = survey.context.store else {
        return Vec::new();
    };
    let os_core = survey.bundles.index(&BundleName::os_core());
    let dropped = |item: &Item<'_>| {
        let kept = |other: &Item<'_>| Some(other.bundle) == os_core && is_carried(item.entry, other.entry);
        survey.listed.at(item.entry.path.as_bytes()).iter().any(kept)
    };
    let mut seen = HashSet::new();
    let needed = survey.listed.iter().filter(|item| !dropped(item));
    let distinct = needed.filter(|item| seen.insert((item.entry.version, item.entry.hash())));
    distinct
        .filter_map(|item| {
            let resource = Resource::of(item.entry.version, Artifact::Fullfile(item.entry.hash()));
            if store.artifacts.size(&resource).is_some() {
                return None;
            }
            Some(Finding::refusal(
                Rule::MissingFullfile,
                Object::Artifact(resource),
                format!("{} of bundle {} needs it", item.entry.path, survey.bundles.get(item.bundle).name),
                format!(
                    "build with --min-version {}, which releases every file again",
                    survey.context.release.version()
                ),
            ))
        })
        .collect()
}

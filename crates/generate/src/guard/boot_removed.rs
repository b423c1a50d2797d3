//! A directory with kernels is not deleted.
//!
//! Source: manifest §6.1 quirk 26. When `/boot` or `/usr/lib/modules` itself is deleted, an update keeps the files in
//! it, because another program manages them. The directory is not empty then, and the client renames it to
//! `.deleted.<time>.boot` with the kernels in it (observed; exit code 0).

use std::collections::BTreeSet;

use clearwell_format::PathClass;

use super::earlier_entries::endpoints_on;
use super::survey::{Lost, Survey};
use super::{Finding, Object, Rule, local_data_moved};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Lost { path, had, now } in survey.lost_directories() {
        if !now.is_empty() || path.class() != PathClass::Managed || local_data_moved::is_one(path) {
            continue;
        }
        let had = survey.news(had, |previous| previous.listed.at(path.as_bytes()).is_empty());
        let mut stay =
            survey.earlier_entries.below(path).iter().filter(|child| child.entry.path.class() == PathClass::Boot);
        let found = stay.find_map(|child| {
            let releases: BTreeSet<_> = &survey.earlier_entries.releases_of(child) & &had;
            (child.entry.is_present() && !releases.is_empty()).then_some((child, releases))
        });
        if let Some((child, releases)) = found {
            findings.push(Finding::warning(
                Rule::BootRemoved,
                Object::Path(path.clone()),
                format!(
                    "it is deleted but {} is not; {} rename it to .deleted.* with its content",
                    child.entry.path,
                    endpoints_on(&releases)
                ),
                "keep the directory in a bundle",
            ));
        }
    }
    findings
}

//! Changed and deleted entries have a higher version than the entries that endpoints have.
//!
//! Source: manifest §3.4 (update list). An endpoint downloads an entry that is new or has a higher version. An entry
//! with another hash and no higher version is not downloaded, and a deletion with no higher version does not remove the
//! file (observed; `diagnose` then reports both). Two causes:
//!
//! - The release is not built on what endpoints have, for example on the release before a retracted one.
//! - A file moved to another bundle, and that bundle leaves the mix: the first bundle still lists its old deletion, which
//!   endpoints with both bundles compare with what the second had.

use std::collections::BTreeSet;

use clearwell_format::{BundleName, Entry, Version};

use super::earlier_entries::{EarlierEntry, endpoints_on};
use super::listed::{Item, Level, Listed};
use super::survey::Survey;
use super::{Finding, Object, Rule, Severity};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let changed = survey.earlier_entries.by_path().filter_map(|earlier| changed(survey, earlier));
    changed.chain(deleted(survey)).collect()
}

/// An entry with a hash that some endpoints do not have, and a version that is not above what they have.
fn changed(survey: &Survey<'_>, earlier: &[EarlierEntry]) -> Option<Finding> {
    let now = survey.listed.at(earlier[0].entry.path.as_bytes());
    let is_behind = |item: &Item<'_>| {
        let is_ahead =
            |earlier: &EarlierEntry| earlier.entry.is_present() && earlier.entry.version >= item.entry.version;
        earlier.iter().any(|earlier| is_ahead(earlier) && earlier.entry.hash() != item.entry.hash())
    };
    let behind: Vec<&Item<'_>> = now.iter().filter(|item| is_behind(item)).collect();
    if behind.is_empty() {
        return None;
    }
    let old = survey.history(&earlier[0].entry.path);
    let releases = |level: Level, is_one: &dyn Fn(&Entry) -> bool| -> BTreeSet<Version> {
        let found = old.iter().filter(|(entry, _)| level.keeps(entry) && is_one(entry));
        found.flat_map(|(_, releases)| releases).copied().collect()
    };
    Level::ALL.into_iter().flat_map(|level| behind.iter().map(move |item| (level, item))).find_map(|(level, item)| {
        let entry = item.entry;
        if !level.keeps(entry) {
            return None;
        }
        let ahead = releases(level, &|old| old.version >= entry.version);
        let overlooking = &ahead - &releases(level, &|old| old.hash() == entry.hash());
        let overlooking = survey.news(overlooking, |previous| {
            previous.listed.at(entry.path.as_bytes()).iter().any(|before| before.entry == entry)
        });
        let problem =
            |on: &str| format!("it changed, but its version is still {}; {on} keep the old file", entry.version);
        finding(survey.bundles.get(item.bundle).name, entry, &overlooking, problem)
    })
}

/// Deletions with a version that is not above what some endpoints have. Of several bundles the highest counts.
fn deleted(survey: &Survey<'_>) -> Vec<Finding> {
    let deleted = Listed::deleted(&survey.bundles);
    let mut findings = Vec::new();
    for items in deleted.by_path() {
        let path = &items[0].entry.path;
        let present = survey.listed.at(path.as_bytes());
        for earlier in survey.earlier_entries.at(path).iter().filter(|earlier| earlier.entry.is_present()) {
            let is_behind = |item: &&Item<'_>| item.entry.version <= earlier.entry.version;
            let own = items.iter().find(|item| *survey.bundles.get(item.bundle).name == earlier.bundle);
            let releases = || survey.earlier_entries.releases_of(earlier);
            let version = |item: &Item<'_>| item.entry.version;
            if let Some(own) = own.filter(is_behind) {
                let together = survey.includes.closure(own.bundle);
                let is_told = present.iter().chain(items.iter().filter(|item| !is_behind(item)));
                if is_told.into_iter().any(|item| together.contains(&item.bundle)) {
                    continue;
                }
                let releases = survey.news(releases(), |previous| {
                    let before = previous.release.bundles.get(&earlier.bundle);
                    before.is_some_and(|manifest| manifest.entries.contains(own.entry))
                });
                let problem = |on: &str| {
                    format!("its deletion has version {}; {on} have a higher version and keep it", version(own))
                };
                findings.extend(finding(&earlier.bundle, own.entry, &releases, problem));
            } else if own.is_none() && present.is_empty() {
                // The bundle is gone; endpoints compare with the deletion that another bundle lists.
                let Some(other) = items.iter().find(is_behind) else { continue };
                let releases =
                    survey.news(releases(), |previous| previous.release.mom.bundle(&earlier.bundle).is_none());
                let problem = |on: &str| {
                    let name = survey.bundles.get(other.bundle).name;
                    format!(
                        "the bundle was removed, and the deletion in bundle {name} has version {}; {on} with both keep the file",
                        version(other)
                    )
                };
                findings.extend(finding(&earlier.bundle, &earlier.entry, &releases, problem).map(|finding| Finding {
                    severity: Severity::Warning,
                    remedy:
                        "keep the bundle with only its tracking file, so that its manifest lists the deletion".into(),
                    ..finding
                }));
            }
        }
    }
    findings
}

fn finding(
    bundle: &BundleName,
    entry: &Entry,
    releases: &BTreeSet<Version>,
    problem: impl FnOnce(&str) -> String,
) -> Option<Finding> {
    (!releases.is_empty()).then(|| {
        Finding::refusal(
            Rule::UnnoticedChange,
            Object::Entry(bundle.clone(), entry.path.clone()),
            problem(&endpoints_on(releases)),
            "build on the newest release that endpoints have (--previous) or with --min-version, or allow the rule if no \
             endpoint is on those releases",
        )
    })
}

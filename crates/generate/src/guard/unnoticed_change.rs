//! What changed has a higher version than before.
//!
//! Source: manifest 3.4 (update list). An endpoint downloads an entry that is new or has a higher version; one that
//! changed its hash and not its version stays as it was, and `diagnose` reports it ever after.

use super::listed::{Item, Level};
use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let Some(previous) = &survey.previous else {
        return Vec::new();
    };
    survey
        .listed
        .by_path()
        .filter_map(|items| {
            let before = previous.listed.at(items[0].entry.path.as_bytes());
            let item = Level::ALL.into_iter().find_map(|level| unnoticed(level, before, items))?;
            Some(Finding::refusal(
                Rule::UnnoticedChange,
                Object::Entry(survey.bundles.get(item.bundle).name.clone(), item.entry.path.clone()),
                format!(
                    "it changed, but its version is still {}; endpoints would keep the old one",
                    item.entry.version
                ),
                "build the release again from its true predecessor",
            ))
        })
        .collect()
}

/// An entry whose hash no bundle had before, with a version that is not above all that were there.
fn unnoticed<'i, 'a>(level: Level, before: &[Item<'a>], now: &'i [Item<'a>]) -> Option<&'i Item<'a>> {
    let old = || before.iter().map(|item| item.entry).filter(|entry| level.keeps(entry));
    let newest = old().map(|entry| entry.version).max()?;
    now.iter()
        .filter(|item| level.keeps(item.entry))
        .find(|item| item.entry.version <= newest && old().all(|entry| entry.hash != item.entry.hash))
}

//! Two bundles must not list one path with different hashes.
//!
//! Source: manifest §3.4 and must-keep §8. An endpoint that has both bundles drops both entries and deletes the path at
//! the next update; if the path is the last one it has, every managed file goes. Any two bundles of a MoM can be
//! installed together.

use super::listed::{Item, Level};
use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    survey.listed.by_path().filter(|items| items.len() > 1).filter_map(|items| conflict(survey, items)).collect()
}

fn conflict(survey: &Survey<'_>, items: &[Item<'_>]) -> Option<Finding> {
    let (one, other) = Level::ALL.into_iter().find_map(|level| {
        let mut kept = items.iter().filter(|item| level.keeps(item.entry));
        let one = kept.next()?;
        // Within one manifest it is a path listed twice, which is another rule.
        kept.find(|other| other.entry.hash() != one.entry.hash() && other.bundle != one.bundle)
            .map(|other| (one, other))
    })?;
    let name = |item: &Item<'_>| survey.bundles.get(item.bundle).name;
    let harm = if is_last(survey, one, other) {
        "endpoints that have both delete every file they manage"
    } else {
        "endpoints that have both delete it"
    };
    Some(Finding::refusal(
        Rule::ConflictingEntries,
        Object::Path(one.entry.path.clone()),
        format!("bundle {} has {} and bundle {} has {}; {harm}", name(one), short(one), name(other), short(other)),
        "give it the same type, mode, owner and content in both, or leave it to one bundle that the other includes",
    ))
}

fn short(item: &Item<'_>) -> String {
    format!("{} {:.12}…", kind(item), item.entry.hash().to_string())
}

fn kind(item: &Item<'_>) -> &'static str {
    use clearwell_format::FileKind;
    match item.entry.kind() {
        Some(FileKind::Directory) => "directory",
        Some(FileKind::Link) => "link",
        Some(FileKind::File) | None => "file",
    }
}

/// True if an endpoint with just these two bundles and what they include has no path behind this one.
fn is_last(survey: &Survey<'_>, one: &Item<'_>, other: &Item<'_>) -> bool {
    [one, other]
        .iter()
        .flat_map(|item| survey.includes.closure(item.bundle))
        .all(|&bundle| survey.bundles.get(bundle).manifest.present().all(|entry| entry.path <= one.entry.path))
}

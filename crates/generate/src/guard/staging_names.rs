//! Temporary names of the client: two rules.
//!
//! Source: manifest §3.3 and §6.1 quirk 25. The client stages a new `foo` as `.update.foo` in the same directory, and
//! before that removes anything of this name, recursively. What the stock client does (observed):
//!
//! | content | the client |
//! |---|---|
//! | `foo` and `.update.foo` | `.update.foo` is missing after an installation; if both change, `foo` gets the content of `.update.foo`, exit 0 |
//! | the same, one of them a directory | `.update.foo` is removed whenever `foo` is installed or updated |
//! | first `.update.foo`, in a later release `foo` instead | the update removes the file that it has staged: exit 10, no `foo` |
//! | `.update.foo` alone | works |
//!
//! - `staging-collision`: the first three rows.
//! - `staging-name`: such a name alone, which makes a later `foo` a collision. Also `.deleted.<time>.foo`, to which the
//!   client renames directories that it cannot remove. In content both are usually leftovers of an update on the machine
//!   that the tree was copied from.

use std::collections::BTreeSet;

use clearwell_format::{EntryPath, Version};

use super::earlier_entries::endpoints_on;
use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let listed = survey.listed.by_path().filter_map(|items| {
        let path = &items[0].entry.path;
        let Some(target) = staged_for(path) else {
            return is_moved_aside(path).then(|| alone(path));
        };
        Some(match survey.listed.at(target.as_bytes()).is_empty() {
            true => alone(path),
            false => Finding::refusal(
                Rule::StagingCollision,
                Object::Path(path.clone()),
                format!("endpoints stage {target} under this name; one of the two is lost or gets the other's content"),
                "rename it in the tree, or remove it from every bundle",
            ),
        })
    });
    listed.chain(survey.earlier_entries.by_path().filter_map(|earlier| went(survey, &earlier[0].entry.path))).collect()
}

/// A staging name that endpoints have and the release does not, while its target is new or changed.
fn went(survey: &Survey<'_>, path: &EntryPath) -> Option<Finding> {
    let target = staged_for(path)?;
    let now = survey.listed.at(target.as_bytes());
    if now.is_empty() || !survey.listed.at(path.as_bytes()).is_empty() {
        return None;
    }
    let had = survey.earlier_entries.at(path).iter().filter(|earlier| earlier.entry.is_present());
    let mut releases: BTreeSet<Version> = had.flat_map(|earlier| survey.earlier_entries.releases_of(earlier)).collect();
    for item in now {
        releases = &releases - &survey.earlier_entries.releases_with(item, &survey.bundles);
    }
    let releases = survey.news(releases, |previous| {
        let is_there = |path: &EntryPath| !previous.listed.at(path.as_bytes()).is_empty();
        is_there(&target) && !is_there(path)
    });
    (!releases.is_empty()).then(|| {
        Finding::refusal(
            Rule::StagingCollision,
            Object::Path(target.clone()),
            format!(
                "it is staged as {path}, which the same update removes; the update of {} ends with exit code 10",
                endpoints_on(&releases)
            ),
            "choose another name",
        )
    })
}

fn alone(path: &EntryPath) -> Finding {
    Finding::refusal(
        Rule::StagingName,
        Object::Path(path.clone()),
        "clients use such names for temporary files",
        "remove it from every bundle; if it is not a leftover of an update, rename it or allow the rule",
    )
}

/// The path that the client stages under this name.
fn staged_for(path: &EntryPath) -> Option<EntryPath> {
    let name = path.base_name().strip_prefix(b".update.").filter(|name| !name.is_empty())?;
    let folder = &path.as_bytes()[..path.as_bytes().len() - path.base_name().len()];
    EntryPath::parse(&[folder, name].concat()).ok()
}

/// `.deleted.`, a time in seconds, a dot and a name.
fn is_moved_aside(path: &EntryPath) -> bool {
    let Some(rest) = path.base_name().strip_prefix(b".deleted.") else {
        return false;
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && rest.get(digits) == Some(&b'.') && rest.len() > digits + 1
}

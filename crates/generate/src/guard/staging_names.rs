//! Names that the client itself uses beside what it installs: two rules.
//!
//! Source: manifest 3.3 and 6.1 quirk 25. Before it puts `foo` in place, an endpoint writes the new file to
//! `.update.foo` beside it, and first removes what is there, a directory with all its content. What the stock client
//! does (observed):
//!
//! | listed | the client |
//! |---|---|
//! | `foo` and `.update.foo` | an installation leaves no `.update.foo`; when both change, `foo` gets the content of `.update.foo`, exit 0 |
//! | `foo` a directory, or `.update.foo` one | the same: `.update.foo` is gone whenever `foo` is installed or changes |
//! | `.update.foo` before, `foo` now | the update removes what it has just staged: exit 10, no `foo` |
//! | `.update.foo` alone | nothing unusual |
//!
//! - `staging-clash`: the first three.
//! - `staging-name`: such a name alone; whoever adds `foo` one day meets the third. Also `.deleted.<time>.foo`, which
//!   is what an endpoint renames a directory to that it cannot remove. In content both are the traces of an update on
//!   the machine that it was copied from.

use std::collections::BTreeSet;

use clearwell_format::{EntryPath, Version};

use super::past::endpoints_on;
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
                Rule::StagingClash,
                Object::Path(path.clone()),
                format!("endpoints stage {target} under this name; they lose the one or swap their content"),
                "rename it in the tree, or leave it out of every bundle",
            ),
        })
    });
    listed.chain(survey.past.by_path().filter_map(|past| went(survey, &past[0].entry.path))).collect()
}

/// Such a name that endpoints have, and that goes while what is staged under it comes or changes.
fn went(survey: &Survey<'_>, path: &EntryPath) -> Option<Finding> {
    let target = staged_for(path)?;
    let now = survey.listed.at(target.as_bytes());
    if now.is_empty() || !survey.listed.at(path.as_bytes()).is_empty() {
        return None;
    }
    let had = survey.past.at(path).iter().filter(|past| past.entry.is_present());
    let mut releases: BTreeSet<Version> = had.flat_map(|past| survey.past.releases_of(past)).collect();
    for item in now {
        releases = &releases - &survey.past.releases_with(item, &survey.bundles);
    }
    let releases = survey.news(releases, |previous| {
        let is_there = |path: &EntryPath| !previous.listed.at(path.as_bytes()).is_empty();
        is_there(&target) && !is_there(path)
    });
    (!releases.is_empty()).then(|| {
        Finding::refusal(
            Rule::StagingClash,
            Object::Path(target.clone()),
            format!(
                "it comes while {path} goes, under which it is staged; the update of {} ends with exit code 10",
                endpoints_on(&releases)
            ),
            "choose another name for it",
        )
    })
}

fn alone(path: &EntryPath) -> Finding {
    Finding::refusal(
        Rule::StagingName,
        Object::Path(path.clone()),
        "endpoints use such names for what they stage and what they move aside",
        "leave it out of every bundle; if it is no trace of an update, rename it or allow the rule",
    )
}

/// The path that an endpoint stages under this one.
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

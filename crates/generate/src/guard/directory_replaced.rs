//! A directory with content does not become a file or a link.
//!
//! Source: manifest 6.1, quirk 25. What the stock client does (observed), however many releases lie between:
//!
//! | in the directory, on the endpoint | a file in its place | a link in its place |
//! |---|---|---|
//! | nothing | exit 0 | exit 0 |
//! | content that the update removes | exit 10, all is installed, the rest stays as `.deleted.<time>.<name>` | exit 0, it stays as `.deleted.*` |
//! | what updates leave alone, or what a user put there | exit 0, it stays as `.deleted.*` | exit 0, it stays as `.deleted.*` |
//!
//! A release in between without the path helps only those endpoints that take it.

use std::collections::BTreeSet;

use clearwell_format::flags::EntryKind;

use super::past::endpoints_on;
use super::survey::{Lost, Survey};
use super::{Finding, Object, Rule, machine_directory};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Lost { path, had, now } in survey.lost_directories() {
        let Some(now) = now.first().filter(|_| !machine_directory::is_one(path)) else { continue };
        let had = survey.news(had, |previous| {
            previous.listed.at(path.as_bytes()).iter().any(|item| item.entry.flags.kind != EntryKind::Directory)
        });
        let (mut removed, mut left) = (BTreeSet::new(), BTreeSet::new());
        let mut example = None;
        for child in survey.past.below(path).iter().filter(|child| child.entry.is_present()) {
            let releases = &survey.past.releases_of(child) & &had;
            if !releases.is_empty() {
                example.get_or_insert(&child.entry.path);
                let fate = if child.entry.path.upkeep().is_never_removed() { &mut left } else { &mut removed };
                fate.extend(releases);
            }
        }
        let Some(child) = example else { continue };
        let object = Object::Path(path.clone());
        let remedy = "keep the directory and choose another name, or allow the rule once nobody is on those releases";
        findings.push(if now.entry.flags.kind == EntryKind::Link || removed.is_empty() {
            left.extend(removed);
            let problem = format!(
                "a directory that held {child} becomes a {}; {} keep it as .deleted.*",
                if now.entry.flags.kind == EntryKind::Link { "link" } else { "file" },
                endpoints_on(&left)
            );
            Finding::warning(Rule::DirectoryReplaced, object, problem, remedy)
        } else {
            let problem = format!(
                "a directory that held {child} becomes a file; the update of {} ends with exit code 10",
                endpoints_on(&removed)
            );
            Finding::refusal(Rule::DirectoryReplaced, object, problem, remedy)
        });
    }
    findings
}

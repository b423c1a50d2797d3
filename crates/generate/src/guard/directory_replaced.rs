//! A directory with content does not become a file or a link.
//!
//! Source: manifest §6.1 quirk 25. What the stock client does (observed), also when it skips releases in between:
//!
//! | content of the directory on the endpoint | replaced by a file | replaced by a link |
//! |---|---|---|
//! | none | exit 0 | exit 0 |
//! | files that the update deletes | exit 10, everything is installed, the directory stays as `.deleted.<time>.<name>` | exit 0, `.deleted.*` |
//! | kernels, configuration, state, or files of a user | exit 0, `.deleted.*` | exit 0, `.deleted.*` |
//!
//! An intermediate release without the path helps only endpoints that install it.

use std::collections::BTreeSet;

use clearwell_format::FileKind;

use super::earlier_entries::endpoints_on;
use super::survey::{Lost, Survey};
use super::{Finding, Object, Rule, local_data_moved};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Lost { path, had, now } in survey.lost_directories() {
        let Some(now) = now.first().filter(|_| !local_data_moved::is_one(path)) else { continue };
        let had = survey
            .news(had, |previous| previous.listed.at(path.as_bytes()).iter().any(|item| !item.entry.is_directory()));
        let (mut removed, mut left) = (BTreeSet::new(), BTreeSet::new());
        let mut example = None;
        for child in survey.earlier_entries.below(path).iter().filter(|child| child.entry.is_present()) {
            let releases = &survey.earlier_entries.releases_of(child) & &had;
            if !releases.is_empty() {
                example.get_or_insert(&child.entry.path);
                let fate = if child.entry.path.class().is_never_removed() { &mut left } else { &mut removed };
                fate.extend(releases);
            }
        }
        let Some(child) = example else { continue };
        let object = Object::Path(path.clone());
        let remedy =
            "keep the directory and choose another name, or allow the rule if no endpoint is on those releases";
        findings.push(if now.entry.kind() == Some(FileKind::Link) || removed.is_empty() {
            left.extend(removed);
            let problem = format!(
                "a directory that contained {child} becomes a {}; {} keep it as .deleted.*",
                if now.entry.kind() == Some(FileKind::Link) { "link" } else { "file" },
                endpoints_on(&left)
            );
            Finding::warning(Rule::DirectoryReplaced, object, problem, remedy)
        } else {
            let problem = format!(
                "a directory that contained {child} becomes a file; the update of {} ends with exit code 10",
                endpoints_on(&removed)
            );
            Finding::refusal(Rule::DirectoryReplaced, object, problem, remedy)
        });
    }
    findings
}

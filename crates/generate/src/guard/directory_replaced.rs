//! A directory with content does not become a file or a link.
//!
//! Source: manifest 6.1, quirk 25. For a file, endpoints install everything, end the update with exit code 10 and leave a
//! `.deleted.*` directory behind; for a link they only leave the directory. Compared with the previous release; an
//! endpoint that skips releases meets the same without a finding here.

use clearwell_format::flags::EntryKind;

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let Some(previous) = &survey.previous else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for items in previous.listed.by_path() {
        let path = &items[0].entry.path;
        if !items.iter().any(|item| item.entry.flags.kind == EntryKind::Directory) {
            continue;
        }
        let now = survey.listed.at(path.as_bytes());
        let Some(now) = now.iter().find(|item| item.entry.flags.kind != EntryKind::Directory) else {
            continue;
        };
        let Some(child) = previous.listed.first_below(path) else {
            continue;
        };
        let object = Object::Path(path.clone());
        let child = &child.entry.path;
        findings.push(if now.entry.flags.kind == EntryKind::Link {
            Finding::warning(
                Rule::DirectoryReplaced,
                object,
                format!("a directory that held {child} becomes a link; endpoints leave the old directory behind"),
                "release a version without the path first, and the link in the next",
            )
        } else {
            Finding::refusal(
                Rule::DirectoryReplaced,
                object,
                format!("a directory that held {child} becomes a file; updates end with exit code 10"),
                "release a version without the path first and the file in the next, or allow the rule",
            )
        });
    }
    findings
}

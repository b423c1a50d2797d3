//! A directory in which endpoints keep what is theirs is not taken away.
//!
//! Source: manifest 3.4. An update leaves alone what lies in `/etc`, `/home`, `/var` and their like, but not these
//! directories themselves. When one is deleted, or becomes a file or a link, the stock client renames it with all that
//! is in it to `.deleted.<time>.<name>`, and ends with exit code 0 (observed with `/home`, `/etc`, `/var`, `/usr/src`):
//! every home directory is gone from where it was. The same happens to what administrators and the client itself keep
//! in `/opt`, `/usr/local` and the other places that the file system standard gives them.

use clearwell_format::EntryPath;
use clearwell_format::flags::EntryKind;

use super::past::endpoints_on;
use super::survey::{Lost, Survey};
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Lost { path, had, now } in survey.lost_directories().filter(|lost| is_one(lost.path)) {
        let had = survey.news(had, |previous| {
            !previous.listed.at(path.as_bytes()).iter().any(|item| item.entry.flags.kind == EntryKind::Directory)
        });
        if had.is_empty() {
            continue;
        }
        let what = if now.is_empty() { "is no longer listed" } else { "is no longer a directory" };
        findings.push(Finding::refusal(
            Rule::MachineDirectory,
            Object::Path(path.clone()),
            format!(
                "it {what}; {} rename it to .deleted.*, with all that users and programs keep there",
                endpoints_on(&had)
            ),
            "keep the directory in os-core, or allow the rule if those endpoints keep nothing there",
        ));
    }
    findings
}

/// True for a directory whose content is not the release's alone.
pub(super) fn is_one(path: &EntryPath) -> bool {
    path.holds_left_alone() || ADMINISTRATORS.iter().any(|place| path.is_within(place))
}

/// Where administrators, and the client for third-party repositories, install things.
const ADMINISTRATORS: &[&[u8]] = &[b"/media", b"/mnt", b"/opt", b"/srv", b"/usr/local"];

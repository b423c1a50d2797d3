//! A directory with local data is not deleted or replaced.
//!
//! Source: manifest §3.4. Updates do not touch the content of `/etc`, `/home`, `/var` and similar directories, but the
//! directories themselves are managed. When one is deleted, or becomes a file or a link, the stock client renames it with
//! all its content to `.deleted.<time>.<name>` and exits with 0 (observed with `/home`, `/etc`, `/var`, `/usr/src`): all
//! home directories are gone from their place. The same happens to `/opt`, where the client keeps third-party bundles,
//! and to the other directories that the Filesystem Hierarchy Standard reserves for local administrators.

use clearwell_format::EntryPath;

use super::earlier_entries::endpoints_on;
use super::survey::{Lost, Survey};
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Lost { path, had, now } in survey.lost_directories().filter(|lost| is_one(lost.path)) {
        let had = survey
            .news(had, |previous| !previous.listed.at(path.as_bytes()).iter().any(|item| item.entry.is_directory()));
        if had.is_empty() {
            continue;
        }
        let what = if now.is_empty() { "is no longer listed" } else { "is no longer a directory" };
        findings.push(Finding::refusal(
            Rule::LocalDataMoved,
            Object::Path(path.clone()),
            format!("it {what}; {} rename it to .deleted.*, with all local data in it", endpoints_on(&had)),
            "keep the directory in os-core, or allow the rule if those endpoints have no local data there",
        ));
    }
    findings
}

/// True for a directory with local data.
pub(super) fn is_one(path: &EntryPath) -> bool {
    path.holds_local_data() || LOCAL.contains(&path.as_bytes())
}

/// Reserved for local administrators; `/opt` also for third-party bundles. Directories in them may be content.
const LOCAL: &[&[u8]] = &[b"/media", b"/mnt", b"/opt", b"/opt/3rd-party", b"/srv", b"/usr/local"];

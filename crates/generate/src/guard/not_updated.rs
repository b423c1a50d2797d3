//! New, changed or deleted content that updates do not touch.
//!
//! Source: manifest §3.4. `/etc/` and below is configuration; `/var/`, `/home/`, `/usr/src/` and others are state, see
//! [`PathClass`](clearwell_format::PathClass). What the stock client does with such paths (observed):
//!
//! | | new | changed | deleted |
//! |---|---|---|---|
//! | `os-install` | installs it | installs it | |
//! | `update`, `bundle-add` | ignores it; `diagnose` reports it as missing | keeps the old one, no message | keeps it |
//! | `repair` | installs it if missing | keeps the old one | keeps it |
//! | `bundle-remove` | removes it with its bundle | | |
//!
//! One line per column, and only when it happens: most systems have hundreds of such paths.

use std::collections::BTreeSet;

use clearwell_format::EntryPath;

use super::listed::{Item, Listed};
use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let version = survey.context.release.version();
    let before = survey.previous.as_ref().map(|previous| &previous.listed);
    let had = |path: &EntryPath| before.map_or(&[][..], |listed| listed.at(path.as_bytes()));
    let (mut new, mut changed) = (BTreeSet::new(), BTreeSet::new());
    for item in not_updated(&survey.listed).filter(|item| item.entry.version == version) {
        let path = &item.entry.path;
        match had(path) {
            [] => new.insert(path),
            old if old.iter().all(|old| old.entry.hash() != item.entry.hash()) => changed.insert(path),
            _ => false,
        };
    }
    let old = before.into_iter().flat_map(not_updated).map(|item| &item.entry.path);
    let deleted = old.filter(|path| survey.listed.at(path.as_bytes()).is_empty()).collect();
    let kinds = [
        (new, "new", "only os-install and repair install them, update and bundle-add do not"),
        (changed, "changed", "endpoints keep the old ones"),
        (deleted, "deleted", "endpoints keep them"),
    ];
    let found = kinds.into_iter().filter(|(paths, ..)| !paths.is_empty());
    found
        .map(|(paths, kind, effect)| {
            let paths = some(&paths);
            Finding::warning(
                Rule::NotUpdated,
                Object::Release(version),
                format!("{kind} below /etc, /var and other prefixes that updates do not touch: {paths}; {effect}"),
                "ship defaults below /usr, and create the rest with systemd-tmpfiles or at program start",
            )
        })
        .collect()
}

fn not_updated<'l, 'a>(listed: &'l Listed<'a>) -> impl Iterator<Item = &'l Item<'a>> {
    listed.iter().filter(|item| item.entry.path.class().is_not_updated())
}

/// The first paths, and the number of further ones.
fn some(paths: &BTreeSet<&EntryPath>) -> String {
    const NAMED: usize = 10;
    let named: Vec<String> = paths.iter().take(NAMED).map(ToString::to_string).collect();
    match paths.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

//! Content that endpoints leave alone, when it comes, changes or goes.
//!
//! Source: manifest 3.4. `/etc/` and below is configuration, `/var/`, `/home/`, `/usr/src/` and others are state (see
//! [`Upkeep`](clearwell_format::Upkeep)). What the stock client does with paths there (observed):
//!
//! | | new | changed | gone |
//! |---|---|---|---|
//! | `os-install` | installs it | installs it | |
//! | `update`, `bundle-add` | nothing: `diagnose` reports it as missing | keeps the old one, without a word | keeps it |
//! | `repair` | installs it where nothing is there | keeps the old one | keeps it |
//! | `bundle-remove` | removes it with its bundle | | |
//!
//! Told when it happens, in one line for each column, as most systems have hundreds of such paths.

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
    for item in left_alone(&survey.listed).filter(|item| item.entry.version == version) {
        let path = &item.entry.path;
        match had(path) {
            [] => new.insert(path),
            old if old.iter().all(|old| old.entry.hash != item.entry.hash) => changed.insert(path),
            _ => false,
        };
    }
    let old = before.into_iter().flat_map(left_alone).map(|item| &item.entry.path);
    let gone = old.filter(|path| survey.listed.at(path.as_bytes()).is_empty()).collect();
    let columns = [
        (new, "come", "installations and repairs bring them, updates and bundle-add do not"),
        (changed, "change", "endpoints that have them keep the old ones"),
        (gone, "go", "endpoints that have them keep them"),
    ];
    let happened = columns.into_iter().filter(|(paths, ..)| !paths.is_empty());
    happened
        .map(|(paths, verb, harm)| {
            Finding::warning(
                Rule::LeftAlone,
                Object::Release(version),
                format!("paths that endpoints leave alone {verb} with it: {}; {harm}", some(&paths)),
                "put defaults below /usr, and let the programs or systemd-tmpfiles make the rest",
            )
        })
        .collect()
}

fn left_alone<'l, 'a>(listed: &'l Listed<'a>) -> impl Iterator<Item = &'l Item<'a>> {
    listed.iter().filter(|item| item.entry.path.upkeep().is_left_alone())
}

/// The first paths, and how many more there are.
fn some(paths: &BTreeSet<&EntryPath>) -> String {
    const NAMED: usize = 10;
    let named: Vec<String> = paths.iter().take(NAMED).map(ToString::to_string).collect();
    match paths.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

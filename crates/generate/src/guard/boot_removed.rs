//! A directory is not deleted while what it holds is left alone.
//!
//! Source: manifest 6.1, quirk 26. When `/boot` itself is deleted, its files are ghosts that endpoints do not touch; the
//! directory cannot go and stays as `.deleted.*.boot`.

use clearwell_format::{EntryPath, Status};

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let Some(previous) = &survey.previous else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for bundle in survey.bundles.iter() {
        let of = |status| move |entry: &&clearwell_format::Entry| entry.flags.status == status;
        let mut ghosts: Vec<&EntryPath> =
            bundle.manifest.entries.iter().filter(of(Status::Ghosted)).map(|entry| &entry.path).collect();
        ghosts.sort();
        for entry in bundle.manifest.entries.iter().filter(of(Status::Deleted)) {
            let is_news = !previous.listed.at(entry.path.as_bytes()).is_empty();
            let is_gone = survey.listed.at(entry.path.as_bytes()).is_empty();
            let next = ghosts.partition_point(|ghost| **ghost <= entry.path);
            let below = ghosts[next..].iter().take_while(|ghost| ghost.as_bytes().starts_with(entry.path.as_bytes()));
            let ghost = below.into_iter().find(|ghost| ghost.is_within(entry.path.as_bytes()));
            if let Some(ghost) = ghost.filter(|_| is_news && is_gone) {
                findings.push(Finding::warning(
                    Rule::BootRemoved,
                    Object::Entry(bundle.name.clone(), entry.path.clone()),
                    format!("it is deleted while {ghost} stays on endpoints; they rename it to .deleted.*"),
                    "keep the directory in a bundle",
                ));
            }
        }
    }
    findings
}

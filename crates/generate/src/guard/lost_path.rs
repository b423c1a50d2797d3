//! Every requested path that the tree has reaches the bundle's users: from the bundle, its includes, or os-core.
//!
//! Source: manifest §6 quirk 4. Where bundles include each other, the reference subtracts a file that two of them list
//! from both. Needs [`Context::wanted`](super::Context::wanted) and the full manifest.

use std::collections::HashSet;

use clearwell_format::{BundleName, EntryPath};

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let Some(full) = survey.context.release.full.as_ref().filter(|_| !survey.context.wanted.is_empty()) else {
        return Vec::new();
    };
    let shipped: HashSet<&EntryPath> = full.present().map(|entry| &entry.path).collect();
    let mut findings = Vec::new();
    for (name, wanted) in &survey.context.wanted {
        // The index bundle contains only its tracking file, whatever it asks for (content layout §7).
        let Some(bundle) = survey.bundles.index(name).filter(|_| *name != BundleName::index()) else {
            continue;
        };
        let closure: HashSet<usize> = survey.includes.closure(bundle).iter().copied().collect();
        for &path in wanted.iter().filter(|path| shipped.contains(*path)) {
            if !survey.listed.at(path.as_bytes()).iter().any(|item| closure.contains(&item.bundle)) {
                findings.push(Finding::refusal(
                    Rule::LostPath,
                    Object::Entry(name.clone(), path.clone()),
                    "the bundle asks for it, but neither the bundle nor anything it includes lists it",
                    "if bundles include each other, remove one of the includes; otherwise build again",
                ));
            }
        }
    }
    findings
}

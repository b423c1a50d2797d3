//! Every directory that leads to a listed path is listed where the path's users have it.
//!
//! Source: manifest §3.4 (parent rule) and must-keep §6. "Path … not found in any of the subscribed manifests": updates
//! fail with exit code 10, installations with 35. Looked for in the bundle, in what it includes, and in os-core.

use std::collections::{BTreeMap, HashSet};

use clearwell_format::EntryPath;

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let directories: Vec<HashSet<&EntryPath>> = survey
        .bundles
        .iter()
        .map(|bundle| {
            let listed = bundle.manifest.present().filter(|entry| entry.is_directory());
            listed.map(|entry| &entry.path).collect()
        })
        .collect();
    let mut findings = Vec::new();
    for (index, bundle) in survey.bundles.iter().enumerate() {
        let has = |path: &EntryPath| survey.includes.closure(index).iter().any(|&of| directories[of].contains(path));
        let mut known: HashSet<EntryPath> = HashSet::new();
        let mut missing: BTreeMap<EntryPath, &EntryPath> = BTreeMap::new();
        for entry in bundle.manifest.present() {
            let mut ancestor = entry.path.parent();
            // A directory that is listed has its own ancestors checked where it is listed.
            while let Some(path) = ancestor.take_if(|path| !known.contains(path)) {
                if !has(&path) {
                    missing.entry(path.clone()).or_insert(&entry.path);
                    ancestor = path.parent();
                }
                known.insert(path);
            }
        }
        findings.extend(missing.into_iter().map(|(path, child)| {
            let is_other = !survey.listed.at(path.as_bytes()).is_empty();
            let what = if is_other { "is not a directory in" } else { "is not listed in" };
            Finding::refusal(
                Rule::MissingParent,
                Object::Entry(bundle.name.clone(), path),
                format!(
                    "it is a parent of {child} but {what} the bundle, its includes or os-core; endpoints cannot install it"
                ),
                "add the directory to the bundle or to os-core",
            )
        }));
    }
    findings
}

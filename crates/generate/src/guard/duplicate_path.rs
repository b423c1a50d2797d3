//! A manifest lists each build of a path once.
//!
//! Source: manifest §3.2. The client accepts duplicates; which one it uses depends on its sorting.

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for bundle in survey.bundles.iter() {
        let mut lines: Vec<_> = bundle
            .manifest
            .entries
            .iter()
            .map(|entry| (&entry.path, entry.modifier.meaning().map(|(variant, _)| variant)))
            .collect();
        lines.sort();
        for pair in lines.windows(2).filter(|pair| pair[0] == pair[1]) {
            findings.push(Finding::refusal(
                Rule::DuplicatePath,
                Object::Entry(bundle.name.clone(), pair[0].0.clone()),
                "the manifest lists it twice; which entry an endpoint uses is undefined",
                "build the release again; if another program made the manifest, release the bundle again with --min-version",
            ));
        }
    }
    findings
}

//! Entries are sorted by version and name.
//!
//! Source: manifest §4 and §5.6. Clients sort for themselves; other generators and a repeatable build rely on it.

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let release = &survey.context.release;
    let mut findings = Vec::new();
    let mut report = |object, is_sorted: bool| {
        if !is_sorted {
            findings.push(Finding::warning(
                Rule::UnsortedManifest,
                object,
                "its manifest is not in order of version and name",
                "build the release again",
            ));
        }
    };
    report(
        Object::Release(release.version()),
        release.mom.entries.is_sorted_by_key(|entry| (entry.version, entry.bundle.clone())),
    );
    for bundle in survey.bundles.iter() {
        let key = |entry: &clearwell_format::Entry| (entry.version, entry.path.clone());
        report(Object::Bundle(bundle.name.clone()), bundle.manifest.entries.is_sorted_by_key(key));
    }
    findings
}

//! No entry is newer than its manifest, no manifest newer than its MoM.
//!
//! Source: manifest §3.2. The client accepts it, and asks for files in the folder of a version that does not exist yet.

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let release = survey.context.release.version();
    for entry in survey.context.release.mom.bundles().filter(|entry| entry.version > release) {
        findings.push(Finding::refusal(
            Rule::EntryFromFuture,
            Object::Bundle(entry.bundle.clone()),
            format!("the MoM of {release} places it in version {}", entry.version),
            "build the release again",
        ));
    }
    for bundle in survey.bundles.iter() {
        let version = bundle.manifest.header.version;
        for entry in bundle.manifest.entries.iter().filter(|entry| entry.version > version) {
            findings.push(Finding::refusal(
                Rule::EntryFromFuture,
                Object::Entry(bundle.name.clone(), entry.path.clone()),
                format!("the manifest of version {version} places it in version {}", entry.version),
                "build the release again",
            ));
        }
    }
    findings
}

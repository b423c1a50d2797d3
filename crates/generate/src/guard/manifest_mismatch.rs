//! Each manifest is the one that the MoM names: by version and by hash.
//!
//! Source: manifest §3.1. The client compares the hash before it reads, and `version:` with the version it asked for;
//! otherwise it downloads again and fails.

use clearwell_format::FileHash;

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let release = &survey.context.release;
    let mut findings = Vec::new();
    for entry in release.mom.bundles() {
        let Some(manifest) = release.bundles.get(&entry.bundle) else {
            continue;
        };
        let mut report = |problem: String| {
            let object = Object::Bundle(entry.bundle.clone());
            findings.push(Finding::refusal(Rule::ManifestMismatch, object, problem, "build the release again"));
        };
        if manifest.header.version != entry.version {
            report(format!(
                "the MoM names version {} of its manifest, but the manifest has version {}",
                entry.version, manifest.header.version
            ));
        }
        if FileHash::of_manifest(&manifest.to_bytes()) != entry.hash {
            report("the hash of its manifest does not match the MoM; endpoints refuse it".to_owned());
        }
    }
    findings
}

//! The manifests that endpoints on an older release of the format start an update from.
//!
//! Source: must-keep §5 and client behaviour §3: an update fetches the MoM and the bundle manifests of the *installed*
//! version before those of the new one. `clearwell check` verifies their fullfiles.

use std::collections::HashSet;

use clearwell_format::resource::Artifact;
use clearwell_format::{ManifestName, Resource};

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let context = survey.context;
    let Some(store) = context.store else {
        return Vec::new();
    };
    let release = &context.release.mom.header;
    let mut findings = Vec::new();
    // Releases share manifests: each is looked up once, for the first release that needs it.
    let mut seen = HashSet::new();
    for (version, mom) in context.kept.iter().filter(|(_, mom)| mom.header.format == release.format) {
        let bundles = mom.bundles().map(|entry| (entry.version, ManifestName::Bundle(entry.bundle.clone())));
        for (folder, name) in bundles.chain([(*version, ManifestName::Mom)]) {
            if !seen.insert((folder, name.clone())) {
                continue;
            }
            let resource = Resource::of(folder, Artifact::ManifestTar(name));
            if store.artifacts.size(&resource).is_none() {
                findings.push(Finding::refusal(
                    Rule::ManifestStillNeeded,
                    Object::Artifact(resource),
                    format!("endpoints on version {version} need it to update, but it is not in the store"),
                    "restore it from a copy of the public tree, or allow the rule if no endpoint is on that version",
                ));
            }
        }
    }
    findings
}

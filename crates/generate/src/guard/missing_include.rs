//! Every include is a bundle of the release.
//!
//! Source: manifest §3.4 (an include that the MoM does not list is skipped without an error) and manifest §6 quirk 14.
//! What the missing bundle would have brought was subtracted from the one that includes it, and is then on no endpoint.
//! For `also-add:` it is a warning.

use clearwell_format::BundleName;

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let mom = &survey.context.release.mom;
    let listed: std::collections::HashSet<&BundleName> = mom.bundles().map(|entry| &entry.bundle).collect();
    // An include of the index bundle is written whether or not there is one (content layout §7).
    let is_missing = |name: &&BundleName| !listed.contains(*name) && **name != BundleName::index();
    let mut findings = Vec::new();
    for bundle in survey.bundles.iter() {
        let object = || Object::Bundle(bundle.name.clone());
        findings.extend(bundle.manifest.header.includes.iter().filter(is_missing).map(|name| {
            Finding::refusal(
                Rule::MissingInclude,
                object(),
                format!("it includes {name}, which is not in the release; endpoints skip it without an error"),
                "add that bundle to the release, or remove the include",
            )
        }));
        findings.extend(bundle.manifest.header.also_add.iter().filter(is_missing).map(|name| {
            Finding::warning(
                Rule::MissingInclude,
                object(),
                format!("its also-add names {name}, which is not in the release"),
                "add that bundle to the release, or remove the also-add",
            )
        }));
    }
    findings
}

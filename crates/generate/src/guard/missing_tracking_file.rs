//! A bundle lists the empty file by which endpoints know that they have it.
//!
//! Source: README (glossary, "bundle") and mixer workspace (files of a bundle). Without
//! `/usr/share/clear/bundles/<name>` the bundle is installed once and never updated: to the client it is not there.

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    survey
        .bundles
        .iter()
        .filter_map(|bundle| {
            let path = format!("/usr/share/clear/bundles/{}", bundle.name);
            let mut present = bundle.manifest.present().peekable();
            // A deprecated bundle has nothing but deletions.
            present.peek()?;
            let tracked = present.any(|entry| entry.path.as_bytes() == path.as_bytes());
            (!tracked).then(|| {
                Finding::refusal(
                    Rule::MissingTrackingFile,
                    Object::Bundle(bundle.name.clone()),
                    format!(
                        "it does not list {path}, so endpoints would install it and then not know that they have it"
                    ),
                    "add that empty file to the bundle",
                )
            })
        })
        .collect()
}

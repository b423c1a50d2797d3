//! The optimised builds of a path are exactly those that the modifiers of all its entries promise, and a baseline.
//!
//! Source: manifest §2.3. An endpoint keeps the best build for its processor *according to the modifier* and
//! drops the others: if that build is not there, the endpoint has no file at all. Modifiers without a meaning are
//! dropped.

use clearwell_format::flags::VariantSet;
use clearwell_format::{Entry, Variant};

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for items in survey.listed.by_path() {
        for of_bundle in items.chunk_by(|a, b| a.bundle == b.bundle) {
            let entries = || of_bundle.iter().map(|item| item.entry);
            if !is_complete(entries) {
                findings.push(Finding::refusal(
                    Rule::IncompleteVariants,
                    Object::Entry(
                        survey.bundles.get(of_bundle[0].bundle).name.clone(),
                        of_bundle[0].entry.path.clone(),
                    ),
                    "its modifiers do not match the optimised builds that are listed; some endpoints would have no file",
                    "add a baseline build to those below /V3, /V4 and /VA, and build again",
                ));
            }
        }
    }
    findings
}

fn is_complete<'a, I: Iterator<Item = &'a Entry>>(entries: impl Fn() -> I) -> bool {
    let mut builds = VariantSet::default();
    let mut has_baseline = false;
    for entry in entries() {
        match entry.modifier.meaning() {
            Some((Variant::Sse, _)) => has_baseline = true,
            Some((variant, _)) => builds = builds.with(variant),
            None => return false,
        }
    }
    let promised = |entry: &Entry| entry.modifier.meaning().map(|(_, promised)| promised);
    has_baseline && entries().all(|entry| promised(entry) == Some(builds))
}

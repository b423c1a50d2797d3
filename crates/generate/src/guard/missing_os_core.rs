//! A release has os-core, which every other bundle includes and every endpoint has.
//!
//! Source: manifest §5.1 and glossary "os-core".

use clearwell_format::BundleName;

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let release = &survey.context.release;
    if release.mom.bundle(&BundleName::os_core()).is_some() {
        return Vec::new();
    }
    vec![Finding::refusal(
        Rule::MissingOsCore,
        Object::Release(release.version()),
        "it has no bundle os-core, without which nothing can be installed",
        "add os-core with the base directories of the system",
    )]
}

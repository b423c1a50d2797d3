//! A release is above the one it was planned from, and no kept release has its number.
//!
//! Source: client behaviour §3 (an update goes to a higher version) and manifest §3.4 (a higher version is downloaded).

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let version = survey.context.release.version();
    let mut findings = Vec::new();
    let mut report = |problem| {
        let remedy = "choose a higher version";
        findings.push(Finding::refusal(Rule::VersionNotAbove, Object::Release(version), problem, remedy));
    };
    if let Some(previous) =
        survey.context.previous.as_ref().map(crate::plan::ReleaseManifests::version).filter(|p| *p >= version)
    {
        report(format!("it is not above {previous}, the previous release"));
    }
    if survey.context.kept.contains_key(&version) {
        report("the store has this version already".to_owned());
    }
    findings
}

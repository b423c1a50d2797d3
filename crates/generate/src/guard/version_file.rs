//! The content states its version and format correctly.
//!
//! Source: client behaviour §2 and §3. The client reads the installed version from `VERSION_ID=` in
//! `/usr/lib/os-release`: below the release it updates for ever, above it asks for a release that does not exist. Only
//! the first of a pair of releases that changes the format states another format, and the version of the second (manifest
//! §5.12).

use super::survey::Survey;
use super::{Finding, Object, Rule, content};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let context = survey.context;
    let Some(store) = context.store else {
        return Vec::new();
    };
    let version = context.release.version();
    let mut findings: Vec<Finding> = [content::OS_RELEASE, content::FORMAT]
        .into_iter()
        .filter(|path| survey.listed.at(path.as_bytes()).is_empty())
        .map(|path| {
            Finding::warning(
                Rule::VersionFile,
                Object::Release(version),
                format!("it does not contain {path}; endpoints cannot tell which version they are on"),
                "add the file to os-core",
            )
        })
        .collect();
    let Some(os_release) = content::of_release(store, &survey.listed, content::OS_RELEASE) else {
        return findings;
    };
    let format = content::of_release(store, &survey.listed, content::FORMAT);
    let format = format.and_then(|text| content::format(&text));
    // The first release of a pair: see `format_boundary`.
    let announces_another = format.is_some_and(|format| format != context.release.mom.header.format);
    let said = content::version_id(&os_release);
    if !announces_another && said != Some(version) {
        let said = said.map_or_else(|| "no version".to_owned(), |said| format!("version {said}"));
        findings.push(Finding::refusal(
            Rule::VersionFile,
            Object::Path(content::OS_RELEASE.parse().expect("a path of the protocol")),
            format!(
                "VERSION_ID is {said}, but the release is {version}; endpoints on it would report the wrong version"
            ),
            format!("write VERSION_ID={version} there, or allow the rule if this is not the content of a system"),
        ));
    }
    findings
}

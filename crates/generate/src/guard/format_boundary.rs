//! Endpoints find the way from one format to the next.
//!
//! Source: manifest 5.12. A format changes in a pair of releases: +10 in the old format with the content of the new one,
//! +20 in the new. A client that has +10 reads the new format and the version of +20 from its own files and goes on
//! there; without +10 it stays in the old format for good.

use clearwell_format::{FormatNumber, Mom, Version};

use super::survey::Survey;
use super::{Artifacts, Finding, Object, Rule, content};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let context = survey.context;
    let Some(store) = context.store else {
        return Vec::new();
    };
    let header = &context.release.mom.header;
    let said = |path| content::of_release(store, &survey.listed, path);
    let mut findings = Vec::new();
    let announced = said(content::FORMAT).and_then(|text| format(&text)).filter(|format| *format != header.format);
    if let Some(announced) = announced {
        findings.push(first_of_pair(header.version, header.format, announced, said(content::OS_RELEASE)));
    }
    if let Some(old) = survey.previous.as_ref().map(|previous| previous.listing.mom.header.format)
        && old != header.format
    {
        findings.extend(second_of_pair(survey, store.artifacts, old));
    }
    findings
}

/// The release is in one format and its content in another: endpoints go on in that one.
fn first_of_pair(version: Version, own: FormatNumber, announced: FormatNumber, os_release: Option<Vec<u8>>) -> Finding {
    let object = Object::Release(version);
    match os_release.and_then(|text| content::version_id(&text)) {
        Some(next) if next > version && announced > own => Finding::warning(
            Rule::FormatBoundary,
            object,
            format!("endpoints that take it go on in format {announced}"),
            format!("release version {next} in format {announced} with the same content, without delay"),
        ),
        said => Finding::refusal(
            Rule::FormatBoundary,
            object,
            format!(
                "it is in format {own} and its content says format {announced} and version {}; endpoints would be lost",
                said.map_or_else(|| "unknown".to_owned(), |said| said.to_string())
            ),
            format!(
                "let the content say format {own} and version {version}, or make the pair of releases for a new format"
            ),
        ),
    }
}

/// The release is in another format than the one before: the newest release of the old one must lead here.
fn second_of_pair(survey: &Survey<'_>, artifacts: &dyn Artifacts, old: FormatNumber) -> Option<Finding> {
    let context = survey.context;
    let header = &context.release.mom.header;
    let in_old = |mom: &&&Mom| mom.header.format == old && mom.header.version < header.version;
    let last = context.kept.values().filter(in_old).max_by_key(|mom| mom.header.version)?;
    let says = content::of_kept(artifacts, last, content::FORMAT).and_then(|text| format(&text));
    let leads_to = content::of_kept(artifacts, last, content::OS_RELEASE).and_then(|text| content::version_id(&text));
    // Content without these files says nothing about formats; that is a finding of `version_file`.
    if says.is_none_or(|says| says == header.format) && leads_to.is_none_or(|next| next <= header.version) {
        return None;
    }
    Some(Finding::refusal(
        Rule::FormatBoundary,
        Object::Release(header.version),
        format!(
            "it is the first seen in format {}, and release {}, the newest in format {old}, does not lead to it; \
             endpoints there stay",
            header.format, last.header.version
        ),
        format!("release the same content in format {old} first, with a version between the two"),
    ))
}

fn format(text: &[u8]) -> Option<FormatNumber> {
    FormatNumber::parse(text.trim_ascii()).ok()
}

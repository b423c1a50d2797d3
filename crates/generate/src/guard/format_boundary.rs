//! Endpoints can cross from one format to the next.
//!
//! Source: manifest §5.12. A format changes in a pair of releases: +10 in the old format with the content of the new
//! one, +20 in the new. A client that has +10 reads the new format and the version of +20 from its own files and goes
//! on there, as one that has +20: without a release of that version and format it finds no update, with other content
//! it keeps what it has permanently (observed). Without +10 it stays in the old format.

use std::collections::BTreeSet;

use clearwell_format::{Entry, EntryPath, FileHash, FormatNumber, Manifest, Modifier, Mom, Version};

use super::survey::Survey;
use super::{Artifacts, Finding, Object, Rule, content};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let context = survey.context;
    let Some(store) = context.store else {
        return Vec::new();
    };
    let header = &context.release.mom.header;
    let said = |path| content::of_release(store, &survey.listed, path);
    let announced =
        said(content::FORMAT).and_then(|text| content::format(&text)).filter(|format| *format != header.format);
    let mut findings = match announced {
        Some(announced) => {
            vec![first_of_pair(header.version, header.format, announced, said(content::OS_RELEASE))]
        }
        None => after_first_of_pair(survey, store.artifacts).into_iter().collect(),
    };
    let old = survey.previous.as_ref().map(|previous| previous.release.mom.header.format);
    if let Some(old) = old.filter(|old| *old != header.format) {
        findings.extend(second_of_pair(survey, store.artifacts, old));
    }
    findings
}

/// The release is in one format and its content in another: endpoints continue in that one.
fn first_of_pair(version: Version, own: FormatNumber, announced: FormatNumber, os_release: Option<Vec<u8>>) -> Finding {
    let object = Object::Release(version);
    match os_release.and_then(|text| content::version_id(&text)) {
        Some(next) if next > version && announced > own => Finding::warning(
            Rule::FormatBoundary,
            object,
            format!("endpoints that install it continue in format {announced}"),
            format!("release version {next} in format {announced} with the same content next"),
        ),
        said => Finding::refusal(
            Rule::FormatBoundary,
            object,
            format!(
                "it has format {own}, but its content names format {announced} and version {}; endpoints would get no further update",
                said.map_or_else(|| "unknown".to_owned(), |said| said.to_string())
            ),
            format!("set format {own} and version {version} in the content, or build both halves of a format bump"),
        ),
    }
}

/// The release stays in a format that the one before has left, or leads endpoints out of.
fn after_first_of_pair(survey: &Survey<'_>, artifacts: &dyn Artifacts) -> Option<Finding> {
    let context = survey.context;
    let header = &context.release.mom.header;
    let (_, last) = context.kept.range(..header.version).next_back().filter(|_| !context.is_pointed_at())?;
    let format = if last.header.format == header.format { leads_to(artifacts, last).0? } else { last.header.format };
    (format > header.format).then(|| {
        Finding::refusal(
            Rule::FormatBoundary,
            Object::Release(header.version),
            format!(
                "it has format {}, but the earlier release {} leads to format {format}; endpoints on one of them never \
                 see the other",
                header.format, last.header.version
            ),
            format!("release it in format {format}, with --format-bump new if it is the first of that format"),
        )
    })
}

/// The release is in another format than the one before: the newest release of the old one must lead here, and have the
/// same content.
fn second_of_pair(survey: &Survey<'_>, artifacts: &dyn Artifacts, old: FormatNumber) -> Option<Finding> {
    let context = survey.context;
    let header = &context.release.mom.header;
    let older = || context.kept.values().filter(|mom| mom.header.version < header.version);
    let last = older().filter(|mom| mom.header.format == old).max_by_key(|mom| mom.header.version)?;
    let is_first_of_format = older().all(|mom| mom.header.format != header.format);
    let (says, next) = leads_to(artifacts, last);
    let refusal = |problem: String, remedy: String| {
        Some(Finding::refusal(Rule::FormatBoundary, Object::Release(header.version), problem, remedy))
    };
    // Content without these files does not name a format; that is a finding of `version_file`.
    let leads_here = says.is_none_or(|says| says == header.format)
        && next.is_none_or(|next| if is_first_of_format { next == header.version } else { next <= header.version });
    if !leads_here {
        return match (says.filter(|says| *says > old), next) {
            (Some(says), Some(next)) => refusal(
                format!(
                    "release {} leads endpoints to version {next} in format {says}, not to this release",
                    last.header.version
                ),
                format!("release version {next} in format {says} with the same content"),
            ),
            _ => refusal(
                format!(
                    "it is the first release in format {}, but release {}, the newest in format {old}, does not lead to \
                     it; endpoints of that format would get no further update",
                    header.format, last.header.version
                ),
                format!("release the same content in format {old} first, with a version between the two"),
            ),
        };
    }
    let differences = if is_first_of_format { differences(survey, artifacts, last) } else { BTreeSet::new() };
    let example = differences.first()?;
    refusal(
        format!(
            "{example}{} not the same as in release {}, whose endpoints believe they are on {}; they would never get it",
            match differences.len() {
                1 => " is".to_owned(),
                number => format!(" and {} more are", number - 1),
            },
            last.header.version,
            header.version
        ),
        "build both from the same trees, URLs and certificate; put changes into the next release".to_owned(),
    )
}

/// What endpoints on a release take themselves for: format and version.
fn leads_to(artifacts: &dyn Artifacts, mom: &Mom) -> (Option<FormatNumber>, Option<Version>) {
    let said = |path| content::of_kept(artifacts, mom, path);
    (
        said(content::FORMAT).and_then(|text| content::format(&text)),
        said(content::OS_RELEASE).and_then(|text| content::version_id(&text)),
    )
}

/// What bundles of the first of a pair have and those of the second have not, or the other way round. Bundles that only
/// the second has are on no endpoint.
fn differences(survey: &Survey<'_>, artifacts: &dyn Artifacts, first: &Mom) -> BTreeSet<EntryPath> {
    let objects = |manifest: &Manifest| -> BTreeSet<(EntryPath, Modifier, FileHash)> {
        let object = |entry: &Entry| (entry.path.clone(), entry.modifier, entry.hash());
        manifest.present().map(object).collect()
    };
    let mut differences = BTreeSet::new();
    for entry in first.bundles() {
        let Some(before) = content::manifest(artifacts, entry) else { continue };
        let before = objects(&before);
        let now = survey.context.release.bundles.get(&entry.bundle).map(|manifest| objects(manifest));
        let now = now.unwrap_or_default();
        differences.extend(before.symmetric_difference(&now).map(|(path, ..)| path.clone()));
    }
    differences
}

//! The pointers, by which endpoints find the newest release: five rules, for pointers that move.
//!
//! - `unreadable-pointer`: the client reads a version in it, and it has at most eleven bytes. Source: content layout
//!   §2.
//! - `multi-line-latest`: one line. Source: content layout §2 and §8; `3rd-party add` reads eleven bytes,
//!   `--incremental` reads several lines.
//! - `pointer-goes-back`: never an older version than before; endpoints that have the newer one get no updates.
//! - `pointer-target`: the release exists and has the pointer's format. Source: content layout §1.
//! - `signature-lost`: one that was signed stays signed; endpoints that check end with an error otherwise. Source: client
//!   behaviour §6.

use clearwell_format::resource::Pointer;
use clearwell_format::{FormatNumber, Version, pointer};

use super::survey::Survey;
use super::{Finding, Object, PointerMove, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let Some(pointers) = &survey.context.pointers else {
        return Vec::new();
    };
    let moved = pointers.after.iter().filter(|(pointer, text)| pointers.before.get(pointer) != Some(text));
    moved
        .filter(|(pointer, _)| !pointer.is_signature())
        .flat_map(|(&pointer, text)| of_pointer(survey, pointers, pointer, pointer.format(), text))
        .chain(lost_signatures(pointers))
        .collect()
}

fn lost_signatures(pointers: &PointerMove) -> impl Iterator<Item = Finding> {
    let lost = pointers.before.keys().filter(|pointer| pointer.is_signature());
    lost.filter(|pointer| !pointers.after.contains_key(pointer)).map(|&pointer| {
        Finding::refusal(
            Rule::SignatureLost,
            Object::Pointer(pointer),
            "it is published now and would be missing; endpoints that check signatures would refuse every update"
                .to_owned(),
            "sign the release, or allow the rule if the whole fleet runs with --nosigcheck",
        )
    })
}

fn of_pointer(
    survey: &Survey<'_>,
    pointers: &PointerMove,
    pointer: Pointer,
    format: Option<FormatNumber>,
    text: &[u8],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut report = |rule, problem: String, remedy: &'static str| {
        findings.push(Finding::refusal(rule, Object::Pointer(pointer), problem, remedy));
    };
    let plain = "write the version in decimal and nothing else";
    if pointer::is_multi_line(text) {
        report(
            Rule::MultiLineLatest,
            "it has several lines; endpoints cannot add the release as a third-party repository".to_owned(),
            "write only the newest version, or allow the rule for endpoints that update with --incremental",
        );
    } else if text.len() > pointer::MAX_LENGTH {
        report(
            Rule::UnreadablePointer,
            format!("it has {} bytes, but readers accept at most {}", text.len(), pointer::MAX_LENGTH),
            plain,
        );
    }
    let Some(target) = pointer::parse(text) else {
        report(Rule::UnreadablePointer, "endpoints cannot read a version from it".to_owned(), plain);
        return findings;
    };
    let before = pointers.before.get(&pointer).and_then(|text| pointer::parse(text));
    if let Some(before) = before.filter(|before| target < *before && !matches!(pointer, Pointer::First(_))) {
        report(
            Rule::PointerGoesBack,
            format!("it names {before} and would move back to {target}; endpoints on {before} get no updates"),
            "publish a higher version, or retract the release with \"clearwell retract\"",
        );
    }
    match format_of(survey, target) {
        None => report(
            Rule::PointerTarget,
            format!("it would name {target}, which is not in the store"),
            "publish a version that the store has",
        ),
        Some(found) if format.is_some_and(|format| format != found) => report(
            Rule::PointerTarget,
            format!("it would name {target}, which has format {found}"),
            "publish the version in its own format",
        ),
        Some(_) => {}
    }
    findings
}

fn format_of(survey: &Survey<'_>, version: Version) -> Option<FormatNumber> {
    let context = survey.context;
    if context.release.version() == version {
        return Some(context.release.mom.header.format);
    }
    context.kept.get(&version).map(|mom| mom.header.format)
}

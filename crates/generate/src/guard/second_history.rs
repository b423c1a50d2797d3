//! A release is built on the one before, unless it is the first of its store.
//!
//! Source: manifest §5.1 and §5.4. Built on nothing, every entry gets the new version and nothing is listed as deleted:
//! endpoints fetch again what they have, keep what they should delete, and get no packs.

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let context = survey.context;
    let version = context.release.version();
    let Some((last, _)) = context.kept.range(..version).next_back() else {
        return Vec::new();
    };
    let is_built_on_one = context.previous.is_some() || context.release.mom.header.previous.is_some();
    if is_built_on_one || context.is_pointed_at() {
        return Vec::new();
    }
    vec![Finding::refusal(
        Rule::SecondHistory,
        Object::Release(version),
        format!("it has no previous release, but the store has {last}; endpoints would lose their history"),
        format!("build on that release with --previous {last}, or start another history in a separate store"),
    )]
}

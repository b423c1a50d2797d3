//! Every endpoint sees every bundle.
//!
//! Source: manifest §2.3, last rule. Clients choose by processor among the entries of a MoM as well: `M.e.` is a bundle
//! that only AVX2 endpoints have.

use clearwell_format::Modifier;

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let marked = survey.context.release.mom.bundles().filter(|entry| entry.flags.modifier != Modifier::NONE);
    marked
        .map(|entry| {
            Finding::refusal(
                Rule::HiddenBundle,
                Object::Bundle(entry.bundle.clone()),
                format!(
                    "the MoM gives it the flags {}, for some processors only; other endpoints do not see it",
                    String::from_utf8_lossy(&entry.flags.to_bytes())
                ),
                "use a dot as modifier; the flag for experimental bundles is the byte before",
            )
        })
        .collect()
}

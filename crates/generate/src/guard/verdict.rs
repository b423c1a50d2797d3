//! Findings, compared with the rules that a maintainer allowed.

use std::collections::BTreeSet;

use super::{Finding, Rule, Severity};

/// The findings of a check in three parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What forbids the publication. Empty: it may proceed.
    pub refusals: Vec<Finding>,
    /// Refusals that were overruled. Their rules belong into the release record.
    pub overruled: Vec<Finding>,
    /// What a maintainer should look at.
    pub warnings: Vec<Finding>,
}

impl Verdict {
    /// Sorts findings out. A rule in `allowed` that is not [`Rule::allowable`] changes nothing.
    pub fn new(findings: Vec<Finding>, allowed: &BTreeSet<Rule>) -> Self {
        let mut verdict = Self::default();
        for finding in findings {
            let part = match finding.severity {
                Severity::Warning => &mut verdict.warnings,
                Severity::Refusal if finding.rule.allowable() && allowed.contains(&finding.rule) => {
                    &mut verdict.overruled
                }
                Severity::Refusal => &mut verdict.refusals,
            };
            part.push(finding);
        }
        verdict
    }

    /// True if nothing forbids the publication.
    pub fn may_publish(&self) -> bool {
        self.refusals.is_empty()
    }

    /// The rules that were overruled, each once: what the release record keeps.
    pub fn overruled_rules(&self) -> BTreeSet<Rule> {
        self.overruled.iter().map(|finding| finding.rule).collect()
    }
}

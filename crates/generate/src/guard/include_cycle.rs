//! Bundles that include each other.
//!
//! Source: manifest §6 quirk 4. What the stock client does (observed) with `a` and `b` that include each other, and
//! with a bundle `x` that `a` includes:
//!
//! | | |
//! |---|---|
//! | install, update, `diagnose`, `bundle-add` | works |
//! | `bundle-remove` of `a`, `b` or `x`, also with `--force` or `--recursive`; `bundle-list --has-dep` of them | crashes (SIGSEGV) |
//! | `bundle-list --verbose --deps` of a bundle that leads into the cycle | endless output |
//!
//! These bundles cannot be removed from endpoints: a refusal. If the cycle needs an `also-add`, or a bundle includes
//! itself, only the endless output happens: a warning. Files lost by a cycle are found by
//! [`lost_path`](super::lost_path).

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let name = |bundle: usize| survey.bundles.get(bundle).name;
    let names = |cycle: &[usize]| cycle.iter().map(|&bundle| name(bundle).as_str()).collect::<Vec<_>>().join(", ");
    let cycles = survey.includes.cycles();
    let refusals = cycles.iter().map(|cycle| {
        Finding::refusal(
            Rule::IncludeCycle,
            Object::Bundle(name(cycle[0]).clone()),
            format!(
                "{} include each other; clients crash in bundle-remove of them and of what they include",
                names(cycle)
            ),
            "remove one of the includes, merge the bundles, or allow the rule if bundles are never removed",
        )
    });
    // Cycles of includes alone are reported above.
    let circles = survey.includes.circles().iter().filter(|circle| !cycles.contains(circle)).map(|circle| {
        let problem = match &circle[..] {
            [_] => "it includes or adds itself".to_owned(),
            _ => format!("{} include or add each other", names(circle)),
        };
        Finding::warning(
            Rule::IncludeCycle,
            Object::Bundle(name(circle[0]).clone()),
            format!("{problem}; the output of \"swupd bundle-list --verbose --deps\" is endless"),
            "remove one of the includes or also-adds",
        )
    });
    refusals.chain(circles).collect()
}

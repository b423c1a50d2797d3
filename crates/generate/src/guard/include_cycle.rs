//! Bundles that include each other.
//!
//! Source: manifest 6, quirk 4. What the stock client does (observed) with `a` and `b` that include each other, and with
//! a bundle `x` that `a` includes:
//!
//! | | |
//! |---|---|
//! | install, update, `diagnose`, `bundle-add` | nothing unusual |
//! | `bundle-remove` of `a`, `b` or `x`, also with `--force` or `--recursive`; `bundle-list --has-dep` of them | crashes (SIGSEGV) |
//! | `bundle-list --verbose --deps` of what leads into the cycle | prints for ever |
//!
//! So no endpoint can get rid of these bundles: a refusal. Where an `also-add` closes the circle, or a bundle includes
//! itself, only the last line happens: a warning. What a cycle loses is found by [`lost_path`](super::lost_path).

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
                "{} include each other; clients crash when one of them, or what they include, is to be removed",
                names(cycle)
            ),
            "take out one of the includes, make them one bundle, or allow the rule if nobody removes bundles",
        )
    });
    // A circle of includes alone is told above; one that needs an also-add is another.
    let circles = survey.includes.circles().iter().filter(|circle| !cycles.contains(circle)).map(|circle| {
        let problem = match &circle[..] {
            [_] => "it includes or adds itself".to_owned(),
            _ => format!("{} include or add each other", names(circle)),
        };
        Finding::warning(
            Rule::IncludeCycle,
            Object::Bundle(name(circle[0]).clone()),
            format!("{problem}; \"swupd bundle-list --verbose --deps\" prints it for ever"),
            "take out one of the includes or also-adds",
        )
    });
    refusals.chain(circles).collect()
}

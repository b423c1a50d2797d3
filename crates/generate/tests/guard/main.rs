//! The publish guard: each rule alone on a small signed mix, and what the stock client really does in the cases that the
//! rules prevent.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics, helpers included")]

mod archives;
mod certificates;
mod client;
mod golden;
mod manifests;
mod mix;
mod permissions;
mod pointers;
mod stock_client;
mod store;
mod updates;

use clearwell_generate::guard::{Finding, Rule, Severity};

use mix::Mix;

/// What the guard says about the newest release of a mix: rule and object, refusals and warnings.
fn found(mix: &Mix) -> Vec<(Rule, String)> {
    findings(mix).into_iter().map(|finding| (finding.rule, finding.object.to_string())).collect()
}

fn findings(mix: &Mix) -> Vec<Finding> {
    mix.check(|_| {})
}

#[track_caller]
fn assert_refused(mix: &Mix, rule: Rule, objects: &[&str]) {
    assert_found(&findings(mix), Severity::Refusal, rule, objects);
}

#[track_caller]
fn assert_warned(mix: &Mix, rule: Rule, objects: &[&str]) {
    assert_found(&findings(mix), Severity::Warning, rule, objects);
}

#[track_caller]
fn assert_found(findings: &[Finding], severity: Severity, rule: Rule, objects: &[&str]) {
    let seen: Vec<_> = findings.iter().map(|f| (f.severity, f.rule, f.object.to_string())).collect();
    let expected: Vec<_> = objects.iter().map(|object| (severity, rule, (*object).to_owned())).collect();
    assert_eq!(seen, expected, "{}", findings.iter().map(|f| format!("\n  {f}")).collect::<String>());
    for finding in findings {
        assert!(!finding.problem.is_empty() && !finding.remedy.is_empty());
    }
}

#[test]
fn a_clean_mix_has_no_findings_in_any_of_its_releases() {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    assert_eq!(found(&mix), []);
    let mut content = mix.system(20);
    content.bundle("editors").file("/usr/bin/ed", "another");
    content.bundle("games").remove("/usr/bin/chess");
    mix.release(20, &content);
    assert_eq!(found(&mix), []);
    mix.release(30, &mix.system(30));
    assert_eq!(found(&mix), []);
}

#[test]
fn an_unsigned_mix_is_clean_as_well() {
    let mut mix = Mix::unsigned();
    mix.release(10, &mix.system(10));
    assert_eq!(found(&mix), []);
}

#[test]
fn with_nothing_but_manifests_the_guard_looks_at_manifests() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("games").file("/usr/bin/ed", "of games");
    mix.release(10, &content);
    mix.tree.clear();
    let findings = mix.check(|context| {
        context.store = None;
        context.pointers = None;
    });
    assert_found(&findings, Severity::Refusal, Rule::ConflictingEntries, &["/usr/bin/ed"]);
}

#[test]
fn all_findings_are_listed_at_once_and_in_order() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("games").file("/usr/bin/ed", "of games").file("/opt/game", "x").includes("absent");
    mix.release(10, &content);
    let rules: Vec<_> = found(&mix).into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(rules, [Rule::ConflictingEntries, Rule::MissingParent, Rule::MissingInclude]);
}

//! The publish guard: no release becomes visible that the stock client is known to break on.
//!
//! ```text
//! plan      check(Context { release, previous, kept, wanted, signing })       cheap: before anything is made
//! prepare   check(Context { …, store: the draft })                            everything that was made and signed
//! publish   check(Context { …, pointers })                                    the pointers as they would be afterwards
//! ```
//!
//! One call, whatever is known: a rule whose facts are missing from the [`Context`] is silent. All findings are listed
//! at once, ordered by rule and object, the same for every number of workers. A finding is a refusal or a warning; a
//! maintainer may overrule the few rules that are [`Rule::allowable`], see [`Verdict`].
//!
//! Each rule has a separate file below, with its source in the protocol's specification. Elsewhere: what a *tree* may
//! not hold is refused when it is scanned; what the types of `clearwell-format` make impossible (a TAB in a path, a
//! bundle named `MoM`) needs no rule.

mod context;
mod finding;
mod rule;
mod verdict;

mod archives;
mod boot_removed;
mod bundle_removed;
mod certificate;
mod certificate_in_content;
mod client_data;
mod conflicting_entries;
pub(crate) mod content;
mod directory_permissions;
mod directory_replaced;
mod duplicate_bundle;
mod duplicate_path;
mod earlier_entries;
mod entry_from_future;
mod foreign_tracking_file;
mod format_boundary;
mod hidden_bundle;
mod illegal_name;
mod include_cycle;
mod includes;
mod incomplete_variants;
mod listed;
mod local_data_moved;
mod long_name;
mod lost_path;
mod manifest_mismatch;
mod manifest_still_needed;
mod missing_fullfile;
mod missing_include;
mod missing_manifest;
mod missing_os_core;
mod missing_parent;
mod missing_tracking_file;
mod missing_zero_pack;
mod not_updated;
mod pointers;
mod second_history;
mod signatures;
mod signer_unknown;
mod staging_names;
mod survey;
mod third_party_add;
pub(crate) mod trust;
mod unnoticed_change;
mod unreadable_manifest;
mod unsorted_manifest;
mod useless_pack;
mod version_file;
mod version_not_above;
mod version_stamp;

pub use context::{Artifacts, Context, PointerMove, Signing, Stored};
pub use earlier_entries::EarlierEntries;
pub use finding::{Finding, Object, Severity};
pub use rule::{InvalidRule, Rule, RuleFacts, Severities};
pub use trust::CertificateFiles;
pub use verdict::Verdict;

use survey::Survey;

/// Checks a release against every rule and returns all findings, refusals and warnings.
pub fn check(context: &Context<'_>) -> Vec<Finding> {
    let survey = Survey::of(context);
    let rules: &[fn(&Survey<'_>) -> Vec<Finding>] = &[
        conflicting_entries::check,
        duplicate_path::check,
        incomplete_variants::check,
        missing_parent::check,
        missing_tracking_file::check,
        foreign_tracking_file::check,
        lost_path::check,
        include_cycle::check,
        missing_include::check,
        missing_os_core::check,
        illegal_name::check,
        long_name::check,
        staging_names::check,
        client_data::check,
        not_updated::check,
        entry_from_future::check,
        unnoticed_change::check,
        directory_replaced::check,
        local_data_moved::check,
        directory_permissions::check,
        boot_removed::check,
        bundle_removed::check,
        unreadable_manifest::check,
        unsorted_manifest::check,
        manifest_mismatch::check,
        duplicate_bundle::check,
        hidden_bundle::check,
        version_not_above::check,
        second_history::check,
        missing_fullfile::check,
        missing_manifest::check,
        manifest_still_needed::check,
        missing_zero_pack::check,
        useless_pack::check,
        archives::check,
        signatures::check,
        certificate::check,
        certificate_in_content::check,
        signer_unknown::check,
        version_file::check,
        version_stamp::check,
        format_boundary::check,
        third_party_add::check,
        pointers::check,
    ];
    let mut findings: Vec<Finding> = rules.iter().flat_map(|rule| rule(&survey)).collect();
    debug_assert!(findings.iter().all(Finding::is_of_its_rule), "{findings:?}");
    findings.sort();
    findings.dedup();
    findings
}

/// The rules about pointers alone: for a move that shows endpoints nothing new.
pub fn check_pointers(context: &Context<'_>) -> Vec<Finding> {
    let survey = Survey::of(context);
    let mut findings = pointers::check(&survey);
    findings.extend(signatures::of_moved_pointers(&survey));
    findings.extend(signer_unknown::of_moved_pointers(&survey));
    findings.sort();
    findings
}

//! Endpoints on earlier releases can verify this one.
//!
//! Source: client behaviour 6. They trust the certificate in *their* content, and try the one beside it whose name ends
//! in `.alt` when it fails; if neither verifies the new MoM, they never leave the release they are on. An endpoint that
//! missed the release in which certificates changed is stranded by the one after it.

use std::collections::BTreeSet;

use clearwell_format::resource::Artifact;
use clearwell_format::{Entry, Mom, Resource, Version};
use clearwell_sign::{TrustAnchor, verify};

use super::past::endpoints_on;
use super::survey::Survey;
use super::{Artifacts, Finding, Object, Rule, Signing, content};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let context = survey.context;
    let (Some(store), Signing::On { anchor, now }) = (context.store, context.signing) else {
        return Vec::new();
    };
    let trusted = |path: &str| {
        let history = survey.history(&path.parse().expect("a path of the protocol"));
        let files = history.into_iter().filter(|(entry, releases)| entry.is_file() && !releases.is_empty());
        files.filter_map(|(entry, releases)| Some((certificate(store.artifacts, entry)?, releases))).collect::<Vec<_>>()
    };
    let mut helped = BTreeSet::new();
    for (alternative, releases) in trusted(content::ALTERNATIVE) {
        if refused(survey, store.artifacts, &alternative, now).is_none() {
            helped.extend(releases);
        }
    }
    let mut stranded: BTreeSet<Version> = BTreeSet::new();
    let mut reason = None;
    for (certificate, releases) in trusted(content::CERTIFICATE) {
        let Some(problem) = refused(survey, store.artifacts, &certificate, now) else { continue };
        let news = survey.news(&releases - &helped, |previous| {
            problem_with(previous.listing.mom, store.artifacts, &certificate, now).is_some()
        });
        if !news.is_empty() {
            stranded.extend(news);
            reason = Some(problem);
        }
    }
    let finding = |problem| {
        Finding::refusal(
            Rule::SignerUnknown,
            Object::Certificate(anchor.first().subject()),
            format!("{} trust another: {problem}", endpoints_on(&stranded)),
            "sign this release with the old key and carry the new certificate in it; sign with the new key once they \
             took it, and allow the rule if some never will",
        )
    };
    reason.map(finding).into_iter().collect()
}

/// A certificate in content; `None` for what is none, or whose fullfile is missing.
fn certificate(artifacts: &dyn Artifacts, entry: &Entry) -> Option<TrustAnchor> {
    TrustAnchor::from_pem(&content::of_entry(artifacts, entry)?).ok()
}

/// Why an endpoint that trusts `anchor` refuses the MoM; `None` if it does not, or if the MoM has no signature, which
/// is another finding.
pub(super) fn refused(
    survey: &Survey<'_>,
    artifacts: &dyn Artifacts,
    anchor: &TrustAnchor,
    now: i64,
) -> Option<String> {
    problem_with(survey.context.release.mom, artifacts, anchor, now)
}

fn problem_with(mom: &Mom, artifacts: &dyn Artifacts, anchor: &TrustAnchor, now: i64) -> Option<String> {
    let signature = content::read(artifacts, &Resource::of(mom.header.version, Artifact::MomSignature))?;
    verify(&mom.to_bytes(), &signature, anchor, Some(now)).err().map(|error| error.to_string())
}

//! Endpoints on the previous release can verify this one.
//!
//! Source: client behaviour 6. They trust the certificate in *their* content; if it does not verify the new MoM, no
//! endpoint ever leaves the previous release.

use clearwell_format::Resource;
use clearwell_format::resource::Artifact;
use clearwell_sign::{TrustAnchor, verify};

use super::survey::Survey;
use super::{Artifacts, Finding, Object, Rule, Signing, content};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let context = survey.context;
    let (Some(store), Signing::On { anchor, now }, Some(previous)) = (context.store, context.signing, &survey.previous)
    else {
        return Vec::new();
    };
    let Some(pem) = content::of_release(store, &previous.listed, content::CERTIFICATE) else {
        return Vec::new();
    };
    let trusted = TrustAnchor::from_pem(&pem).ok();
    let problem = trusted.and_then(|trusted| refused(survey, store.artifacts, &trusted, now));
    let finding = |problem| {
        Finding::refusal(
            Rule::SignerUnknown,
            Object::Certificate(anchor.first().subject()),
            format!("endpoints on {} trust another: {problem}", previous.listing.version()),
            "sign this release with the old key and carry the new certificate in it; sign the next with the new key",
        )
    };
    problem.map(finding).into_iter().collect()
}

/// Why an endpoint that trusts `anchor` refuses the MoM; `None` if it does not, or if the MoM has no signature, which
/// is another finding.
pub(super) fn refused(
    survey: &Survey<'_>,
    artifacts: &dyn Artifacts,
    anchor: &TrustAnchor,
    now: i64,
) -> Option<String> {
    let mom = survey.context.release.mom;
    let signature = content::read(artifacts, &Resource::of(mom.header.version, Artifact::MomSignature))?;
    verify(&mom.to_bytes(), &signature, anchor, Some(now)).err().map(|error| error.to_string())
}

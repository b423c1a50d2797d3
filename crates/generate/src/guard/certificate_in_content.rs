//! The certificate in the content verifies the release that carries it.
//!
//! Source: client behaviour 6 and content layout 8. Endpoints trust
//! `/usr/share/clear/update-ca/Swupd_Root.pem` of the system they run; with another one there, nothing they do on this
//! release verifies. Intended for the one release in which certificates change hands: then allow the rule.

use clearwell_sign::TrustAnchor;

use super::survey::Survey;
use super::{Finding, Object, Rule, Signing, content, signer_unknown};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let context = survey.context;
    let (Some(store), Signing::On { now, .. }) = (context.store, context.signing) else {
        return Vec::new();
    };
    let path = content::CERTIFICATE;
    if survey.listed.at(path.as_bytes()).is_empty() {
        return vec![Finding::warning(
            Rule::CertificateInContent,
            Object::Release(context.release.version()),
            format!("it is signed and does not carry {path}; new endpoints have nothing to verify with"),
            "add the certificate to os-core",
        )];
    }
    let Some(pem) = content::of_release(store, &survey.listed, path) else {
        return Vec::new();
    };
    let problem = match TrustAnchor::from_pem(&pem) {
        Err(error) => error.to_string(),
        Ok(anchor) => match signer_unknown::refused(survey, store.artifacts, &anchor, now) {
            Some(problem) => problem,
            None => return Vec::new(),
        },
    };
    let path = path.parse().expect("a path of the protocol");
    vec![Finding::refusal(
        Rule::CertificateInContent,
        Object::Path(path),
        format!("endpoints on this release trust it, and it does not verify the release: {problem}"),
        "put the signer's certificate there, or allow the rule while certificates change",
    )]
}

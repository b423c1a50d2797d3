//! The certificates in the content verify the release that carries them.
//!
//! Source: client behaviour §6 and content layout §8. Endpoints trust
//! `/usr/share/clear/update-ca/Swupd_Root.pem` of the system they run, and try the file next to it whose name ends in
//! `.alt`; with others there, nothing they do on this release verifies. A release in which certificates change hands
//! carries both: the signer's, and the next one (docs/keys.md).

use clearwell_sign::{Dates, Trust};

use super::survey::Survey;
use super::trust::{Carried, Certificates, verify_mom};
use super::{Finding, Object, Rule, Signing, content};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let context = survey.context;
    let (Some(store), Signing::On { now, .. }) = (context.store, context.signing) else {
        return Vec::new();
    };
    let path = content::CERTIFICATE;
    let at = |path: &str| Object::Path(path.parse().expect("a path of the protocol"));
    let refusal = |problem: String| {
        Finding::refusal(
            Rule::CertificateInContent,
            at(path),
            problem,
            "put the signer's certificate there; during a key rotation ship both, the next one as \
             Swupd_Root.pem.alt next to it (key next-certificate, docs/keys.md)",
        )
    };
    let trust = match Certificates::new(store.artifacts).of(&context.release.mom) {
        // It is there, and something is missing to read it by, which is a finding of other rules.
        Carried::Nothing if !survey.listed.at(path.as_bytes()).is_empty() => return Vec::new(),
        Carried::Nothing => {
            return vec![Finding::warning(
                Rule::CertificateInContent,
                Object::Release(context.release.version()),
                format!("it is signed but does not contain {path}; new endpoints have no certificate to verify with"),
                "add the certificate to os-core",
            )];
        }
        Carried::Unusable(problem) => {
            return vec![refusal(format!("swupd does not start on endpoints with this release: {problem}"))];
        }
        Carried::Trust(trust) => trust,
    };
    let mut findings = Vec::new();
    if let Some(problem) = refused(survey, &trust, now) {
        findings.push(refusal(format!(
            "endpoints on this release trust it, but it does not verify the release: {problem}"
        )));
    }
    let has_alternative = !survey.listed.at(content::ALTERNATIVE.as_bytes()).is_empty();
    if has_alternative && trust.usable_alternative(now).is_none() {
        findings.push(Finding::warning(
            Rule::CertificateInContent,
            at(content::ALTERNATIVE),
            "endpoints cannot use it: it is not a certificate, or not valid now",
            "put the next certificate there, or remove the file",
        ));
    }
    findings
}

/// Why endpoints that trust `trust` do not start, or refuse the release or the pointer to it.
fn refused(survey: &Survey<'_>, trust: &Trust, now: i64) -> Option<String> {
    let context = survey.context;
    if let Some(problem) = trust.refusals(now).first() {
        return Some(problem.to_string());
    }
    let mom = &context.release.mom;
    let refused = verify_mom(context.store?.artifacts, mom, trust, Dates::Valid(now), now)?.err();
    refused.or_else(|| context.pointer_refused(trust)).map(|error| error.to_string())
}

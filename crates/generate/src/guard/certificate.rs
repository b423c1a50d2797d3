//! The signer's certificate is one that clients accept, today and for a while: three rules.
//!
//! Source: client behaviour §6. The client validates the first certificate of its PEM file when it starts and ends with
//! exit code 21 if that fails; an expired certificate strands every endpoint. Under 90 days left is a warning, and so is a
//! key or digest that clients take and others may break.

use clearwell_sign::{Problem, Utc, fitness};

use super::survey::Survey;
use super::{Finding, Object, Rule, Signing};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let Signing::On { anchor, now } = survey.context.signing else {
        return Vec::new();
    };
    let object = || Object::Certificate(anchor.first().subject());
    fitness(anchor, now)
        .into_iter()
        .map(|problem| match problem {
            Problem::ExpiresSoon { not_after, days_left, .. } => Finding::warning(
                Rule::CertificateExpires,
                object(),
                format!(
                    "it expires at {}, in {days_left} days, and endpoints refuse every update after that",
                    Utc(not_after)
                ),
                "renew it (\"clearwell renew\") or release its successor before then (docs/keys.md)",
            ),
            problem if problem.severity() == clearwell_sign::Severity::Warning => Finding::warning(
                Rule::WeakCertificate,
                object(),
                problem.to_string(),
                "endpoints still accept its signatures; use a stronger key or digest for the next certificate",
            ),
            problem => Finding::refusal(
                Rule::UnusableCertificate,
                object(),
                problem.to_string(),
                "sign with a certificate that endpoints accept",
            ),
        })
        .collect()
}

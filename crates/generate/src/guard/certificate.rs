//! The signer's certificate is one that clients accept, today and for a while: two rules.
//!
//! Source: client behaviour 6. The client validates the first certificate of its PEM file when it starts and ends with
//! exit code 21 if that fails; an expired certificate strands every endpoint. Under 90 days left is a warning.

use clearwell_sign::{Problem, fitness};

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
            Problem::ExpiresSoon { days_left, .. } => Finding::warning(
                Rule::CertificateExpires,
                object(),
                format!("it expires in {days_left} days, and endpoints refuse every update after that"),
                "make its successor now and release it inside the content before this one ends",
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

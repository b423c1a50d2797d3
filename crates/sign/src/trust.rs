//! What an endpoint trusts: its PEM file, and the alternative that is tried when the first fails.
//!
//! ```text
//! Swupd_Root.pem        must be fit when the client starts, or it ends with exit code 21
//! Swupd_Root.pem.alt    used instead when a signature does not verify, if it exists and is fit; then the first again
//! ```
//!
//! Source: client behaviour §6. A release that carries the next certificate in the second file lets endpoints follow a
//! change of keys.

use crate::anchor::TrustAnchor;
use crate::certificate::Certificate;
use crate::dates::Dates;
use crate::fitness::{Problem, Severity, fitness};
use crate::verify::{VerifyError, accepts, verify};

/// The trusted PEM file of an endpoint and its alternative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The file itself.
    pub main: TrustAnchor,
    /// The file whose name ends in `.alt`.
    pub alternative: Option<TrustAnchor>,
}

impl Trust {
    /// Why the client refuses to start at `now` (Unix seconds); empty if it starts. The alternative does not help here.
    pub fn refusals(&self, now: i64) -> Vec<Problem> {
        refusals(&self.main, now)
    }

    /// The alternative, if the client would take it at `now` (Unix seconds).
    pub fn usable_alternative(&self, now: i64) -> Option<&TrustAnchor> {
        self.alternative.as_ref().filter(|alternative| refusals(alternative, now).is_empty())
    }

    /// Verifies as [`verify`](crate::verify()) does, with either file. `now` (Unix seconds) is the client's clock;
    /// where dates do not count, those of the alternative do not either.
    ///
    /// # Errors
    /// What is wrong with the signature according to the main file.
    pub fn verify(
        &self,
        content: &[u8],
        signature: &[u8],
        dates: impl Into<Dates>,
        now: i64,
    ) -> Result<Certificate, VerifyError> {
        let dates = dates.into();
        let alternative = match dates {
            Dates::Ignored => self.alternative.as_ref(),
            Dates::Valid(_) | Dates::Begun(_) => self.usable_alternative(now),
        };
        self.either(alternative, |anchor| verify(content, signature, anchor, dates))
    }

    /// Both files, the main one first.
    pub fn anchors(&self) -> impl Iterator<Item = &TrustAnchor> {
        [&self.main].into_iter().chain(&self.alternative)
    }

    /// Would an endpoint accept what `signer` signs at `now` (Unix seconds)?
    ///
    /// # Errors
    /// Why not, according to the main file.
    pub fn accepts(&self, signer: &TrustAnchor, now: i64) -> Result<(), VerifyError> {
        let alternative = self.usable_alternative(now);
        self.either(alternative, |anchor| accepts(anchor, signer, Dates::Valid(now)))
    }

    fn either<T>(
        &self,
        alternative: Option<&TrustAnchor>,
        ask: impl Fn(&TrustAnchor) -> Result<T, VerifyError>,
    ) -> Result<T, VerifyError> {
        let refused = match ask(&self.main) {
            Ok(answer) => return Ok(answer),
            Err(refused) => refused,
        };
        alternative.and_then(|alternative| ask(alternative).ok()).ok_or(refused)
    }
}

impl From<TrustAnchor> for Trust {
    fn from(main: TrustAnchor) -> Self {
        Self { main, alternative: None }
    }
}

fn refusals(anchor: &TrustAnchor, now: i64) -> Vec<Problem> {
    fitness(anchor, now).into_iter().filter(|problem| problem.severity() == Severity::Refusal).collect()
}

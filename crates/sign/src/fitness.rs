//! Would stock swupd accept this certificate? The reasons why not, before a fleet finds them out.
//!
//! swupd validates the first certificate of its PEM file against the certificates of the same file when it starts, and
//! ends with exit code 21 if that fails (client behaviour, section 6). What it checks is what OpenSSL checks without a
//! purpose: dates, the chain to a self-signed certificate, and critical extensions.

use std::fmt;
use std::time::Duration;

use der::DateTime;

use crate::algorithm::KeyKind;
use crate::anchor::TrustAnchor;
use crate::chain::{self, Chain};

/// Fewer days of validity than this are a warning: fleets need time to receive the next certificate.
pub const RENEWAL_DAYS: i64 = 90;

/// Reasons why stock swupd would refuse `anchor` or what its first certificate signs at `now` (Unix seconds), and
/// warnings when there are no such reasons. Empty when all is well.
pub fn fitness(anchor: &TrustAnchor, now: i64) -> Vec<Problem> {
    let first = anchor.first();
    let Chain { certificates, mut problems } = chain::follow(first, &[], anchor.certificates(), Some(now));
    match KeyKind::of(&first.fields().subject_public_key_info) {
        KeyKind::Rsa | KeyKind::P256 | KeyKind::P384 => {}
        KeyKind::RsaPss => problems.push(Problem::RsaPssKey { subject: first.subject() }),
        KeyKind::Other(id) => {
            problems.push(Problem::UnsupportedKey { subject: first.subject(), algorithm: id.to_string() });
        }
    }
    if problems.is_empty() {
        let expiring = certificates.into_iter().filter(|certificate| certificate.days_left(now) < RENEWAL_DAYS);
        problems.extend(expiring.map(|certificate| Problem::ExpiresSoon {
            subject: certificate.subject(),
            not_after: certificate.not_after(),
            days_left: certificate.days_left(now),
        }));
    }
    problems
}

/// Does a problem stop endpoints, or will it one day?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Endpoints accept the certificate; somebody should act.
    Warning,
    /// Endpoints refuse the certificate and everything it signs.
    Refusal,
}

/// One thing that is wrong with a certificate. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Its validity is over.
    #[error("\"{subject}\" expired on {}; make a new certificate and bring it to the endpoints first", Date(.not_after))]
    Expired {
        /// The certificate.
        subject: String,
        /// Its last second.
        not_after: i64,
    },
    /// Its validity has not begun.
    #[error("\"{subject}\" is not valid before {}; check the clock of this machine", Date(.not_before))]
    NotYetValid {
        /// The certificate.
        subject: String,
        /// Its first second.
        not_before: i64,
    },
    /// It will expire within [`RENEWAL_DAYS`].
    #[error(
        "\"{subject}\" expires on {}, in {days_left} days; endpoints refuse every update after that unless they \
         have its successor",
        Date(.not_after)
    )]
    ExpiresSoon {
        /// The certificate.
        subject: String,
        /// Its last second.
        not_after: i64,
        /// Whole days until then.
        days_left: i64,
    },
    /// It has a critical extension that OpenSSL does not handle.
    #[error("\"{subject}\" has critical extension {id}, which clients do not handle; make it without, or not critical")]
    UnhandledCriticalExtension {
        /// The certificate.
        subject: String,
        /// Object identifier of the extension.
        id: String,
    },
    /// One of the extensions that decide about a chain is damaged or present twice.
    #[error("\"{subject}\" has a malformed extension {id}; make the certificate again")]
    MalformedExtension {
        /// The certificate.
        subject: String,
        /// Object identifier of the extension.
        id: String,
    },
    /// Its key is restricted to RSA-PSS signatures. swupd refuses those of plain keys and happens to take them from such
    /// a key; nothing here makes or verifies them.
    #[error("\"{subject}\" has an RSA-PSS key, which is not supported; use a plain RSA key")]
    RsaPssKey {
        /// The certificate.
        subject: String,
    },
    /// Its key is of a kind clients cannot verify.
    #[error("\"{subject}\" has a key of kind {algorithm}, which cannot sign for clients; use RSA or EC P-256")]
    UnsupportedKey {
        /// The certificate.
        subject: String,
        /// Object identifier of the algorithm or curve.
        algorithm: String,
    },
    /// It is self-signed and not one of the trusted certificates.
    #[error("\"{subject}\" is self-signed and not among the trusted certificates")]
    NotTrusted {
        /// The certificate.
        subject: String,
    },
    /// It was issued by a certificate that is nowhere to be found.
    #[error("\"{subject}\" was issued by \"{issuer}\", which is missing; add that certificate to the PEM file")]
    IssuerMissing {
        /// The certificate.
        subject: String,
        /// Its issuer.
        issuer: String,
    },
    /// Its issuer may not issue certificates (basic constraints or key usage).
    #[error("\"{issuer}\" issued \"{subject}\" but is no certificate authority; use one with CA:TRUE and keyCertSign")]
    IssuerNotAuthority {
        /// The certificate.
        subject: String,
        /// Its issuer.
        issuer: String,
    },
    /// More certificates stand below an authority than it allows, or more than any real chain has.
    #[error("the chain below \"{issuer}\" is too long; issue \"{subject}\" directly")]
    ChainTooLong {
        /// The certificate.
        subject: String,
        /// The authority.
        issuer: String,
    },
    /// The signature of its issuer is not over this certificate.
    #[error("\"{subject}\" was not signed by the key of \"{issuer}\"; give the issuer it really has")]
    IssuerSignature {
        /// The certificate.
        subject: String,
        /// Its issuer.
        issuer: String,
    },
    /// The signature of its issuer uses an algorithm this program cannot check.
    #[error("\"{subject}\" is signed with algorithm {algorithm}, which cannot be checked; issue it with SHA-256")]
    UnsupportedIssuerSignature {
        /// The certificate.
        subject: String,
        /// Object identifier of the algorithm.
        algorithm: String,
    },
    /// A chain has something this program does not evaluate: name constraints or a proxy certificate.
    #[error("\"{subject}\" has extension {id}, which is not evaluated here and therefore refused; issue it without")]
    UnevaluatedExtension {
        /// The certificate.
        subject: String,
        /// Object identifier of the extension.
        id: String,
    },
}

impl Problem {
    /// Whether endpoints refuse the certificate for it.
    pub fn severity(&self) -> Severity {
        match self {
            Self::ExpiresSoon { .. } => Severity::Warning,
            Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::UnhandledCriticalExtension { .. }
            | Self::MalformedExtension { .. }
            | Self::RsaPssKey { .. }
            | Self::UnsupportedKey { .. }
            | Self::NotTrusted { .. }
            | Self::IssuerMissing { .. }
            | Self::IssuerNotAuthority { .. }
            | Self::ChainTooLong { .. }
            | Self::IssuerSignature { .. }
            | Self::UnsupportedIssuerSignature { .. }
            | Self::UnevaluatedExtension { .. } => Severity::Refusal,
        }
    }
}

/// The problems as one line.
pub(crate) fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Unix seconds as a day.
struct Date<'a>(&'a i64);

impl fmt::Display for Date<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time =
            u64::try_from(*self.0).ok().and_then(|unix| DateTime::from_unix_duration(Duration::from_secs(unix)).ok());
        match time {
            Some(time) => write!(f, "{:04}-{:02}-{:02}", time.year(), time.month(), time.day()),
            None => write!(f, "Unix second {}", self.0),
        }
    }
}

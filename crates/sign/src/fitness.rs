//! Would stock swupd accept this certificate? The reasons why not, before a fleet meets them.
//!
//! swupd validates the first certificate of its PEM file against the certificates of the same file when it starts, and
//! ends with exit code 21 if that fails (client behaviour §6). What it checks is what OpenSSL checks without a
//! purpose: dates, the chain to a self-signed certificate, and critical extensions.

use crate::algorithm::{Digest, KeyKind, WEAK_RSA_BITS, combined_digest};
use crate::anchor::TrustAnchor;
use crate::certificate::Certificate;
use crate::chain::{self, Chain};
use crate::dates::{Dates, Utc};

/// Fewer days of validity than this are a warning: fleets need time to receive the next certificate.
pub const RENEWAL_DAYS: i64 = 90;

/// Reasons why stock swupd would refuse `anchor` or what its first certificate signs at `now` (Unix seconds), and
/// otherwise warnings. Empty if nothing is wrong.
pub fn fitness(anchor: &TrustAnchor, now: i64) -> Vec<Problem> {
    let first = anchor.first();
    let Chain { certificates, mut problems } = chain::follow(first, &[], anchor.certificates(), Dates::Valid(now));
    match first.key_kind() {
        KeyKind::RsaPss => problems.push(Problem::RsaPssKey { subject: first.subject() }),
        kind if !kind.is_supported() => {
            problems.push(Problem::UnsupportedKey { subject: first.subject(), kind: kind.to_string() });
        }
        _ => {}
    }
    if problems.is_empty() {
        problems.extend(certificates.into_iter().flat_map(|certificate| warnings(certificate, now)));
    }
    problems
}

/// What clients accept and the operator should act on.
fn warnings(certificate: &Certificate, now: i64) -> impl Iterator<Item = Problem> {
    let subject = || certificate.subject();
    let soon = (certificate.days_left(now) < RENEWAL_DAYS).then(|| Problem::ExpiresSoon {
        subject: subject(),
        not_after: certificate.not_after(),
        days_left: certificate.days_left(now),
    });
    let weak_key = match certificate.key_kind() {
        KeyKind::Rsa { bits } if bits < WEAK_RSA_BITS => Some(Problem::WeakKey { subject: subject(), bits }),
        _ => None,
    };
    // The signature of a self-signed certificate is not verified.
    let is_weak = !certificate.is_self_signed()
        && combined_digest(&certificate.whole().signature_algorithm) == Some(Digest::Sha1);
    let weak_signature = is_weak.then(|| Problem::WeakSignature { subject: subject() });
    soon.into_iter().chain(weak_key).chain(weak_signature)
}

/// Whether a problem stops endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Endpoints accept the certificate; the operator should act.
    Warning,
    /// Endpoints refuse the certificate and everything it signs.
    Refusal,
}

/// One thing that is wrong with a certificate. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Its validity is over.
    #[error(
        "\"{subject}\" expired at {} (now it is {}); endpoints that trust it refuse to start: with its key, \"clearwell \
         renew\" gives it a later end, and docs/keys.md says what endpoints need",
        Utc(*.not_after), Utc(*.now)
    )]
    Expired {
        /// The certificate.
        subject: String,
        /// Its end.
        not_after: i64,
        /// When it was judged.
        now: i64,
    },
    /// Its validity has not begun.
    #[error(
        "\"{subject}\" is not valid before {} (now it is {}); check the clock of this machine, or wait",
        Utc(*.not_before), Utc(*.now)
    )]
    NotYetValid {
        /// The certificate.
        subject: String,
        /// Its first second.
        not_before: i64,
        /// When it was judged.
        now: i64,
    },
    /// It will expire within [`RENEWAL_DAYS`].
    #[error(
        "\"{subject}\" expires at {}, in {days_left} days; endpoints refuse every update after that: release it with a \
         later end (\"clearwell renew\"), or its successor (docs/keys.md), before",
        Utc(*.not_after)
    )]
    ExpiresSoon {
        /// The certificate.
        subject: String,
        /// Its end.
        not_after: i64,
        /// Whole days until then.
        days_left: i64,
    },
    /// Its key is RSA below 2048 bits.
    #[error(
        "\"{subject}\" has an RSA key of {bits} bits; endpoints accept it, but such a key can be broken: change to 2048 \
         bits or more (docs/keys.md)"
    )]
    WeakKey {
        /// The certificate.
        subject: String,
        /// Size of the key.
        bits: u32,
    },
    /// Its issuer signed it with SHA-1.
    #[error("\"{subject}\" was signed with SHA-1, which some systems no longer accept; issue it with SHA-256")]
    WeakSignature {
        /// The certificate.
        subject: String,
    },
    /// It has a critical extension that OpenSSL does not handle.
    #[error(
        "\"{subject}\" has critical extension {id}, which clients do not handle; issue it without, or as not critical"
    )]
    UnhandledCriticalExtension {
        /// The certificate.
        subject: String,
        /// Object identifier of the extension.
        id: String,
    },
    /// One of the extensions that decide about a chain is damaged or present twice.
    #[error("\"{subject}\" has a malformed extension {id}; issue the certificate again")]
    MalformedExtension {
        /// The certificate.
        subject: String,
        /// Object identifier of the extension.
        id: String,
    },
    /// Its key is restricted to RSA-PSS signatures. Mixer cannot sign with it; swupd accepts what others sign with it.
    #[error("\"{subject}\" has an RSA-PSS key, with which mixer cannot sign either; use a plain RSA key")]
    RsaPssKey {
        /// The certificate.
        subject: String,
    },
    /// Its key is of a kind that cannot be verified here, or by clients.
    #[error(
        "\"{subject}\" has a key of kind {kind}, which is not supported; use RSA of 2048 to 8192 bits, or EC P-256, P-384 \
         or P-521"
    )]
    UnsupportedKey {
        /// The certificate.
        subject: String,
        /// Kind of the key, or the object identifier of its algorithm or curve.
        kind: String,
    },
    /// It is self-signed and not one of the trusted certificates.
    #[error("\"{subject}\" is self-signed and not among the trusted certificates")]
    NotTrusted {
        /// The certificate.
        subject: String,
    },
    /// It is self-signed and trusted, and clients find another trusted certificate of the same name first.
    #[error(
        "\"{subject}\" is one of several trusted certificates of that name, and clients find another one first; put it \
         into a separate file (Swupd_Root.pem.alt next to the first), or make it with another organisation"
    )]
    Shadowed {
        /// The certificate.
        subject: String,
    },
    /// It was issued by a certificate that is not available.
    #[error("\"{subject}\" was issued by \"{issuer}\", which is missing; add that certificate to the PEM file")]
    IssuerMissing {
        /// The certificate.
        subject: String,
        /// Its issuer.
        issuer: String,
    },
    /// Its issuer may not issue certificates (basic constraints or key usage).
    #[error(
        "\"{issuer}\" issued \"{subject}\" but is not a certificate authority; use one with CA:TRUE and keyCertSign"
    )]
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
    #[error(
        "\"{subject}\" was not signed by the key of \"{issuer}\"; use the certificate of the authority that issued it"
    )]
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
            Self::ExpiresSoon { .. } | Self::WeakKey { .. } | Self::WeakSignature { .. } => Severity::Warning,
            Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::UnhandledCriticalExtension { .. }
            | Self::MalformedExtension { .. }
            | Self::RsaPssKey { .. }
            | Self::UnsupportedKey { .. }
            | Self::NotTrusted { .. }
            | Self::Shadowed { .. }
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

//! A certificate with the means to sign for it.
//!
//! Always true: the key belongs to the certificate, clients would accept the certificate at the time the signer was
//! made, and every signature was verified as clients do before it is returned.

use der::Encode as _;

use crate::SignError;
use crate::anchor::TrustAnchor;
use crate::certificate::Certificate;
use crate::command::SigningCommand;
use crate::dates::Dates;
use crate::fitness::{Problem, Severity, fitness};
use crate::key::PrivateKey;
use crate::signature;
use crate::verify::verify;

/// Signs content for swupd clients.
#[derive(Debug)]
pub struct Signer {
    anchor: TrustAnchor,
    means: SigningMethod,
    warnings: Vec<Problem>,
}

#[derive(Debug)]
enum SigningMethod {
    Key(PrivateKey),
    Command(SigningCommand),
}

impl Signer {
    /// A signer for the first certificate of `anchor` with its key. `now` is in Unix seconds.
    ///
    /// # Errors
    /// [`SignError::KeyMismatch`] or [`SignError::CertificateOrder`], [`SignError::CertificateUnusable`] with what
    /// clients would refuse, or [`SignError::CertificateNotCanonical`].
    pub fn new(anchor: impl Into<TrustAnchor>, key: PrivateKey, now: i64) -> Result<Self, SignError> {
        let anchor = anchor.into();
        let owns = |certificate: &Certificate| key.belongs_to(&certificate.fields().subject_public_key_info);
        if !owns(anchor.first()) {
            let subject = anchor.first().subject();
            return Err(match anchor.certificates().iter().position(owns) {
                Some(other) => SignError::CertificateOrder { subject, position: other + 1 },
                None => SignError::KeyMismatch { subject },
            });
        }
        // Signatures include certificates encoded again from their fields.
        let is_canonical = |included: &&Certificate| included.whole().to_der().is_ok_and(|der| der == included.der());
        if let Some(other) = anchor.included().find(|included| !is_canonical(included)) {
            return Err(SignError::CertificateNotCanonical { subject: other.subject() });
        }
        Self::with_means(anchor, SigningMethod::Key(key), now)
    }

    /// A signer for the first certificate of `anchor` whose key only `command` can use.
    ///
    /// # Errors
    /// [`SignError::CertificateUnusable`]. The command is not run yet.
    pub fn with_command(anchor: impl Into<TrustAnchor>, command: SigningCommand, now: i64) -> Result<Self, SignError> {
        Self::with_means(anchor.into(), SigningMethod::Command(command), now)
    }

    fn with_means(anchor: TrustAnchor, means: SigningMethod, now: i64) -> Result<Self, SignError> {
        let (problems, warnings): (Vec<_>, Vec<_>) =
            fitness(&anchor, now).into_iter().partition(|problem| problem.severity() == Severity::Refusal);
        if !problems.is_empty() {
            return Err(SignError::CertificateUnusable { subject: anchor.first().subject(), problems });
        }
        Ok(Self { anchor, means, warnings })
    }

    /// The certificate that signs.
    pub fn certificate(&self) -> &Certificate {
        self.anchor.first()
    }

    /// The PEM file it came from, which clients trust.
    pub fn anchor(&self) -> &TrustAnchor {
        &self.anchor
    }

    /// What the operator should hear before signing, such as an expiry within 90 days.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The detached PKCS#7 signature of `content`, DER.
    ///
    /// `signing_time` (Unix seconds) becomes a signed attribute that clients ignore; it is an input so that a build can
    /// be repeated. With an RSA key, same input gives same bytes; with EC or a command, it need not.
    ///
    /// # Errors
    /// [`SignError::Rejected`] when the signature does not verify (a command that uses another key, for example), the
    /// command's own failures, and [`SignError::SigningTime`].
    pub fn sign(&self, content: &[u8], signing_time: i64) -> Result<Vec<u8>, SignError> {
        let signature = match &self.means {
            SigningMethod::Key(key) => signature::detached(content, signing_time, &self.anchor, key)?,
            SigningMethod::Command(command) => command.run(content)?,
        };
        // Against this certificate alone: the file may trust others, but they were not asked to sign. Dates were
        // checked when the signer was made.
        match verify(content, &signature, &self.anchor, Dates::Ignored) {
            Ok(signer) if signer == *self.certificate() => Ok(signature),
            Ok(signer) => {
                Err(SignError::SignedByOther { subject: self.certificate().subject(), signer: signer.subject() })
            }
            Err(source) => Err(SignError::Rejected { subject: self.certificate().subject(), source }),
        }
    }
}

//! What can go wrong while loading keys and certificates, and while signing.
//!
//! [`SignError`] is about signing; [`VerifyError`](crate::VerifyError) is about verifying.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use crate::fitness::{Problem, list};
use crate::verify::VerifyError;

/// A key, certificate or signature could not be loaded, made or used.
///
/// The crate reads no files, so no variant names one: the caller knows the path and adds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The text has no block between `BEGIN CERTIFICATE` and `END CERTIFICATE`.
    #[error(
        "no certificate found; expected PEM text with a \"BEGIN CERTIFICATE\" block \
         (convert DER with: openssl x509 -inform DER -in FILE -out FILE.pem)"
    )]
    NoCertificate,
    /// The text between two PEM markers is damaged.
    #[error("damaged PEM text")]
    Pem(#[source] pem::PemError),
    /// A certificate is not the DER structure of RFC 5280. `position` counts from 1 within the file.
    #[error("certificate {position} is malformed")]
    MalformedCertificate {
        /// Which certificate of the file, from 1.
        position: usize,
        /// What the decoder met.
        source: der::Error,
    },
    /// A certificate is valid BER but not DER, so it cannot be copied into signatures unchanged.
    #[error("certificate \"{subject}\" is not in canonical DER and cannot be included in signatures; issue it again")]
    CertificateNotCanonical {
        /// Subject of the certificate.
        subject: String,
    },
    /// swupd would refuse what this certificate signs.
    #[error("certificate \"{subject}\" is unusable: {}", list(.problems))]
    CertificateUnusable {
        /// Subject of the certificate.
        subject: String,
        /// Every reason; never empty, and without warnings.
        problems: Vec<Problem>,
    },
    /// The text has no private key in a known form.
    #[error(
        "no private key found; expected PEM text with \"PRIVATE KEY\", \"RSA PRIVATE KEY\", \"EC PRIVATE KEY\" \
         or \"ENCRYPTED PRIVATE KEY\""
    )]
    NoPrivateKey,
    /// The key is damaged, too small (RSA below 2048 bits) or of a kind this program cannot sign with.
    #[error("private key is not usable ({reason}); need RSA of 2048 to 8192 bits, or EC P-256, P-384 or P-521")]
    UnusableKey {
        /// Why the cryptographic library refused it.
        reason: String,
    },
    /// The key has the old encryption inside the PEM text (`Proc-Type: 4,ENCRYPTED`), which is weak.
    #[error(
        "private key has the obsolete PEM encryption; convert it with: \
         openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256 -in OLD -out NEW"
    )]
    ObsoleteKeyEncryption,
    /// The key is an encrypted PKCS#8 file of another scheme than PBKDF2 with AES-CBC.
    #[error(
        "private key is encrypted with an unsupported scheme ({scheme}); convert it with: \
         openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256 -in OLD -out NEW"
    )]
    UnsupportedKeyEncryption {
        /// The scheme, or what the decoder met.
        scheme: String,
    },
    /// The key is encrypted and no passphrase was given.
    #[error("private key is encrypted; give its passphrase")]
    PassphraseMissing,
    /// The passphrase does not open the key.
    #[error("wrong passphrase for the private key")]
    PassphraseWrong,
    /// The key belongs to another certificate.
    #[error("private key does not belong to certificate \"{subject}\"; give the key that was made with it")]
    KeyMismatch {
        /// Subject of the certificate.
        subject: String,
    },
    /// The key belongs to a later certificate of the file. Clients and mixer take the first.
    #[error(
        "private key belongs to certificate {position} of the file, and the first, \"{subject}\", is the one that signs; \
         put the signer's certificate first, then its issuers"
    )]
    CertificateOrder {
        /// Subject of the first certificate.
        subject: String,
        /// Which certificate of the file has the key, from 1.
        position: usize,
    },
    /// The organisation of a new certificate is empty, too long or has control characters.
    #[error("organisation {name:?} cannot be used in a certificate; use 1 to 64 printable characters")]
    Organisation {
        /// What was asked for.
        name: String,
    },
    /// A certificate that another one issued cannot be renewed with its own key.
    #[error("certificate \"{subject}\" was issued by \"{issuer}\"; ask that authority for one that expires later")]
    NotSelfSigned {
        /// Subject of the certificate.
        subject: String,
        /// Its issuer.
        issuer: String,
    },
    /// The validity of a new certificate is zero or ends beyond the year 9999.
    #[error("a validity of {days} days from now cannot be encoded in a certificate; use 1 to 36500 days")]
    Validity {
        /// What was asked for.
        days: u32,
    },
    /// The passphrase for a new key is empty.
    #[error("the passphrase is empty; give one, or none at all for an unencrypted key")]
    PassphraseEmpty,
    /// The signing time cannot be written as a time of year 1970 to 9999.
    #[error("signing time {unix_seconds} is outside the years 1970 to 9999")]
    SigningTime {
        /// The time asked for.
        unix_seconds: i64,
    },
    /// The signing command could not be started.
    #[error("failed to start signing command {command}; check that it is installed and executable")]
    CommandStart {
        /// The command line.
        command: String,
        /// From the operating system.
        source: io::Error,
    },
    /// Talking to the signing command failed.
    #[error("failed to exchange data with signing command {command}")]
    CommandExchange {
        /// The command line.
        command: String,
        /// From the operating system.
        source: io::Error,
    },
    /// The signing command ended with a failure.
    #[error("signing command {command} failed with {status}: {stderr}")]
    CommandFailed {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote to standard error, control characters replaced.
        stderr: String,
    },
    /// The signing command did not finish in time and was killed.
    #[error(
        "signing command {command} gave no signature within {} s; check that the key device answers without a prompt",
        .limit.as_secs_f64()
    )]
    CommandTimeout {
        /// The command line.
        command: String,
        /// The time it had.
        limit: Duration,
    },
    /// What was made is not a valid signature of the content by the certificate.
    #[error("the new signature does not verify against certificate \"{subject}\"")]
    Rejected {
        /// Subject of the signing certificate.
        subject: String,
        /// Why clients would refuse it.
        source: VerifyError,
    },
    /// A signing command signed with another certificate of the same file.
    #[error("the signing command signed as \"{signer}\" instead of \"{subject}\"; give it the right certificate")]
    SignedByOther {
        /// Subject of the certificate that should have signed.
        subject: String,
        /// Subject of the one that did.
        signer: String,
    },
    /// A structure could not be written.
    #[error("failed to encode {what}")]
    Encode {
        /// What was being written.
        what: &'static str,
        /// What the encoder met.
        source: der::Error,
    },
    /// The cryptographic library failed; it does not say why.
    #[error("the cryptographic library failed to {what}")]
    Crypto {
        /// The operation.
        what: &'static str,
    },
}

impl SignError {
    /// True when the key, rather than the certificate or the content, is at fault.
    pub fn concerns_key(&self) -> bool {
        match self {
            Self::NoPrivateKey
            | Self::UnusableKey { .. }
            | Self::ObsoleteKeyEncryption
            | Self::UnsupportedKeyEncryption { .. }
            | Self::PassphraseMissing
            | Self::PassphraseWrong
            | Self::PassphraseEmpty
            | Self::KeyMismatch { .. }
            | Self::CertificateOrder { .. } => true,
            Self::NoCertificate
            | Self::Pem(_)
            | Self::MalformedCertificate { .. }
            | Self::CertificateNotCanonical { .. }
            | Self::CertificateUnusable { .. }
            | Self::Organisation { .. }
            | Self::NotSelfSigned { .. }
            | Self::Validity { .. }
            | Self::SigningTime { .. }
            | Self::CommandStart { .. }
            | Self::CommandExchange { .. }
            | Self::CommandFailed { .. }
            | Self::CommandTimeout { .. }
            | Self::Rejected { .. }
            | Self::SignedByOther { .. }
            | Self::Encode { .. }
            | Self::Crypto { .. } => false,
        }
    }
}

//! Verification of detached signatures as stock swupd does it (client behaviour §6).
//!
//! Accepted: PKCS#7 SignedData in DER over the exact bytes, with or without signed attributes, embedded content (if it
//! is the same) and included certificates, with anything after its end; SHA-1, SHA-256, SHA-384 and SHA-512; RSA of
//! 1024 to 8192 bits with PKCS#1 v1.5 padding, EC P-256, P-384, P-521 and secp256k1; every signer trusted.
//!
//! Stricter than stock swupd, which also accepts
//! - MD5, SHA-224 and SHA-3, SHA-384 with RSA keys below 2048 bits, SHA-1 with P-384; RSA keys below 1024 bits, DSA and
//!   other curves; keys restricted to RSA-PSS, and certificates signed with RSA-PSS: the cryptographic library does not
//!   verify them, or nothing here makes them. [`VerifyError::UnsupportedAlgorithm`].
//! - BER with indefinite lengths, and structures above [`MAX_SIGNATURE_BYTES`];
//! - chains with name constraints or proxy certificates, which are not evaluated here.

use cms::signed_data::{SignerIdentifier, SignerInfo};
use der::asn1::{ObjectIdentifier, OctetString, OctetStringRef};
use der::oid::db::rfc5912::ID_RSASSA_PSS;
use der::{Decode, Encode};

use crate::algorithm::{CheckFailure, Digest, check};
use crate::anchor::TrustAnchor;
use crate::certificate::Certificate;
use crate::chain;
use crate::dates::Dates;
use crate::fitness::{Problem, list};
use crate::name;
use crate::signature::{CONTENT_TYPE, DATA, MESSAGE_DIGEST};
use crate::signed_data::SignedData;

/// Larger signature files are refused before they are parsed; real ones have two to eight thousand bytes.
pub const MAX_SIGNATURE_BYTES: usize = 64 * 1024;

/// A signature file does not prove what it should. swupd ends with exit code 21 for each of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// PEM or S/MIME text, which swupd does not read.
    #[error("the signature is text; clients need DER, such as openssl smime writes with -outform DER")]
    Text,
    /// Larger than [`MAX_SIGNATURE_BYTES`].
    #[error("the signature has {bytes} bytes, more than {MAX_SIGNATURE_BYTES}")]
    TooLarge {
        /// Size of the file.
        bytes: usize,
    },
    /// Not the DER structure of RFC 5652.
    #[error("the signature is not a PKCS#7 structure in DER")]
    Malformed {
        /// What the decoder met.
        source: der::Error,
    },
    /// PKCS#7, but of another kind than signed data, or signing another kind of content.
    #[error("the PKCS#7 structure contains {found} instead of signed data")]
    NotSignedData {
        /// Object identifier of its content.
        found: String,
    },
    /// No signer. swupd 7.0.0 crashes on such a file.
    #[error("the signature has no signer")]
    NoSigner,
    /// A signer is named by key identifier, which swupd does not read.
    #[error("the signer is named by key identifier; sign with issuer and serial number (openssl cms without -keyid)")]
    SignerByKeyIdentifier,
    /// The certificate of a signer is neither included nor the first of the trusted file.
    #[error("the certificate of signer {serial} issued by \"{issuer}\" is neither included nor trusted")]
    SignerUnknown {
        /// Issuer of the missing certificate.
        issuer: String,
        /// Its serial number.
        serial: String,
    },
    /// A digest, key or signature algorithm that cannot be verified.
    #[error("{what} {algorithm} is not supported; use SHA-256 with RSA (PKCS#1 v1.5) or EC")]
    UnsupportedAlgorithm {
        /// What kind of algorithm.
        what: &'static str,
        /// Its object identifier.
        algorithm: String,
    },
    /// The signature has embedded content, and it is not what was to be verified.
    #[error("the content inside the signature differs from the signed file")]
    OtherContentEmbedded,
    /// The signed attributes lack what RFC 5652 demands, or have it twice.
    #[error("the signed attributes do not contain exactly one {attribute}")]
    Attribute {
        /// The attribute.
        attribute: &'static str,
    },
    /// The signature is over other bytes. Also what CRLF conversion ends in.
    #[error("the digest in the signature does not match the signed file (sign again, in binary mode)")]
    ContentDiffers,
    /// The signature was not made with the key of its signer's certificate, or (without attributes) is over other
    /// bytes.
    #[error("the signature does not match the content and the key of \"{subject}\"")]
    SignatureInvalid {
        /// Subject of the signer.
        subject: String,
    },
    /// The signer is not trusted.
    #[error("signer \"{subject}\" is not trusted: {}", list(.problems))]
    Untrusted {
        /// Subject of the signer.
        subject: String,
        /// Every reason; never empty.
        problems: Vec<Problem>,
    },
}

/// Verifies a detached signature of `content` and returns the certificate that signed (the first of several).
///
/// `dates` says which dates of the certificates count; a plain time (Unix seconds) means that all must be valid then,
/// `None` that none counts.
///
/// # Errors
/// See [`VerifyError`]; every variant means that clients refuse the file, but for the algorithms the module names.
pub fn verify(
    content: &[u8],
    signature: &[u8],
    anchor: &TrustAnchor,
    dates: impl Into<Dates>,
) -> Result<Certificate, VerifyError> {
    let dates = dates.into();
    let signed = SignedData::parse(signature)?;
    check_embedded(&signed, content)?;
    let mut first = None;
    for signer in signed.signers.0.iter() {
        let certificate = certificate_of(signer, anchor, &signed.certificates)?;
        check_signer(signer, &signed, certificate, content)?;
        trusted(certificate, &signed.certificates, anchor, dates)?;
        first.get_or_insert(certificate);
    }
    first.cloned().ok_or(VerifyError::NoSigner)
}

/// Would what the first certificate of `signer` signs verify against `anchor`, if the signature included what
/// [`Signer`](crate::Signer) includes?
///
/// # Errors
/// [`VerifyError::Untrusted`], or [`VerifyError::SignatureInvalid`] if the trusted certificate takes the place of the
/// signer's and has another key.
pub(crate) fn accepts(anchor: &TrustAnchor, signer: &TrustAnchor, dates: Dates) -> Result<(), VerifyError> {
    let included: Vec<_> = signer.included().cloned().collect();
    let (trusted_first, first) = (anchor.first().fields(), signer.first().fields());
    let is_same =
        name::same(&trusted_first.issuer, &first.issuer) && trusted_first.serial_number == first.serial_number;
    let certificate = if is_same { anchor.first() } else { signer.first() };
    if !certificate.key_is_of(signer.first()) {
        return Err(VerifyError::SignatureInvalid { subject: certificate.subject() });
    }
    trusted(certificate, &included, anchor, dates)
}

fn trusted(
    certificate: &Certificate,
    included: &[Certificate],
    anchor: &TrustAnchor,
    dates: Dates,
) -> Result<(), VerifyError> {
    let problems = chain::follow(certificate, included, anchor.certificates(), dates).problems;
    match problems.is_empty() {
        true => Ok(()),
        false => Err(VerifyError::Untrusted { subject: certificate.subject(), problems }),
    }
}

/// Content inside the signature is unusual; swupd ignores it, here it must at least agree.
fn check_embedded(signed: &SignedData, content: &[u8]) -> Result<(), VerifyError> {
    let Some(embedded) = &signed.content.econtent else { return Ok(()) };
    let embedded: OctetStringRef<'_> = embedded.decode_as().map_err(malformed)?;
    if embedded.as_bytes() == content { Ok(()) } else { Err(VerifyError::OtherContentEmbedded) }
}

fn certificate_of<'a>(
    signer: &SignerInfo,
    anchor: &'a TrustAnchor,
    included: &'a [Certificate],
) -> Result<&'a Certificate, VerifyError> {
    let SignerIdentifier::IssuerAndSerialNumber(wanted) = &signer.sid else {
        return Err(VerifyError::SignerByKeyIdentifier);
    };
    // swupd offers only the first certificate of its file to the search.
    [anchor.first()]
        .into_iter()
        .chain(included)
        .find(|candidate| {
            name::same(&candidate.fields().issuer, &wanted.issuer)
                && candidate.fields().serial_number == wanted.serial_number
        })
        .ok_or_else(|| VerifyError::SignerUnknown {
            issuer: wanted.issuer.to_string(),
            serial: wanted.serial_number.to_string(),
        })
}

fn check_signer(
    signer: &SignerInfo,
    signed: &SignedData,
    certificate: &Certificate,
    content: &[u8],
) -> Result<(), VerifyError> {
    let unsupported =
        |what, id: ObjectIdentifier| VerifyError::UnsupportedAlgorithm { what, algorithm: id.to_string() };
    if signer.signature_algorithm.oid == ID_RSASSA_PSS {
        return Err(unsupported("signature algorithm", ID_RSASSA_PSS));
    }
    let digest = Digest::from_id(signer.digest_alg.oid)
        .filter(|_| signed.digest_algorithms.iter().any(|listed| listed.oid == signer.digest_alg.oid))
        .ok_or_else(|| unsupported("digest", signer.digest_alg.oid))?;
    let signature = signer.signature.as_bytes();
    let key = &certificate.fields().subject_public_key_info;
    let checked = match &signer.signed_attrs {
        None => check(key, digest, content, signature),
        Some(attributes) => {
            let promised: OctetString = single_attribute(signer, MESSAGE_DIGEST, "message digest")?;
            let about: ObjectIdentifier = single_attribute(signer, CONTENT_TYPE, "content type")?;
            if about != DATA {
                return Err(VerifyError::NotSignedData { found: about.to_string() });
            }
            if promised.as_bytes() != digest.of(content).as_ref() {
                return Err(VerifyError::ContentDiffers);
            }
            // RFC 5652, section 5.4: the attributes are signed as a SET OF, not with their tag in the structure.
            check(key, digest, &attributes.to_der().map_err(malformed)?, signature)
        }
    };
    checked.map_err(|failure| match failure {
        CheckFailure::Unsupported(id) => unsupported("key or signature algorithm", id),
        CheckFailure::Mismatch => VerifyError::SignatureInvalid { subject: certificate.subject() },
    })
}

fn single_attribute<T: for<'a> Decode<'a>>(
    signer: &SignerInfo,
    id: ObjectIdentifier,
    attribute: &'static str,
) -> Result<T, VerifyError> {
    let mut matching = signer.signed_attrs.iter().flat_map(|set| set.iter()).filter(|found| found.oid == id);
    match (matching.next(), matching.next()) {
        (Some(found), None) if found.values.len() == 1 => {
            let value = found.values.get(0).ok_or(VerifyError::Attribute { attribute })?;
            value.to_der().and_then(|der| T::from_der(&der)).map_err(malformed)
        }
        _ => Err(VerifyError::Attribute { attribute }),
    }
}

pub(crate) fn malformed(source: der::Error) -> VerifyError {
    VerifyError::Malformed { source }
}

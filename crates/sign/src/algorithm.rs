//! The digests and signature algorithms of certificates and signatures, by their object identifiers.
//!
//! OpenSSL takes the digest from the signer's digest algorithm and the padding or curve from the key; the signature
//! algorithm written beside them only has to belong to the same family.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self as sig, UnparsedPublicKey, VerificationAlgorithm};
use der::asn1::ObjectIdentifier;
use der::oid::db::rfc5912;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

/// RFC 3279; missing in the table of identifiers.
const ECDSA_WITH_SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.1");

/// A digest that signatures of clients' files may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Digest {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Digest {
    pub(crate) fn from_id(id: ObjectIdentifier) -> Option<Self> {
        match id {
            rfc5912::ID_SHA_1 => Some(Self::Sha1),
            rfc5912::ID_SHA_256 => Some(Self::Sha256),
            rfc5912::ID_SHA_384 => Some(Self::Sha384),
            rfc5912::ID_SHA_512 => Some(Self::Sha512),
            _ => None,
        }
    }

    pub(crate) fn of(self, bytes: &[u8]) -> digest::Digest {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes)
    }
}

/// What a public key can do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Rsa,
    /// RSA restricted to PSS.
    RsaPss,
    P256,
    P384,
    /// Anything else, by the identifier of its algorithm or curve.
    Other(ObjectIdentifier),
}

impl KeyKind {
    pub(crate) fn of(key: &SubjectPublicKeyInfoOwned) -> Self {
        match key.algorithm.oid {
            rfc5912::RSA_ENCRYPTION => Self::Rsa,
            rfc5912::ID_RSASSA_PSS => Self::RsaPss,
            rfc5912::ID_EC_PUBLIC_KEY => {
                let curve = key.algorithm.parameters.as_ref().and_then(|parameters| parameters.decode_as().ok());
                match curve {
                    Some(rfc5912::SECP_256_R_1) => Self::P256,
                    Some(rfc5912::SECP_384_R_1) => Self::P384,
                    Some(other) => Self::Other(other),
                    None => Self::Other(key.algorithm.oid),
                }
            }
            other => Self::Other(other),
        }
    }
}

/// Why [`check`] did not accept a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckFailure {
    /// No verification exists here for this key or algorithm.
    Unsupported(ObjectIdentifier),
    /// The bytes, the key and the signature do not belong together.
    Mismatch,
}

/// Verifies `signature` over `message` with the digest of the signer and the key of its certificate.
pub(crate) fn check(
    key: &SubjectPublicKeyInfoOwned,
    digest: Digest,
    message: &[u8],
    signature: &[u8],
) -> Result<(), CheckFailure> {
    let algorithm: &'static dyn VerificationAlgorithm = match (KeyKind::of(key), digest) {
        (KeyKind::Rsa, Digest::Sha1) => &sig::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        (KeyKind::Rsa, Digest::Sha256) => &sig::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        (KeyKind::Rsa, Digest::Sha384) => &sig::RSA_PKCS1_2048_8192_SHA384,
        (KeyKind::Rsa, Digest::Sha512) => &sig::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        (KeyKind::P256, Digest::Sha1) => &sig::ECDSA_P256_SHA1_ASN1,
        (KeyKind::P256, Digest::Sha256) => &sig::ECDSA_P256_SHA256_ASN1,
        (KeyKind::P256, Digest::Sha384) => &sig::ECDSA_P256_SHA384_ASN1,
        (KeyKind::P256, Digest::Sha512) => &sig::ECDSA_P256_SHA512_ASN1,
        (KeyKind::P384, Digest::Sha256) => &sig::ECDSA_P384_SHA256_ASN1,
        (KeyKind::P384, Digest::Sha384) => &sig::ECDSA_P384_SHA384_ASN1,
        (KeyKind::P384, Digest::Sha512) => &sig::ECDSA_P384_SHA512_ASN1,
        (KeyKind::P384, Digest::Sha1) => return Err(CheckFailure::Unsupported(ECDSA_WITH_SHA_1)),
        (KeyKind::RsaPss, _) => return Err(CheckFailure::Unsupported(rfc5912::ID_RSASSA_PSS)),
        (KeyKind::Other(id), _) => return Err(CheckFailure::Unsupported(id)),
    };
    let key = key.subject_public_key.as_bytes().ok_or(CheckFailure::Mismatch)?;
    UnparsedPublicKey::new(algorithm, key).verify(message, signature).map_err(|_| CheckFailure::Mismatch)
}

/// The digest of an algorithm that names digest and signature together, as the issuer's mark in a certificate does.
pub(crate) fn combined_digest(algorithm: &AlgorithmIdentifierOwned) -> Option<Digest> {
    match algorithm.oid {
        rfc5912::SHA_1_WITH_RSA_ENCRYPTION | ECDSA_WITH_SHA_1 => Some(Digest::Sha1),
        rfc5912::SHA_256_WITH_RSA_ENCRYPTION | rfc5912::ECDSA_WITH_SHA_256 => Some(Digest::Sha256),
        rfc5912::SHA_384_WITH_RSA_ENCRYPTION | rfc5912::ECDSA_WITH_SHA_384 => Some(Digest::Sha384),
        rfc5912::SHA_512_WITH_RSA_ENCRYPTION | rfc5912::ECDSA_WITH_SHA_512 => Some(Digest::Sha512),
        _ => None,
    }
}

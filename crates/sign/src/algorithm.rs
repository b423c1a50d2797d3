//! The digests and signature algorithms of certificates and signatures, by their object identifiers.
//!
//! OpenSSL takes the digest from the signer's digest algorithm and the padding or curve from the key; the signature
//! algorithm in the structure only has to belong to the same family.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self as sig, RsaParameters, UnparsedPublicKey, VerificationAlgorithm};
use der::asn1::ObjectIdentifier;
use der::oid::db::rfc5912;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

/// RFC 3279; missing in the table of identifiers.
const ECDSA_WITH_SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.1");
/// Where all signature algorithms of RSA stand.
const PKCS_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1");
/// The curve of SEC 2, likewise missing.
const SECP_256_K_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");

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

    pub(crate) const fn id(self) -> ObjectIdentifier {
        match self {
            Self::Sha1 => rfc5912::ID_SHA_1,
            Self::Sha256 => rfc5912::ID_SHA_256,
            Self::Sha384 => rfc5912::ID_SHA_384,
            Self::Sha512 => rfc5912::ID_SHA_512,
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

/// Smaller RSA keys are a warning: clients take them, and they are within reach of being broken.
pub(crate) const WEAK_RSA_BITS: u32 = 2048;

/// The sizes of RSA keys that are verified here.
pub(crate) const RSA_BITS: std::ops::RangeInclusive<u32> = 1024..=8192;

/// What a public key can do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// By the size of its modulus; 0 if that cannot be read.
    Rsa {
        bits: u32,
    },
    /// RSA restricted to PSS.
    RsaPss,
    P256,
    P384,
    P521,
    Secp256k1,
    /// Anything else, by the identifier of its algorithm or curve.
    Other(ObjectIdentifier),
}

impl KeyKind {
    pub(crate) fn of(key: &SubjectPublicKeyInfoOwned) -> Self {
        match key.algorithm.oid {
            rfc5912::RSA_ENCRYPTION => {
                let modulus = key.subject_public_key.as_bytes().map(RsaParameters::public_modulus_len);
                Self::Rsa { bits: modulus.and_then(Result::ok).unwrap_or(0) }
            }
            rfc5912::ID_RSASSA_PSS => Self::RsaPss,
            rfc5912::ID_EC_PUBLIC_KEY => {
                let curve = key.algorithm.parameters.as_ref().and_then(|parameters| parameters.decode_as().ok());
                match curve {
                    Some(rfc5912::SECP_256_R_1) => Self::P256,
                    Some(rfc5912::SECP_384_R_1) => Self::P384,
                    Some(rfc5912::SECP_521_R_1) => Self::P521,
                    Some(SECP_256_K_1) => Self::Secp256k1,
                    Some(other) => Self::Other(other),
                    None => Self::Other(key.algorithm.oid),
                }
            }
            other => Self::Other(other),
        }
    }

    /// True if signatures of such keys can be verified here.
    pub(crate) fn is_supported(self) -> bool {
        match self {
            Self::Rsa { bits } => RSA_BITS.contains(&bits),
            Self::P256 | Self::P384 | Self::P521 | Self::Secp256k1 => true,
            Self::RsaPss | Self::Other(_) => false,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::RsaPss => f.write_str("RSA-PSS"),
            Self::P256 => f.write_str("EC P-256"),
            Self::P384 => f.write_str("EC P-384"),
            Self::P521 => f.write_str("EC P-521"),
            Self::Secp256k1 => f.write_str("EC secp256k1"),
            Self::Other(id) => id.fmt(f),
        }
    }
}

/// True if a key of this kind can make signatures of this algorithm, in the eyes of OpenSSL when it looks for an
/// issuer.
pub(crate) fn signs_with(key: KeyKind, algorithm: &AlgorithmIdentifierOwned) -> bool {
    let is_elliptic = match algorithm.oid {
        rfc5912::ECDSA_WITH_SHA_224
        | rfc5912::ECDSA_WITH_SHA_256
        | rfc5912::ECDSA_WITH_SHA_384
        | rfc5912::ECDSA_WITH_SHA_512
        | ECDSA_WITH_SHA_1 => true,
        id if id.parent() == Some(PKCS_1) => false,
        _ => return true,
    };
    match key {
        KeyKind::Rsa { .. } | KeyKind::RsaPss => !is_elliptic,
        KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::Secp256k1 => is_elliptic,
        KeyKind::Other(_) => true,
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
        (kind, _) if !kind.is_supported() => return Err(CheckFailure::Unsupported(key.algorithm.oid)),
        (KeyKind::Rsa { .. }, Digest::Sha1) => &sig::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        (KeyKind::Rsa { .. }, Digest::Sha256) => &sig::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        (KeyKind::Rsa { bits: ..2048 }, Digest::Sha384) => return Err(CheckFailure::Unsupported(digest.id())),
        (KeyKind::Rsa { .. }, Digest::Sha384) => &sig::RSA_PKCS1_2048_8192_SHA384,
        (KeyKind::Rsa { .. }, Digest::Sha512) => &sig::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        (KeyKind::P256, Digest::Sha1) => &sig::ECDSA_P256_SHA1_ASN1,
        (KeyKind::P256, Digest::Sha256) => &sig::ECDSA_P256_SHA256_ASN1,
        (KeyKind::P256, Digest::Sha384) => &sig::ECDSA_P256_SHA384_ASN1,
        (KeyKind::P256, Digest::Sha512) => &sig::ECDSA_P256_SHA512_ASN1,
        (KeyKind::P384, Digest::Sha256) => &sig::ECDSA_P384_SHA256_ASN1,
        (KeyKind::P384, Digest::Sha384) => &sig::ECDSA_P384_SHA384_ASN1,
        (KeyKind::P384, Digest::Sha512) => &sig::ECDSA_P384_SHA512_ASN1,
        (KeyKind::P521, Digest::Sha1) => &sig::ECDSA_P521_SHA1_ASN1,
        (KeyKind::P521, Digest::Sha256) => &sig::ECDSA_P521_SHA256_ASN1,
        (KeyKind::P521, Digest::Sha384) => &sig::ECDSA_P521_SHA384_ASN1,
        (KeyKind::P521, Digest::Sha512) => &sig::ECDSA_P521_SHA512_ASN1,
        (KeyKind::Secp256k1, Digest::Sha256) => &sig::ECDSA_P256K1_SHA256_ASN1,
        (KeyKind::P384 | KeyKind::Secp256k1, digest) => return Err(CheckFailure::Unsupported(digest.id())),
        (KeyKind::RsaPss | KeyKind::Other(_), _) => return Err(CheckFailure::Unsupported(key.algorithm.oid)),
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

//! Private keys from PEM text.
//!
//! ```text
//! PRIVATE KEY             PKCS#8, RSA or EC
//! ENCRYPTED PRIVATE KEY   PKCS#8 encrypted with PBES2 (PBKDF2, AES-CBC)
//! RSA PRIVATE KEY         PKCS#1, what mixer writes
//! EC PRIVATE KEY          SEC1
//! ```
//!
//! Always true: a key that is here can sign, and neither its `Debug` output nor any error shows its parts.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{self as sig, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _, RSA_PKCS1_SHA256};
use der::Decode;
use der::asn1::{Any, ObjectIdentifier};
use der::oid::db::rfc5912;
use pem::Pem;
use pkcs8::PrivateKeyInfo;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use zeroize::Zeroizing;

use crate::SignError;
use crate::algorithm::{Digest, KeyKind};
use crate::encryption;

/// A private key that signs.
pub struct PrivateKey(Kind);

enum Kind {
    Rsa(RsaKeyPair),
    Ec { curve: &'static Curve, pair: EcdsaKeyPair },
}

/// A curve that keys may be of, and the digest that it signs with.
struct Curve {
    kind: KeyKind,
    digest: Digest,
    signature: ObjectIdentifier,
    algorithm: &'static EcdsaSigningAlgorithm,
}

/// The curves, the usual first. A key says which one it is of by being accepted.
static CURVES: [Curve; 4] = [
    Curve {
        kind: KeyKind::P256,
        digest: Digest::Sha256,
        signature: rfc5912::ECDSA_WITH_SHA_256,
        algorithm: &sig::ECDSA_P256_SHA256_ASN1_SIGNING,
    },
    Curve {
        kind: KeyKind::P384,
        digest: Digest::Sha384,
        signature: rfc5912::ECDSA_WITH_SHA_384,
        algorithm: &sig::ECDSA_P384_SHA384_ASN1_SIGNING,
    },
    Curve {
        kind: KeyKind::P521,
        digest: Digest::Sha512,
        signature: rfc5912::ECDSA_WITH_SHA_512,
        algorithm: &sig::ECDSA_P521_SHA512_ASN1_SIGNING,
    },
    Curve {
        kind: KeyKind::Secp256k1,
        digest: Digest::Sha256,
        signature: rfc5912::ECDSA_WITH_SHA_256,
        algorithm: &sig::ECDSA_P256K1_SHA256_ASN1_SIGNING,
    },
];

impl PrivateKey {
    /// The first private key of PEM text; other blocks and text around them are skipped.
    ///
    /// `passphrase` is used only when the key is encrypted.
    ///
    /// # Errors
    /// Every variant of [`SignError`] for which [`SignError::concerns_key`] is true, and [`SignError::Pem`].
    pub fn from_pem(pem: impl AsRef<[u8]>, passphrase: Option<&str>) -> Result<Self, SignError> {
        let blocks = pem::parse_many(pem).map_err(SignError::Pem)?;
        for block in blocks {
            let obsolete = block.headers().iter().any(|(name, _)| matches!(name, "Proc-Type" | "DEK-Info"));
            let form = block.tag().to_owned();
            let der = contents(block);
            match form.as_str() {
                "RSA PRIVATE KEY" | "EC PRIVATE KEY" if obsolete => return Err(SignError::ObsoleteKeyEncryption),
                "PRIVATE KEY" => return Self::from_pkcs8(&der),
                "RSA PRIVATE KEY" => return Self::from_rsa(RsaKeyPair::from_der(&der)),
                "EC PRIVATE KEY" => return Self::from_ec(&der),
                "ENCRYPTED PRIVATE KEY" => {
                    let passphrase = passphrase.ok_or(SignError::PassphraseMissing)?;
                    return match Self::from_pkcs8(&encryption::decrypt(&der, passphrase)?) {
                        // One wrong passphrase in 256 leaves padding that looks right, and noise instead of a key.
                        Err(SignError::UnusableKey { reason }) if reason == NOT_PKCS8 => {
                            Err(SignError::PassphraseWrong)
                        }
                        other => other,
                    };
                }
                _ => {}
            }
        }
        Err(SignError::NoPrivateKey)
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, SignError> {
        let unusable = |reason: &str| SignError::UnusableKey { reason: reason.to_owned() };
        let info = PrivateKeyInfo::from_der(der).map_err(|_| unusable(NOT_PKCS8))?;
        match info.algorithm.oid {
            rfc5912::RSA_ENCRYPTION => Self::from_rsa(RsaKeyPair::from_pkcs8(der)),
            rfc5912::ID_EC_PUBLIC_KEY => Self::from_ec(der),
            rfc5912::ID_RSASSA_PSS => Err(unusable("restricted to RSA-PSS")),
            other => Err(unusable(&format!("algorithm {other}"))),
        }
    }

    fn from_rsa(key: Result<RsaKeyPair, impl fmt::Display>) -> Result<Self, SignError> {
        match key {
            Ok(key) => Ok(Self(Kind::Rsa(key))),
            Err(reason) => Err(SignError::UnusableKey { reason: format!("RSA key rejected: {reason}") }),
        }
    }

    fn from_ec(der: &[u8]) -> Result<Self, SignError> {
        let keys = CURVES.iter().filter_map(|curve| {
            let pair = EcdsaKeyPair::from_private_key_der(curve.algorithm, der).ok()?;
            Some(Self(Kind::Ec { curve, pair }))
        });
        let unusable = || SignError::UnusableKey { reason: "EC key damaged, or of another curve".to_owned() };
        keys.into_iter().next().ok_or_else(unusable)
    }

    pub(crate) fn from_new_rsa(key: RsaKeyPair) -> Self {
        Self(Kind::Rsa(key))
    }

    /// The digest that it signs with.
    pub(crate) fn digest(&self) -> Digest {
        match &self.0 {
            Kind::Rsa(_) => Digest::Sha256,
            Kind::Ec { curve, .. } => curve.digest,
        }
    }

    /// How a signer of PKCS#7 names key and padding. As OpenSSL's smime writes it: RSA without the digest, ECDSA with
    /// it.
    pub(crate) fn signer_algorithm(&self) -> AlgorithmIdentifierOwned {
        self.algorithm(rfc5912::RSA_ENCRYPTION)
    }

    /// How a certificate names what it is signed with.
    pub(crate) fn certificate_algorithm(&self) -> AlgorithmIdentifierOwned {
        self.algorithm(rfc5912::SHA_256_WITH_RSA_ENCRYPTION)
    }

    fn algorithm(&self, of_rsa: ObjectIdentifier) -> AlgorithmIdentifierOwned {
        match &self.0 {
            Kind::Rsa(_) => AlgorithmIdentifierOwned { oid: of_rsa, parameters: Some(Any::null()) },
            Kind::Ec { curve, .. } => AlgorithmIdentifierOwned { oid: curve.signature, parameters: None },
        }
    }

    /// The public key as in the bit string of a certificate.
    pub(crate) fn public_key(&self) -> &[u8] {
        match &self.0 {
            Kind::Rsa(key) => key.public_key().as_ref(),
            Kind::Ec { pair, .. } => pair.public_key().as_ref(),
        }
    }

    /// True when a certificate with this public key belongs to the private key.
    pub(crate) fn belongs_to(&self, certified: &SubjectPublicKeyInfoOwned) -> bool {
        let is_of_kind = match (&self.0, KeyKind::of(certified)) {
            (Kind::Rsa(_), kind) => matches!(kind, KeyKind::Rsa { .. }),
            (Kind::Ec { curve, .. }, kind) => curve.kind == kind,
        };
        is_of_kind && certified.subject_public_key.as_bytes() == Some(self.public_key())
    }

    /// Signs with [`PrivateKey::digest`]: PKCS#1 v1.5 with RSA (same bytes every time), ECDSA in DER with EC (different
    /// every time).
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let failed = |_| SignError::Crypto { what: "sign" };
        let random = SystemRandom::new();
        match &self.0 {
            Kind::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            Kind::Ec { pair, .. } => Ok(pair.sign(&random, message).map_err(failed)?.as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Rsa(_) => f.write_str("PrivateKey(RSA, ..)"),
            Kind::Ec { curve, .. } => write!(f, "PrivateKey({}, ..)", curve.kind),
        }
    }
}

const NOT_PKCS8: &str = "not a PKCS#8 structure";

fn contents(block: Pem) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(block.into_contents())
}

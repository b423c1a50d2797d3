//! Private keys from PEM text.
//!
//! ```text
//! PRIVATE KEY             PKCS#8, RSA or EC P-256
//! ENCRYPTED PRIVATE KEY   PKCS#8 encrypted with PBES2 (PBKDF2, AES-CBC)
//! RSA PRIVATE KEY         PKCS#1, what mixer writes
//! EC PRIVATE KEY          SEC1, EC P-256
//! ```
//!
//! Always true: a key that is here can sign, and neither its `Debug` output nor any error shows its parts.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use der::Decode;
use der::oid::db::rfc5912;
use pem::Pem;
use pkcs8::PrivateKeyInfo;
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use zeroize::Zeroizing;

use crate::SignError;
use crate::algorithm::KeyKind;
use crate::encryption;

/// A private key for signatures with SHA-256.
pub struct PrivateKey(Kind);

enum Kind {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

impl PrivateKey {
    /// The first private key of PEM text; other blocks and text around them are skipped.
    ///
    /// `passphrase` is used only when the key is encrypted.
    ///
    /// # Errors
    /// Every variant of [`SignError`] for which [`SignError::concerns_key`] holds, and [`SignError::Pem`].
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
                "EC PRIVATE KEY" => {
                    return Self::from_ec(EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, &der));
                }
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
            rfc5912::ID_EC_PUBLIC_KEY => {
                Self::from_ec(EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der))
            }
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

    fn from_ec(key: Result<EcdsaKeyPair, impl fmt::Display>) -> Result<Self, SignError> {
        match key {
            Ok(key) => Ok(Self(Kind::P256(key))),
            Err(reason) => Err(SignError::UnusableKey { reason: format!("EC key rejected: {reason}") }),
        }
    }

    pub(crate) fn from_new_rsa(key: RsaKeyPair) -> Self {
        Self(Kind::Rsa(key))
    }

    pub(crate) fn kind(&self) -> KeyKind {
        match &self.0 {
            Kind::Rsa(_) => KeyKind::Rsa,
            Kind::P256(_) => KeyKind::P256,
        }
    }

    /// The public half as it stands in the bit string of a certificate.
    pub(crate) fn public_key(&self) -> &[u8] {
        match &self.0 {
            Kind::Rsa(key) => key.public_key().as_ref(),
            Kind::P256(key) => key.public_key().as_ref(),
        }
    }

    /// True when a certificate with this public key belongs to the private key.
    pub(crate) fn belongs_to(&self, certified: &SubjectPublicKeyInfoOwned) -> bool {
        KeyKind::of(certified) == self.kind() && certified.subject_public_key.as_bytes() == Some(self.public_key())
    }

    /// Signs with SHA-256: PKCS#1 v1.5 with RSA (same bytes every time), ECDSA in DER with EC (different every time).
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let failed = |_| SignError::Crypto { what: "sign" };
        let random = SystemRandom::new();
        match &self.0 {
            Kind::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            Kind::P256(key) => Ok(key.sign(&random, message).map_err(failed)?.as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Rsa(_) => "RSA",
            Kind::P256(_) => "EC P-256",
        };
        write!(f, "PrivateKey({kind}, ..)")
    }
}

const NOT_PKCS8: &str = "not a PKCS#8 structure";

fn contents(block: Pem) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(block.into_contents())
}

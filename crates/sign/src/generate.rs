//! New keys and self-signed certificates with the properties that swupd demands.
//!
//! ```text
//! X.509 v3, SHA-256 with RSA, subject = issuer = O=<organisation>, random serial number of 127 bits
//! key usage (critical)          digitalSignature, keyCertSign, cRLSign
//! extended key usage            codeSigning
//! basic constraints (critical)  CA:FALSE
//! subject and authority key identifier
//! ```
//!
//! As mixer makes them (mixer workspace §7), but for two things. The validity: mixer's single year stranded whole
//! fleets, because endpoints refuse everything once their only certificate has expired. The key identifiers: without
//! them, of two certificates of one name in one file, endpoints find only the first.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::{digest, rand};
use der::asn1::{Any, BitString, GeneralizedTime, OctetString, SetOfVec, UtcTime, Utf8StringRef};
use der::oid::AssociatedOid;
use der::oid::db::{rfc4519, rfc5280, rfc5912};
use der::{DateTime, Encode};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::name::{Name, RelativeDistinguishedName};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};
use x509_cert::{TbsCertificate, Version};
use zeroize::Zeroizing;

use crate::SignError;
use crate::certificate::{Certificate, encode_pem};
use crate::encryption;
use crate::key::PrivateKey;

const SECONDS_PER_DAY: i64 = 86_400;

/// Ten years, with their leap days.
pub const DEFAULT_VALIDITY_DAYS: u32 = 3652;

/// Longer validities are more likely a slip than a wish.
const MAX_VALIDITY_DAYS: u32 = 36_500;

/// Size of a new RSA key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyBits {
    /// 2048 bits: quick to make, for tests.
    Rsa2048,
    /// 3072 bits.
    Rsa3072,
    /// 4096 bits.
    #[default]
    Rsa4096,
}

/// Choices for [`generate`].
#[derive(Clone)]
pub struct GenerateOptions {
    /// Organisation, the only part of subject and issuer: 1 to 64 characters.
    pub organisation: String,
    /// Days of validity from now, 1 to 36500.
    pub validity_days: u32,
    /// Size of the key.
    pub bits: KeyBits,
    /// Encrypts the private key when given.
    pub passphrase: Option<Zeroizing<String>>,
}

impl GenerateOptions {
    /// Ten years, 4096 bits, no encryption.
    pub fn new(organisation: impl Into<String>) -> Self {
        Self {
            organisation: organisation.into(),
            validity_days: DEFAULT_VALIDITY_DAYS,
            bits: KeyBits::default(),
            passphrase: None,
        }
    }
}

impl fmt::Debug for GenerateOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GenerateOptions")
            .field("organisation", &self.organisation)
            .field("validity_days", &self.validity_days)
            .field("bits", &self.bits)
            .field("encrypted", &self.passphrase.is_some())
            .finish()
    }
}

/// A new key and its certificate.
pub struct Generated {
    /// `PRIVATE KEY` or `ENCRYPTED PRIVATE KEY` (PKCS#8). Write it with mode 0600.
    pub key_pem: Zeroizing<String>,
    /// `CERTIFICATE`; also what endpoints install as their trust anchor.
    pub certificate_pem: String,
}

impl fmt::Debug for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generated").field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}

/// Makes a key and a self-signed certificate, valid from a day before `now` (Unix seconds).
///
/// The day before covers endpoints whose clocks are behind: they refuse a certificate that is not yet valid.
///
/// # Errors
/// [`SignError::Organisation`], [`SignError::Validity`] or [`SignError::PassphraseEmpty`] for a bad option.
pub fn generate(options: &GenerateOptions, now: i64) -> Result<Generated, SignError> {
    if options.passphrase.as_ref().is_some_and(|passphrase| passphrase.is_empty()) {
        return Err(SignError::PassphraseEmpty);
    }
    let name = name(&options.organisation)?;
    let validity = validity(options.validity_days, now)?;
    let failed = |_| SignError::Crypto { what: "make a private key" };
    let size = match options.bits {
        KeyBits::Rsa2048 => KeySize::Rsa2048,
        KeyBits::Rsa3072 => KeySize::Rsa3072,
        KeyBits::Rsa4096 => KeySize::Rsa4096,
    };
    let pair = KeyPair::generate(size).map_err(failed)?;
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
    let key_pem = match &options.passphrase {
        Some(passphrase) => encode_pem("ENCRYPTED PRIVATE KEY", &encryption::encrypt(pkcs8.as_ref(), passphrase)?),
        None => encode_pem("PRIVATE KEY", pkcs8.as_ref()),
    };
    let der = certificate(name, validity, &PrivateKey::from_new_rsa(pair))?;
    Ok(Generated { key_pem: Zeroizing::new(key_pem), certificate_pem: encode_pem("CERTIFICATE", &der) })
}

/// PEM of `certificate` with its end `validity_days` after `now` (Unix seconds), and everything else as it is: key,
/// names, serial number, beginning.
///
/// Endpoints that trust either of the two take signatures of both, old ones and new ones: a signer is found by issuer
/// and serial number (client behaviour §6). So it can be released at any time before the end, and every endpoint
/// follows.
///
/// # Errors
/// [`SignError::KeyMismatch`], [`SignError::NotSelfSigned`], or [`SignError::Validity`].
pub fn renew(certificate: &Certificate, key: &PrivateKey, validity_days: u32, now: i64) -> Result<String, SignError> {
    if !key.belongs_to(&certificate.fields().subject_public_key_info) {
        return Err(SignError::KeyMismatch { subject: certificate.subject() });
    }
    if !certificate.is_self_signed() {
        return Err(SignError::NotSelfSigned { subject: certificate.subject(), issuer: certificate.issuer() });
    }
    let mut fields = certificate.fields().clone();
    fields.validity.not_after = validity(validity_days, now)?.not_after;
    fields.signature = key.certificate_algorithm();
    Ok(encode_pem("CERTIFICATE", &sign(fields, key)?))
}

fn certificate(name: Name, validity: Validity, key: &PrivateKey) -> Result<Vec<u8>, SignError> {
    let algorithm = |oid| AlgorithmIdentifierOwned { oid, parameters: Some(Any::null()) };
    let fields = TbsCertificate {
        version: Version::V3,
        serial_number: random_serial()?,
        signature: key.certificate_algorithm(),
        issuer: name.clone(),
        validity,
        subject: name,
        subject_public_key_info: SubjectPublicKeyInfoOwned {
            algorithm: algorithm(rfc5912::RSA_ENCRYPTION),
            subject_public_key: BitString::from_bytes(key.public_key()).map_err(encode)?,
        },
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(extensions(key).map_err(encode)?),
    };
    sign(fields, key)
}

/// The DER of a certificate, signed by its own key.
fn sign(fields: TbsCertificate, key: &PrivateKey) -> Result<Vec<u8>, SignError> {
    let signature = key.sign(&fields.to_der().map_err(encode)?)?;
    let certificate = x509_cert::Certificate {
        signature_algorithm: fields.signature.clone(),
        tbs_certificate: fields,
        signature: BitString::from_bytes(&signature).map_err(encode)?,
    };
    certificate.to_der().map_err(encode)
}

fn extensions(key: &PrivateKey) -> der::Result<Vec<Extension>> {
    // RFC 7093, method 1.
    let identifier = OctetString::new(&digest::digest(&digest::SHA256, key.public_key()).as_ref()[..20])?;
    let authority = AuthorityKeyIdentifier { key_identifier: Some(identifier.clone()), ..Default::default() };

    let usage = KeyUsage(KeyUsages::DigitalSignature | KeyUsages::KeyCertSign | KeyUsages::CRLSign);
    let purpose = ExtendedKeyUsage(vec![rfc5280::ID_KP_CODE_SIGNING]);
    let constraints = BasicConstraints { ca: false, path_len_constraint: None };
    let extension = |extn_id, critical, value: Vec<u8>| -> der::Result<Extension> {
        Ok(Extension { extn_id, critical, extn_value: OctetString::new(value)? })
    };
    Ok(vec![
        extension(KeyUsage::OID, true, usage.to_der()?)?,
        extension(ExtendedKeyUsage::OID, false, purpose.to_der()?)?,
        extension(BasicConstraints::OID, true, constraints.to_der()?)?,
        extension(SubjectKeyIdentifier::OID, false, SubjectKeyIdentifier(identifier).to_der()?)?,
        extension(AuthorityKeyIdentifier::OID, false, authority.to_der()?)?,
    ])
}

fn name(organisation: &str) -> Result<Name, SignError> {
    let length = organisation.chars().count();
    if !(1..=64).contains(&length) || organisation.chars().any(char::is_control) {
        return Err(SignError::Organisation { name: organisation.to_owned() });
    }
    let value = Utf8StringRef::new(organisation).and_then(|text| Any::encode_from(&text)).map_err(encode)?;
    let part = AttributeTypeAndValue { oid: rfc4519::O, value };
    let parts = SetOfVec::try_from(vec![part]).map_err(encode)?;
    Ok(Name::from(vec![RelativeDistinguishedName(parts)]))
}

fn validity(days: u32, now: i64) -> Result<Validity, SignError> {
    let refused = SignError::Validity { days };
    if !(1..=MAX_VALIDITY_DAYS).contains(&days) {
        return Err(refused);
    }
    let ends = now.saturating_add(i64::from(days) * SECONDS_PER_DAY);
    match (certificate_time(now.saturating_sub(SECONDS_PER_DAY)), certificate_time(ends)) {
        (Some(not_before), Some(not_after)) => Ok(Validity { not_before, not_after }),
        _ => Err(refused),
    }
}

/// Unix seconds as RFC 5280 and RFC 5652 want them written: two digits of the year until 2049, four after.
pub(crate) fn certificate_time(unix_seconds: i64) -> Option<Time> {
    let time = DateTime::from_unix_duration(Duration::from_secs(u64::try_from(unix_seconds).ok()?)).ok()?;
    match UtcTime::from_date_time(time) {
        Ok(short) => Some(Time::UtcTime(short)),
        Err(_) => Some(Time::GeneralTime(GeneralizedTime::from_date_time(time))),
    }
}

fn random_serial() -> Result<SerialNumber, SignError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| SignError::Crypto { what: "make a serial number" })?;
    // Positive, and of full length in every case.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::new(&bytes).map_err(encode)
}

fn encode(source: der::Error) -> SignError {
    SignError::Encode { what: "a certificate", source }
}

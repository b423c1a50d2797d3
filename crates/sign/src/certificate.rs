//! One X.509 certificate: its original bytes and the fields that matter to swupd.
//!
//! Always true: [`Certificate::der`] is what was read, byte for byte; the structure parses as RFC 5280 has it.
//! Elsewhere: whether swupd would trust it is [`fitness`](crate::fitness()); files of several are
//! [`TrustAnchor`](crate::TrustAnchor).

use std::fmt;
use std::ops::Range;

use aws_lc_rs::digest;
use der::asn1::ObjectIdentifier;
use der::{Decode, Encode, Header, Reader, SliceReader};
use pem::{EncodeConfig, LineEnding, Pem};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, KeyUsage, SubjectKeyIdentifier};

use crate::SignError;
use crate::algorithm::{KeyKind, RSA_BITS, WEAK_RSA_BITS, signs_with};
use crate::anchor::TrustAnchor;
use crate::name;

const SECONDS_PER_DAY: i64 = 86_400;

/// An X.509 certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    /// The range in `der` that the issuer signed.
    to_be_signed: Range<usize>,
    fields: x509_cert::Certificate,
}

impl Certificate {
    /// The first certificate of PEM text; text around it is skipped, further certificates must be well formed.
    ///
    /// Keep the whole file with [`TrustAnchor::from_pem`] when the certificate was issued by another one.
    ///
    /// # Errors
    /// [`SignError::NoCertificate`], [`SignError::Pem`] or [`SignError::MalformedCertificate`].
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, SignError> {
        Ok(TrustAnchor::from_pem(pem)?.first().clone())
    }

    /// Reads the DER structure.
    ///
    /// # Errors
    /// The decoder's, when the bytes are not exactly one certificate.
    pub fn from_der(der: &[u8]) -> Result<Self, der::Error> {
        let fields = x509_cert::Certificate::from_der(der)?;
        let mut reader = SliceReader::new(der)?;
        let outer = usize::try_from(Header::decode(&mut reader)?.encoded_len()?)?;
        let inner = reader.tlv_bytes()?.len();
        Ok(Self { der: der.to_vec(), to_be_signed: outer..outer + inner, fields })
    }

    /// The DER bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// PEM text of this certificate alone, lines of 64 characters, LF line ends.
    pub fn pem(&self) -> String {
        encode_pem("CERTIFICATE", &self.der)
    }

    /// Start of validity, Unix seconds.
    pub fn not_before(&self) -> i64 {
        seconds(self.fields.tbs_certificate.validity.not_before)
    }

    /// End of validity, Unix seconds. To clients it has expired at this second.
    pub fn not_after(&self) -> i64 {
        seconds(self.fields.tbs_certificate.validity.not_after)
    }

    /// Whole days until [`not_after`](Self::not_after), negative once it is past. `now` is in Unix seconds.
    pub fn days_left(&self, now: i64) -> i64 {
        self.not_after().saturating_sub(now).div_euclid(SECONDS_PER_DAY)
    }

    /// Subject in the notation of RFC 4514, such as `O=Mixer`.
    pub fn subject(&self) -> String {
        self.fields.tbs_certificate.subject.to_string()
    }

    /// Issuer in the notation of RFC 4514.
    pub fn issuer(&self) -> String {
        self.fields.tbs_certificate.issuer.to_string()
    }

    /// Serial number as hexadecimal pairs with colons.
    pub fn serial(&self) -> String {
        self.fields.tbs_certificate.serial_number.to_string()
    }

    /// Kind and size of the key, such as `RSA 4096` or `EC P-256`.
    pub fn key(&self) -> String {
        self.key_kind().to_string()
    }

    /// True if clients and mixer take its key, and only a program like OpenSSL signs with it: RSA of 1024 to 2047 bits.
    pub fn needs_openssl(&self) -> bool {
        matches!(self.key_kind(), KeyKind::Rsa { bits } if RSA_BITS.contains(&bits) && bits < WEAK_RSA_BITS)
    }

    /// SHA-256 of the certificate as lower-case hexadecimal digits; `openssl x509 -fingerprint -sha256` shows the same.
    pub fn fingerprint(&self) -> String {
        digest::digest(&digest::SHA256, &self.der).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// True when both certify the same key.
    pub fn key_is_of(&self, other: &Self) -> bool {
        self.fields().subject_public_key_info == other.fields().subject_public_key_info
    }

    pub(crate) fn key_kind(&self) -> KeyKind {
        KeyKind::of(&self.fields().subject_public_key_info)
    }

    /// True when subject and issuer are the same name.
    pub(crate) fn is_self_issued(&self) -> bool {
        name::same(&self.fields().subject, &self.fields().issuer)
    }

    /// True if it names itself as its issuer, which is how OpenSSL decides that a chain ends here. The
    /// signature is not verified.
    pub fn is_self_signed(&self) -> bool {
        self.is_self_issued() && self.was_likely_issued_by(self)
    }

    /// True when names, key identifiers and the kind of the key leave it open that `issuer` signed this certificate.
    pub(crate) fn was_likely_issued_by(&self, issuer: &Self) -> bool {
        name::same(&issuer.fields().subject, &self.fields().issuer)
            && self.names_as_issuer(issuer)
            && signs_with(issuer.key_kind(), &self.whole().signature_algorithm)
    }

    /// What the authority key identifier says, as far as it is there.
    fn names_as_issuer(&self, issuer: &Self) -> bool {
        let Ok(Some((_, named))) = self.fields().get::<AuthorityKeyIdentifier>() else { return true };
        let key = match issuer.fields().get::<SubjectKeyIdentifier>() {
            Ok(Some((_, key))) => Some(key.0),
            _ => None,
        };
        let serial = &issuer.fields().serial_number;
        let directory = named.authority_cert_issuer.iter().flatten().find_map(|name| match name {
            GeneralName::DirectoryName(name) => Some(name),
            _ => None,
        });
        named.key_identifier.is_none_or(|named| key.is_none_or(|key| key == named))
            && named.authority_cert_serial_number.as_ref().is_none_or(|named| named == serial)
            && directory.is_none_or(|named| name::same(named, &issuer.fields().issuer))
    }

    pub(crate) fn fields(&self) -> &x509_cert::TbsCertificate {
        &self.fields.tbs_certificate
    }

    pub(crate) fn whole(&self) -> &x509_cert::Certificate {
        &self.fields
    }

    /// The bytes that the issuer signed.
    pub(crate) fn to_be_signed(&self) -> &[u8] {
        &self.der[self.to_be_signed.clone()]
    }

    /// May this certificate issue others? The rules OpenSSL applies to everything but the first of a chain.
    pub(crate) fn authority(&self) -> Authority {
        let fields = self.fields();
        let (Ok(constraints), Ok(usage)) = (fields.get::<BasicConstraints>(), fields.get::<KeyUsage>()) else {
            return Authority::Never;
        };
        let may_sign = usage.as_ref().is_none_or(|(_, usage)| usage.key_cert_sign());
        match constraints {
            _ if !may_sign => Authority::Never,
            Some((_, constraints)) if constraints.ca => Authority::Always,
            Some(_) => Authority::Never,
            // Without them a key usage will do, or a root of version 1, which has no extensions at all.
            None if usage.is_some() => Authority::AsRoot,
            None if fields.version == x509_cert::Version::V1 && self.is_self_signed() => Authority::AsRoot,
            None => Authority::Never,
        }
    }

    /// How many certificates may stand between this authority and the end of the chain.
    pub(crate) fn path_length(&self) -> Option<u8> {
        let (_, constraints) = self.fields().get::<BasicConstraints>().ok()??;
        constraints.path_len_constraint
    }

    pub(crate) fn extension(&self, id: ObjectIdentifier) -> Option<&x509_cert::ext::Extension> {
        self.fields().extensions.iter().flatten().find(|extension| extension.extn_id == id)
    }
}

/// Whether a certificate may issue others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authority {
    /// By its basic constraints.
    Always,
    /// Without basic constraints, at the end of a chain only.
    AsRoot,
    /// It may not issue others.
    Never,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject())
            .field("serial", &self.serial())
            .finish_non_exhaustive()
    }
}

pub(crate) fn encode_pem(label: &str, der: &[u8]) -> String {
    pem::encode_config(&Pem::new(label, der), EncodeConfig::new().set_line_ending(LineEnding::LF))
}

fn seconds(time: x509_cert::time::Time) -> i64 {
    i64::try_from(time.to_unix_duration().as_secs()).expect("years up to 9999 fit in 64 bits")
}

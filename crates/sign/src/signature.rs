//! The detached PKCS#7 signature that goes beside `Manifest.MoM`, `latest` and `latest_version`.
//!
//! ```text
//! ContentInfo signedData
//!   version 1, digest SHA-256, content type data without content
//!   certificates   the signer's
//!   signer         issuer and serial number, SHA-256
//!     signed attributes   contentType, signingTime, messageDigest
//!     signature           RSA PKCS#1 v1.5 or ECDSA, over the signed attributes
//! ```
//!
//! Always true: the same content, certificate, RSA key and signing time give the same bytes.

use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedAttributes, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use der::Encode;
use der::asn1::{Any, ObjectIdentifier, OctetString, SetOfVec};
use der::oid::db::{rfc5911, rfc5912};
use x509_cert::attr::Attribute;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;

use crate::SignError;
use crate::algorithm::{Digest, KeyKind};
use crate::certificate::Certificate;
use crate::generate::certificate_time;
use crate::key::PrivateKey;

pub(crate) const CONTENT_TYPE: ObjectIdentifier = rfc5911::ID_CONTENT_TYPE;
pub(crate) const MESSAGE_DIGEST: ObjectIdentifier = rfc5911::ID_MESSAGE_DIGEST;
pub(crate) const DATA: ObjectIdentifier = rfc5911::ID_DATA;
pub(crate) const SIGNED_DATA: ObjectIdentifier = rfc5911::ID_SIGNED_DATA;

/// DER of the signature of `content`. `signing_time` is in Unix seconds.
pub(crate) fn detached(
    content: &[u8],
    signing_time: i64,
    certificate: &Certificate,
    key: &PrivateKey,
) -> Result<Vec<u8>, SignError> {
    let time = certificate_time(signing_time).ok_or(SignError::SigningTime { unix_seconds: signing_time })?;
    let attributes = signed_attributes(content, time).map_err(encode)?;
    let signature = key.sign(&attributes.to_der().map_err(encode)?)?;
    assemble(certificate, key.kind(), attributes, signature).map_err(encode)
}

fn assemble(
    certificate: &Certificate,
    key: KeyKind,
    signed_attributes: SignedAttributes,
    signature: Vec<u8>,
) -> der::Result<Vec<u8>> {
    let digest = AlgorithmIdentifierOwned { oid: rfc5912::ID_SHA_256, parameters: Some(Any::null()) };
    // What OpenSSL's smime writes: RSA without the digest, ECDSA with it.
    let signature_algorithm = match key {
        KeyKind::P256 => AlgorithmIdentifierOwned { oid: rfc5912::ECDSA_WITH_SHA_256, parameters: None },
        _ => AlgorithmIdentifierOwned { oid: rfc5912::RSA_ENCRYPTION, parameters: Some(Any::null()) },
    };
    let signer = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: certificate.fields().issuer.clone(),
            serial_number: certificate.fields().serial_number.clone(),
        }),
        digest_alg: digest.clone(),
        signed_attrs: Some(signed_attributes),
        signature_algorithm,
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    };
    let signed = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: SetOfVec::try_from(vec![digest])?,
        encap_content_info: EncapsulatedContentInfo { econtent_type: DATA, econtent: None },
        certificates: Some(CertificateSet::try_from(vec![CertificateChoices::Certificate(
            certificate.whole().clone(),
        )])?),
        crls: None,
        signer_infos: SignerInfos::try_from(vec![signer])?,
    };
    ContentInfo { content_type: SIGNED_DATA, content: Any::encode_from(&signed)? }.to_der()
}

fn signed_attributes(content: &[u8], time: Time) -> der::Result<SignedAttributes> {
    let digest = OctetString::new(Digest::Sha256.of(content).as_ref())?;
    let attribute =
        |oid, value: Any| -> der::Result<Attribute> { Ok(Attribute { oid, values: SetOfVec::try_from(vec![value])? }) };
    SetOfVec::try_from(vec![
        attribute(CONTENT_TYPE, Any::encode_from(&DATA)?)?,
        attribute(rfc5911::ID_SIGNING_TIME, Any::encode_from(&time)?)?,
        attribute(MESSAGE_DIGEST, Any::encode_from(&digest)?)?,
    ])
}

fn encode(source: der::Error) -> SignError {
    SignError::Encode { what: "a signature", source }
}

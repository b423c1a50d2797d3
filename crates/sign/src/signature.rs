//! The detached PKCS#7 signature of `Manifest.MoM`, `latest` or `latest_version`.
//!
//! ```text
//! ContentInfo signedData
//!   version 1, digest, content type data without content
//!   certificates   the signer's, and those that lead from it to a root, without the root
//!   signer         issuer and serial number, digest: SHA-256, or SHA-384 and SHA-512 for EC P-384 and P-521
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
use der::oid::db::rfc5911;
use x509_cert::attr::Attribute;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;

use crate::SignError;
use crate::algorithm::Digest;
use crate::anchor::TrustAnchor;
use crate::generate::certificate_time;
use crate::key::PrivateKey;

pub(crate) const CONTENT_TYPE: ObjectIdentifier = rfc5911::ID_CONTENT_TYPE;
pub(crate) const MESSAGE_DIGEST: ObjectIdentifier = rfc5911::ID_MESSAGE_DIGEST;
pub(crate) const DATA: ObjectIdentifier = rfc5911::ID_DATA;
pub(crate) const SIGNED_DATA: ObjectIdentifier = rfc5911::ID_SIGNED_DATA;

/// DER of the signature of `content` by the first certificate of `anchor`. `signing_time` is in Unix seconds.
pub(crate) fn detached(
    content: &[u8],
    signing_time: i64,
    anchor: &TrustAnchor,
    key: &PrivateKey,
) -> Result<Vec<u8>, SignError> {
    let time = certificate_time(signing_time).ok_or(SignError::SigningTime { unix_seconds: signing_time })?;
    let attributes = signed_attributes(content, key.digest(), time).map_err(encode)?;
    let signature = key.sign(&attributes.to_der().map_err(encode)?)?;
    assemble(anchor, key, attributes, signature).map_err(encode)
}

fn assemble(
    anchor: &TrustAnchor,
    key: &PrivateKey,
    signed_attributes: SignedAttributes,
    signature: Vec<u8>,
) -> der::Result<Vec<u8>> {
    let digest = AlgorithmIdentifierOwned { oid: key.digest().id(), parameters: Some(Any::null()) };
    let certificate = anchor.first();
    let included = anchor.included().map(|included| CertificateChoices::Certificate(included.whole().clone()));
    let signer = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: certificate.fields().issuer.clone(),
            serial_number: certificate.fields().serial_number.clone(),
        }),
        digest_alg: digest.clone(),
        signed_attrs: Some(signed_attributes),
        signature_algorithm: key.signer_algorithm(),
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    };
    let signed = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: SetOfVec::try_from(vec![digest])?,
        encap_content_info: EncapsulatedContentInfo { econtent_type: DATA, econtent: None },
        certificates: Some(CertificateSet::try_from(included.collect::<Vec<_>>())?),
        crls: None,
        signer_infos: SignerInfos::try_from(vec![signer])?,
    };
    ContentInfo { content_type: SIGNED_DATA, content: Any::encode_from(&signed)? }.to_der()
}

fn signed_attributes(content: &[u8], digest: Digest, time: Time) -> der::Result<SignedAttributes> {
    let digest = OctetString::new(digest.of(content).as_ref())?;
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

//! PKCS#7 SignedData as OpenSSL reads it: certificates in the order in which they stand, and any of them twice.
//!
//! ```text
//! ContentInfo signedData
//!   version, digest algorithms, content
//!   [0] certificates      a SET OF by the standard; OpenSSL writes and reads it as a list, and takes issuers in order
//!   [1] revocation lists  ignored, as in swupd
//!   signers
//! ```

use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{DigestAlgorithmIdentifiers, EncapsulatedContentInfo, SignerInfos};
use der::{Decode, Reader, SliceReader, Tag, Tagged};

use crate::certificate::Certificate;
use crate::signature::{DATA, SIGNED_DATA};
use crate::verify::{MAX_SIGNATURE_BYTES, VerifyError, malformed};

/// A signature file, taken apart.
pub(crate) struct SignedData {
    pub(crate) digest_algorithms: DigestAlgorithmIdentifiers,
    pub(crate) content: EncapsulatedContentInfo,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) signers: SignerInfos,
}

impl SignedData {
    /// Reads the DER of a signature of plain data.
    ///
    /// # Errors
    /// [`VerifyError::Text`], [`VerifyError::TooLarge`], [`VerifyError::Malformed`] or [`VerifyError::NotSignedData`].
    pub(crate) fn parse(signature: &[u8]) -> Result<Self, VerifyError> {
        let text = [&b"-----BEGIN"[..], b"MIME-Version:"];
        if text.iter().any(|start| signature.starts_with(start)) {
            return Err(VerifyError::Text);
        }
        if signature.len() > MAX_SIGNATURE_BYTES {
            return Err(VerifyError::TooLarge { bytes: signature.len() });
        }
        // Not `from_der`, which refuses bytes after the end: swupd does not look there.
        let mut reader = SliceReader::new(signature).map_err(malformed)?;
        let info = ContentInfo::decode(&mut reader).map_err(malformed)?;
        if info.content_type != SIGNED_DATA {
            return Err(VerifyError::NotSignedData { found: info.content_type.to_string() });
        }
        info.content.tag().assert_eq(Tag::Sequence).map_err(malformed)?;
        let signed = Self::read(info.content.value()).map_err(malformed)?;
        if signed.content.econtent_type != DATA {
            return Err(VerifyError::NotSignedData { found: signed.content.econtent_type.to_string() });
        }
        Ok(signed)
    }

    fn read(fields: &[u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(fields)?;
        CmsVersion::decode(&mut reader)?;
        let digest_algorithms = DigestAlgorithmIdentifiers::decode(&mut reader)?;
        let content = EncapsulatedContentInfo::decode(&mut reader)?;
        let mut certificates = Vec::new();
        while let Tag::ContextSpecific { number, .. } = reader.peek_header()?.tag {
            let list = reader.tlv_bytes()?;
            if number.value() == 0 {
                certificates = read_certificates(list)?;
            }
        }
        let signers = SignerInfos::decode(&mut reader)?;
        reader.finish(Self { digest_algorithms, content, certificates, signers })
    }
}

/// The X.509 certificates of a list; other kinds are skipped.
fn read_certificates(list: &[u8]) -> der::Result<Vec<Certificate>> {
    let outer = SliceReader::new(list)?;
    let header = outer.peek_header()?;
    let start = usize::try_from(header.length).map(|length| list.len() - length)?;
    let mut reader = SliceReader::new(&list[start..])?;
    let mut certificates = Vec::new();
    while !reader.is_finished() {
        let is_certificate = reader.peek_header()?.tag == Tag::Sequence;
        let bytes = reader.tlv_bytes()?;
        if is_certificate {
            certificates.push(Certificate::from_der(bytes)?);
        }
    }
    Ok(certificates)
}

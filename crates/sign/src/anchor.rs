//! The PEM file that clients trust and that signing starts from.
//!
//! ```text
//! -----BEGIN CERTIFICATE-----     the first one signs, and must chain to a self-signed one of this file
//! -----END CERTIFICATE-----
//! -----BEGIN CERTIFICATE-----     its issuer, when it is not self-signed; or further trusted certificates
//! …
//! ```
//!
//! On clients this is `/usr/share/clear/update-ca/Swupd_Root.pem` (client behaviour §6).

use crate::SignError;
use crate::certificate::Certificate;

/// The certificates of one PEM file, in order, each once; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustAnchor {
    first: Certificate,
    /// All certificates, the first included.
    certificates: Vec<Certificate>,
}

impl TrustAnchor {
    /// Reads every `CERTIFICATE` block; text and other blocks around them are skipped.
    ///
    /// # Errors
    /// [`SignError::NoCertificate`], [`SignError::Pem`] or [`SignError::MalformedCertificate`].
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, SignError> {
        let blocks = pem::parse_many(pem).map_err(SignError::Pem)?;
        let certificates = blocks
            .iter()
            .filter(|block| matches!(block.tag(), "CERTIFICATE" | "X509 CERTIFICATE"))
            .enumerate()
            .map(|(index, block)| {
                Certificate::from_der(block.contents())
                    .map_err(|source| SignError::MalformedCertificate { position: index + 1, source })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let certificates = each_once(certificates);
        let first = certificates.first().ok_or(SignError::NoCertificate)?.clone();
        Ok(Self { first, certificates })
    }

    /// The certificate that swupd validates at start and looks for as a signer.
    pub fn first(&self) -> &Certificate {
        &self.first
    }

    /// Every certificate of the file, the first included.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// What signatures of the first certificate include, that certificate first: all of the file that is not self-signed.
    /// So clients that have only the root find the way to it.
    pub fn included(&self) -> impl Iterator<Item = &Certificate> {
        let others = self.certificates[1..].iter().filter(|certificate| !certificate.is_self_signed());
        [&self.first].into_iter().chain(others)
    }

    /// PEM text of all certificates in order.
    pub fn pem(&self) -> String {
        self.certificates.iter().map(Certificate::pem).collect()
    }
}

impl From<Certificate> for TrustAnchor {
    fn from(certificate: Certificate) -> Self {
        Self { certificates: vec![certificate.clone()], first: certificate }
    }
}

fn each_once(certificates: Vec<Certificate>) -> Vec<Certificate> {
    let mut seen: Vec<Certificate> = Vec::with_capacity(certificates.len());
    for certificate in certificates {
        if !seen.contains(&certificate) {
            seen.push(certificate);
        }
    }
    seen
}

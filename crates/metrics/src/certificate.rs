//! When certificates expire: a failure that can be predicted years ahead.

use clearwell_sign::{Certificate, SignError};
use prometheus::{IntGaugeVec, Registry};

use crate::family::gauges;
use crate::label::label_values;

label_values! {
    /// What a certificate is for.
    pub enum CertificateUse {
        /// The certificate that endpoints trust.
        Signing = "signing",
        /// The server's TLS certificate.
        Tls = "tls",
    }
}

/// Handles of the certificate metrics.
#[derive(Debug)]
pub struct CertificateMetrics {
    not_after: IntGaugeVec,
}

impl CertificateMetrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        let help = "Unix time at which a certificate ends";
        Self { not_after: gauges(registry, "clearwell_certificate_not_after_seconds", help, &["certificate"]) }
    }

    /// Shows the end of the first certificate of a PEM file.
    ///
    /// # Errors
    /// If the text has none.
    pub fn show(&self, certificate: CertificateUse, pem: &[u8]) -> Result<(), SignError> {
        let first = Certificate::from_pem(pem)?;
        self.not_after.with_label_values(&[certificate.as_str()]).set(first.not_after());
        Ok(())
    }
}

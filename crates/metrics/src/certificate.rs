//! When certificates end: the one failure that can be seen years ahead.

use clearwell_sign::{Certificate, SignError};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::label_value;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CertificateUse {
    /// Signs releases; endpoints carry it, and stop when it ends.
    Signing,
    /// The server's own.
    Tls,
}

impl CertificateUse {
    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Tls => "tls",
        }
    }
}
label_value!(CertificateUse);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CertificateLabels {
    certificate: CertificateUse,
}

/// Handles of everything about certificates.
#[derive(Debug)]
pub struct CertificateMetrics {
    not_after: Family<CertificateLabels, Gauge>,
}

impl CertificateMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let not_after = Family::<CertificateLabels, Gauge>::default();
        registry.register("certificate_not_after_seconds", "Unix time at which a certificate ends", not_after.clone());
        Self { not_after }
    }

    /// Shows the end of the first certificate of a PEM file.
    ///
    /// # Errors
    /// If the text has none.
    pub fn show(&self, certificate: CertificateUse, pem: &[u8]) -> Result<(), SignError> {
        let first = Certificate::from_pem(pem)?;
        self.not_after.get_or_create(&CertificateLabels { certificate }).set(first.not_after());
        Ok(())
    }
}

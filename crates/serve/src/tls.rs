//! TLS: 1.2 and 1.3, HTTP/2 or HTTP/1.1 by ALPN, client certificates where they are configured.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clearwell_metrics::{CertificateUse, Metrics};
use clearwell_store::regular;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier};
use x509_cert::der::Decode as _;

use crate::config::{ClientCertificates, ServeConfig};
use crate::error::ServeError;

/// The TLS side of a listener, from the files that the configuration names.
pub(crate) fn server_config(
    config: &ServeConfig,
    wanted: ClientCertificates,
    metrics: &Metrics,
) -> Result<rustls::ServerConfig, ServeError> {
    let certificate = PemFile::read("tls-certificate", config.tls_certificate.as_ref(), "listen-tls")?;
    let key = PemFile::read("tls-key", config.tls_key.as_ref(), "listen-tls")?;
    certificate.show_end(metrics, CertificateUse::Tls)?;

    let provider = Arc::new(aws_lc_rs::default_provider());
    let private_key = PrivateKeyDer::from_pem_slice(&key.text).map_err(|error| key.unusable("private key", &error))?;
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(ServeError::Tls)?
        .with_client_cert_verifier(client_verifier(config, wanted, provider)?)
        .with_single_cert(certificate.certificates()?, private_key)
        .map_err(ServeError::Tls)?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if wanted == ClientCertificates::None {
        tls.ticketer = aws_lc_rs::Ticketer::new().map_err(ServeError::Tls)?;
        tls.send_tls13_tickets = 1;
    } else {
        // A session that is resumed shows no certificate again, and the one that it began with may have expired since, or
        // its issuer be trusted no longer: each connection shows what is valid today. (Tickets are off by default.)
        tls.session_storage = Arc::new(NoServerSessionStorage {});
        tls.send_tls13_tickets = 0;
    }
    Ok(tls)
}

/// Whom a certificate is for, as people write it.
pub(crate) fn subject(certificate: &CertificateDer<'_>) -> Option<Arc<str>> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    Some(certificate.tbs_certificate.subject.to_string().into())
}

/// Every file that the configuration names, for those who watch them.
pub(crate) fn files(config: &ServeConfig) -> impl Iterator<Item = &PathBuf> {
    let files = [&config.tls_certificate, &config.tls_key, &config.client_ca, &config.signing_certificate];
    files.into_iter().flatten()
}

fn client_verifier(
    config: &ServeConfig,
    wanted: ClientCertificates,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, ServeError> {
    if wanted == ClientCertificates::None {
        return Ok(Arc::new(NoClientAuth));
    }
    let file = PemFile::read("client-ca", config.client_ca.as_ref(), "client-certificates")?;
    let mut roots = RootCertStore::empty();
    for certificate in file.certificates()? {
        roots.add(certificate).map_err(|error| file.unusable("certificate", &error))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = match wanted {
        ClientCertificates::Require => verifier,
        ClientCertificates::Request | ClientCertificates::None => verifier.allow_unauthenticated(),
    };
    verifier.build().map_err(|error| file.unusable("certificate", &error))
}

/// Shows the end of the certificate that endpoints trust, if the configuration names it.
pub(crate) fn show_signing_certificate(config: &ServeConfig, metrics: &Metrics) -> Result<(), ServeError> {
    if config.signing_certificate.is_none() {
        return Ok(());
    }
    PemFile::read("signing-certificate", config.signing_certificate.as_ref(), "it")?
        .show_end(metrics, CertificateUse::Signing)
}

/// Certificates of all authorities of a system take a quarter of it.
const PEM_BYTES: u64 = 1 << 20;

/// A PEM file that a key names.
struct PemFile<'a> {
    key: &'static str,
    path: &'a Path,
    text: Vec<u8>,
}

impl<'a> PemFile<'a> {
    fn read(key: &'static str, path: Option<&'a PathBuf>, needed_by: &'static str) -> Result<Self, ServeError> {
        let path = path.ok_or(ServeError::Missing { missing: key, needed_by })?;
        let text = regular::read_named(path, PEM_BYTES).map_err(|source| ServeError::ReadFile {
            key,
            path: path.clone(),
            source,
        })?;
        Ok(Self { key, path, text })
    }

    fn unusable(&self, wanted: &'static str, reason: &dyn std::error::Error) -> ServeError {
        ServeError::Pem { key: self.key, path: self.path.to_owned(), wanted, reason: reason.to_string() }
    }

    /// One or more.
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, ServeError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.text).collect();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            Ok(_) => Err(self.unusable("certificate", &rustls::pki_types::pem::Error::NoItemsFound)),
            Err(error) => Err(self.unusable("certificate", &error)),
        }
    }

    /// The end of the first certificate, as a metric.
    fn show_end(&self, metrics: &Metrics, certificate: CertificateUse) -> Result<(), ServeError> {
        metrics.certificates.show(certificate, &self.text).map_err(|error| self.unusable("certificate", &error))
    }
}

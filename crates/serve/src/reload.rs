//! Changes while the server runs: configuration and certificates, on request and when their files change.
//!
//! Always true: a configuration that cannot be used changes nothing. Everything is built first and then replaces the current
//! state; open connections continue as they began.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use clearwell_metrics::ReloadKind;

use crate::config::{ClientCertificates, ServeConfig};
use crate::error::ServeError;
use crate::site::Site;
use crate::{preflight, tls};

/// Applies configurations and certificates.
#[derive(Clone, Debug)]
pub struct Reloader {
    site: Arc<Site>,
    listeners: Arc<[TlsListener]>,
}

/// A listener with TLS.
#[derive(Debug)]
pub(crate) struct TlsListener {
    /// Overrides the key `client-certificates` for this listener.
    pub(crate) client_certificates: Option<ClientCertificates>,
    pub(crate) current: Arc<ArcSwap<rustls::ServerConfig>>,
}

impl TlsListener {
    pub(crate) fn make(
        client_certificates: Option<ClientCertificates>,
        config: &ServeConfig,
        site: &Site,
    ) -> Result<rustls::ServerConfig, ServeError> {
        tls::server_config(config, client_certificates.unwrap_or(config.client_certificates), site.metrics())
    }
}

impl Reloader {
    pub(crate) fn new(site: Arc<Site>, listeners: Vec<TlsListener>) -> Self {
        Self { site, listeners: listeners.into() }
    }

    /// Applies `config`, and reads the files that it names again.
    ///
    /// # Errors
    /// What cannot be used, or cannot change while the server runs. The current settings stay; the refusal is counted, and
    /// the access log is reopened as by any other reload: its file may have been rotated.
    pub fn reload(&self, config: ServeConfig) -> Result<(), ServeError> {
        let metrics = self.site.metrics();
        let reloaded = self.try_reload(config);
        match &reloaded {
            Ok(()) => metrics.http.reloaded(),
            Err(error) => {
                metrics.http.reload_refused(error.refused_reload());
                self.site.reopen_access_log();
            }
        }
        reloaded
    }

    /// As [`Reloader::reload`] of a configuration that cannot be used, for one that cannot be read.
    pub fn refuse(&self) {
        self.site.reopen_access_log();
        self.site.metrics().http.reload_refused(ReloadKind::Configuration);
    }

    fn try_reload(&self, config: ServeConfig) -> Result<(), ServeError> {
        let fixed = self.site.settings().config.fixed_keys_that_differ(&config);
        if !fixed.is_empty() {
            return Err(ServeError::FixedKeys(fixed));
        }
        preflight::judge(&config)?;
        let listeners =
            self.listeners.iter().map(|listener| TlsListener::make(listener.client_certificates, &config, &self.site));
        let made = listeners.collect::<Result<Vec<_>, _>>()?;
        tls::show_signing_certificate(&config, self.site.metrics())?;
        self.site.configure(config)?;
        for (listener, made) in self.listeners.iter().zip(made) {
            listener.current.store(Arc::new(made));
        }
        tracing::info!("configuration and certificates applied");
        Ok(())
    }

    /// When the files that the configuration names were last changed; `None` for those that cannot be read. Callers
    /// compare it with an earlier result.
    pub fn file_times(&self) -> Vec<(PathBuf, Option<SystemTime>)> {
        let settings = self.site.settings();
        tls::files(&settings.config).map(|path| (path.clone(), changed(path))).collect()
    }
}

/// When a file was last changed.
pub(crate) fn changed(path: &std::path::Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

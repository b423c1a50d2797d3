//! State derived from the configuration, replaced with it on a reload.

use std::num::NonZeroU32;
use std::sync::Arc;

use clearwell_metrics::Metrics;

use crate::access::AccessLog;
use crate::client::Rate;
use crate::config::ServeConfig;
use crate::error::ServeError;
use crate::watcher::TimeLimits;

/// The configuration and the state derived from it.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) config: ServeConfig,
    pub(crate) time_limits: TimeLimits,
    /// How often a client may ask; no matter without one.
    pub(crate) rate: Option<Rate>,
    pub(crate) access: Arc<AccessLog>,
}

impl Settings {
    /// Opens what the configuration names, and shows the limit of connections, which metrics are compared with.
    pub(crate) fn of(config: ServeConfig, metrics: Arc<Metrics>) -> Result<Self, ServeError> {
        let access = Arc::new(AccessLog::open(&config, Arc::clone(&metrics))?);
        metrics.http.show_connection_limit(config.max_connections.get());
        Ok(Self {
            time_limits: TimeLimits::of(&config),
            rate: NonZeroU32::new(config.requests_per_second_per_address)
                .map(|per_second| Rate::new(per_second, config.request_burst_per_address.get())),
            access,
            config,
        })
    }
}

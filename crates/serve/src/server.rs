//! Start and end of the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clearwell_store::Store;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::config::{Listen, ServeConfig};
use crate::error::ServeError;
use crate::listener::Listener;
use crate::phase::{Phase, PhaseWatch, phases};
use crate::site::Site;
use crate::{admin, tls};

/// How often the store is asked for a new generation when no client asks.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// The content server.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Takes the addresses of `config` and serves `store` on them. To be called within a tokio runtime.
    ///
    /// # Errors
    /// If the store, a certificate, or an address cannot be used. Nothing is left running then.
    pub async fn bind(config: ServeConfig, store: Store) -> Result<Running, ServeError> {
        if config.listen == Listen::Off && config.listen_tls == Listen::Off {
            return Err(ServeError::NoListener);
        }
        let site = Arc::new(Site::open(config.clone(), store)?);
        tls::show_signing_certificate(&config, site.metrics())?;
        let acceptor = match config.listen_tls {
            Listen::Off => None,
            Listen::At(_) => Some(TlsAcceptor::from(tls::server_config(&config, site.metrics())?)),
        };

        let cleartext = listen("listen", config.listen).await?;
        let encrypted = listen("listen-tls", config.listen_tls).await?;
        let admin = listen("admin", config.admin).await?;

        let (phase, watch) = phases();
        let permits = Arc::new(Semaphore::new(config.max_connections.get().min(Semaphore::MAX_PERMITS)));
        let mut running = Running {
            address: cleartext.as_ref().map(|bound| bound.address),
            tls_address: encrypted.as_ref().map(|bound| bound.address),
            admin_address: admin.as_ref().map(|bound| bound.address),
            site: Arc::clone(&site),
            phase,
            listeners: JoinSet::new(),
            helpers: Vec::new(),
        };
        for (bound, tls) in [(cleartext, None), (encrypted, acceptor)] {
            let Some(Bound { socket, address }) = bound else { continue };
            tracing::info!(%address, tls = tls.is_some(), "listening");
            let listener = Listener { socket, tls, permits: Arc::clone(&permits), site: Arc::clone(&site) };
            running.listeners.spawn(listener.run(watch.clone()));
        }
        if let Some(Bound { socket, address }) = admin {
            tracing::info!(%address, "answering metrics and health");
            running.helpers.push(tokio::spawn(admin::run(socket, Arc::clone(&site))));
        }
        running.helpers.push(tokio::spawn(refresh(site, watch)));
        Ok(running)
    }
}

struct Bound {
    socket: TcpListener,
    address: SocketAddr,
}

async fn listen(key: &'static str, listen: Listen) -> Result<Option<Bound>, ServeError> {
    let Listen::At(address) = listen else { return Ok(None) };
    let failed = |source| ServeError::Listen { key, address, source };
    let socket = TcpListener::bind(address).await.map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    Ok(Some(Bound { socket, address }))
}

/// Looks for news until the server closes.
async fn refresh(site: Arc<Site>, mut phase: PhaseWatch) {
    let mut ticks = interval(REFRESH_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = phase.reaches(Phase::Aborting) => return,
            _ = ticks.tick() => site.refresh().await,
        }
    }
}

/// A server that runs. Dropped, it ends at once; [`Running::drain`] ends it gently.
#[derive(Debug)]
pub struct Running {
    address: Option<SocketAddr>,
    tls_address: Option<SocketAddr>,
    admin_address: Option<SocketAddr>,
    site: Arc<Site>,
    phase: watch::Sender<Phase>,
    /// Each returns how many of its connections it had to abort.
    listeners: JoinSet<usize>,
    helpers: Vec<JoinHandle<()>>,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still busy at the deadline.
    pub aborted: usize,
}

impl Running {
    /// Where clients are accepted without TLS.
    pub const fn addr(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Where clients are accepted with TLS.
    pub const fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// Where metrics and health are answered.
    pub const fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// What is served.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Ends the server gently: not ready any more; a grace in which everything still works; no new connections, and
    /// those that rest are closed; what runs may end until the deadline. Grace and deadline are in the configuration.
    pub async fn drain(mut self) -> Drained {
        let config = self.site.config();
        let grace = Duration::from_secs(config.drain_grace_seconds.into());
        let deadline = Duration::from_secs(config.drain_deadline_seconds.into());
        tracing::info!(grace_seconds = grace.as_secs(), deadline_seconds = deadline.as_secs(), "draining");
        self.site.drain();
        sleep(grace).await;

        self.phase.send_replace(Phase::Closing);
        let mut aborted = 0;
        let all_ended = async {
            while let Some(ended) = self.listeners.join_next().await {
                aborted += ended.unwrap_or(0);
            }
        };
        if timeout(deadline, all_ended).await.is_err() {
            self.phase.send_replace(Phase::Aborting);
            while let Some(ended) = self.listeners.join_next().await {
                aborted += ended.unwrap_or(0);
            }
        }
        tracing::info!(aborted, "drained");
        Drained { aborted }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Aborting);
        for helper in &self.helpers {
            helper.abort();
        }
    }
}

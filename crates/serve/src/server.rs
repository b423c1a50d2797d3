//! Start and end of the server.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clearwell_metrics::Metrics;
use clearwell_store::Store;
use tokio::io::Interest;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout_at};

use crate::catalog::Catalog;
use crate::config::{Listen, ServeConfig};
use crate::error::ServeError;
use crate::inherit::Inherited;
use crate::listener::{self, ListenerSettings, OpenListener, SocketOrigin};
use crate::memory::{self, PeakConnections};
use crate::origin::{LocalOrigin, Origin};
use crate::phase::{Phase, PhaseWatch, phases};
use crate::reload::{Reloader, TlsListener};
use crate::site::Site;
use crate::socket::register;
use crate::takeover::HandOver;
use crate::worker::{self, Shared, WorkerListener};
use crate::{admin, capacity, preflight, takeover, tls};

/// How often the origin is asked for a new generation when no client asks for pointers.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// The content server.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Says whether `config` can be used with `store` on this machine. Nothing listens, and no file is made or altered.
    ///
    /// # Errors
    /// Those of [`Server::bind`], except that an address may be in use: mostly by the server that is to be replaced.
    pub fn check(config: &ServeConfig, store: Store) -> Result<(), ServeError> {
        preflight::judge_all(config)?;
        capacity::check(config)?;
        let metrics = Arc::new(Metrics::new());
        Catalog::open(Arc::new(LocalOrigin::new(store)), Arc::clone(&metrics))?;
        tls::show_signing_certificate(config, &metrics)?;
        for listener in config.listen_tls.listeners() {
            tls::server_config(config, listener.client_certificates.unwrap_or(config.client_certificates), &metrics)?;
        }
        Ok(())
    }

    /// Takes the addresses of `config` and serves `store` on them. To be called within a tokio runtime; requests are
    /// served by separate threads.
    ///
    /// # Errors
    /// If the store, a certificate, or an address cannot be used. Then nothing keeps running.
    pub async fn bind(config: ServeConfig, store: Store) -> Result<Running, ServeError> {
        Self::bind_over(config, Arc::new(LocalOrigin::new(store))).await
    }

    /// As [`Server::bind`], with another origin than a store.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub async fn bind_over(config: ServeConfig, origin: Arc<dyn Origin>) -> Result<Running, ServeError> {
        preflight::judge(&config)?;
        capacity::check(&config)?;
        let site = Arc::new(Site::over(config.clone(), origin)?);
        if let Some(bytes) = clearwell_store::memory::allowed_bytes() {
            site.metrics().server.show_memory_limit(bytes);
        }
        tls::show_signing_certificate(&config, site.metrics())?;
        let mut tls_listeners = Vec::new();
        for listener in config.listen_tls.listeners() {
            let made = TlsListener::make(listener.client_certificates, &config, &site)?;
            let current = Arc::new(ArcSwap::from_pointee(made));
            tls_listeners.push(TlsListener { client_certificates: listener.client_certificates, current });
        }

        let takeover_failed =
            |source| ServeError::Takeover { path: config.takeover.clone().unwrap_or_default(), source };
        let (mut inherited, hand_over) = inherit(config.takeover.clone()).await.map_err(takeover_failed)?;
        let workers = match config.workers {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
            workers => workers,
        };
        let configured = [&config.listen, &config.listen_tls, &config.admin].into_iter();
        inherited.close_kept_except(configured.flat_map(|listen| listen.listeners()).map(|listener| &listener.addr));
        let mut open = |key, listeners: &Listen, workers| listener::open_all(key, listeners, workers, &mut inherited);
        let cleartext = open("listen", &config.listen, workers)?;
        let encrypted = open("listen-tls", &config.listen_tls, workers)?;
        let admin = open("admin", &config.admin, 1)?;

        inherited.warn_of_unused();
        let (mut offered, mut kept) = (Vec::new(), Vec::new());
        for listener in [&cleartext, &encrypted, &admin].into_iter().flatten() {
            offered.extend(listener.handles()?.into_iter().map(|socket| (listener.name(), socket)));
            if listener.origin != SocketOrigin::Systemd {
                kept.extend(listener.handles()?);
            }
        }
        let (phase, watch) = phases();
        let address = |listeners: &[OpenListener]| listeners.iter().find_map(|listener| listener.address);
        let mut running = Running {
            address: address(&cleartext),
            tls_address: address(&encrypted),
            admin_address: address(&admin),
            listening: Vec::new(),
            phase,
            workers: Vec::new(),
            admin: Vec::new(),
            helpers: Vec::new(),
            reloader: Reloader::new(Arc::clone(&site), Vec::new()),
            kept,
            took_over: hand_over.is_some(),
            taken_over: Arc::new(Notify::new()),
            site: Arc::clone(&site),
        };
        let shared = Shared::new(Arc::clone(&site), watch.clone());
        let mut listeners = Vec::new();
        for listener in &cleartext {
            listeners.push((
                listener,
                Arc::new(ListenerSettings { proxy_protocol: listener.config.proxy_protocol, tls: None }),
            ));
        }
        for (listener, tls) in encrypted.iter().zip(&tls_listeners) {
            let tls = Some(Arc::clone(&tls.current));
            listeners
                .push((listener, Arc::new(ListenerSettings { proxy_protocol: listener.config.proxy_protocol, tls })));
        }
        for at in 0..workers {
            let mut own = Vec::new();
            for (listener, settings) in &listeners {
                let sockets = listener.sockets_for(at, workers)?.into_iter();
                own.extend(sockets.map(|socket| WorkerListener { socket, settings: Arc::clone(settings) }));
            }
            running.workers.push(worker::start(at, own, Arc::clone(&shared))?);
        }
        for listener in &admin {
            for socket in listener.handles()? {
                let socket = register(socket, Interest::READABLE).map_err(ServeError::Thread)?;
                running.admin.push(tokio::spawn(admin::run(socket, Arc::clone(&site))));
            }
        }
        for (listeners, tls) in [(&cleartext, false), (&encrypted, true), (&admin, false)] {
            running.listening.extend(listeners.iter().flat_map(|listener| listening(listener, tls)));
        }
        running.helpers.push(tokio::spawn(refresh(shared, watch)));
        running.reloader = Reloader::new(site, tls_listeners);
        if let Some(path) = &config.takeover {
            let taken_over = Arc::clone(&running.taken_over);
            takeover::offer(path, offered, move || taken_over.notify_one()).map_err(takeover_failed)?;
        }
        if let Some(hand_over) = hand_over {
            hand_over.release().map_err(takeover_failed)?;
        }
        Ok(running)
    }
}

/// Sockets from systemd and from the server that runs already, if there is one. It may answer slowly, so a blocking thread
/// waits for it.
async fn inherit(takeover: Option<PathBuf>) -> io::Result<(Inherited, Option<HandOver>)> {
    let asking = tokio::task::spawn_blocking(move || {
        let mut inherited = Inherited::from_systemd();
        let hand_over = match takeover {
            Some(path) => takeover::ask(&path, &mut inherited)?,
            None => None,
        };
        Ok((inherited, hand_over))
    });
    asking.await.map_err(io::Error::other).flatten()
}

/// The addresses of a listener, each logged once.
fn listening(open: &OpenListener, tls: bool) -> Vec<Listening> {
    let (listener, socket) = (open.key, open.origin.as_str());
    let say = |address: String| {
        tracing::info!(address, listener, tls, configured = %open.config, socket, "listening");
        Listening { listener, address, tls }
    };
    open.bound().into_iter().map(say).collect()
}

/// Loads new generations and returns free memory to the system until the server ends.
async fn refresh(shared: Arc<Shared>, mut phase: PhaseWatch) {
    let mut peak = PeakConnections::default();
    let mut ticks = interval(REFRESH_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = phase.reaches(Phase::Aborting) => return,
            _ = ticks.tick() => {
                shared.site.refresh().await;
                let (open, most) = shared.connections();
                if peak.has_declined(open, most) {
                    // If it fails, the next decline tries again.
                    let _ = tokio::task::spawn_blocking(memory::give_back).await;
                }
            }
        }
    }
}

/// An address that a server listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The key of the configuration that names it: `listen`, `listen-tls` or `admin`.
    pub listener: &'static str,
    /// The actual one: address and port, or `unix:` and a path.
    pub address: String,
    /// With TLS.
    pub tls: bool,
}

impl Listening {
    /// As a URL. That of a Unix socket is `http://unix:` and its path, as in other servers.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }
}

/// A server that runs. Dropped, it ends at once; [`Running::drain`] lets requests finish first.
#[derive(Debug)]
pub struct Running {
    address: Option<SocketAddr>,
    tls_address: Option<SocketAddr>,
    admin_address: Option<SocketAddr>,
    listening: Vec<Listening>,
    site: Arc<Site>,
    phase: watch::Sender<Phase>,
    /// Each sends the number of connections that it had to abort when it ends.
    workers: Vec<oneshot::Receiver<usize>>,
    /// Tasks that answer at the admin addresses.
    admin: Vec<JoinHandle<()>>,
    helpers: Vec<JoinHandle<()>>,
    reloader: Reloader,
    kept: Vec<OwnedFd>,
    took_over: bool,
    taken_over: Arc<Notify>,
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

    /// Every address, in the order of the configuration: for clients without TLS, with it, for metrics and health.
    pub fn listening(&self) -> &[Listening] {
        &self.listening
    }

    /// What is served.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Takes over configurations and certificates while the server runs.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Listening sockets of which a service manager can keep copies for the next process: all but those of socket units.
    /// [`KEPT`](crate::KEPT) is their name.
    pub fn sockets_to_keep(&self) -> &[OwnedFd] {
        &self.kept
    }

    /// Whether this server took over the listening sockets of another one.
    pub const fn took_over(&self) -> bool {
        self.took_over
    }

    /// Returns once another server has taken over the listening sockets; [`Running::hand_over`] ends this one then.
    pub async fn taken_over(&self) {
        self.taken_over.notified().await;
    }

    /// Ends the server without losing requests: it is not ready, and serves as before for the grace time; then it accepts
    /// no connections, closes idle ones, and lets requests finish until the deadline. Grace and deadline are in the
    /// configuration.
    pub async fn drain(self) -> Drained {
        let grace = self.site.settings().config.drain_grace_seconds;
        tracing::info!(grace_seconds = grace, "draining");
        self.site.drain();
        sleep(Duration::from_secs(grace.into())).await;
        self.finish().await
    }

    /// As [`Running::drain`], for a server whose sockets were taken over: the other one accepts already, and answers at the
    /// admin addresses, so there is no grace time.
    pub async fn hand_over(mut self) -> Drained {
        for admin in self.admin.drain(..) {
            admin.abort();
        }
        self.finish().await
    }

    async fn finish(mut self) -> Drained {
        let deadline = self.site.settings().config.drain_deadline_seconds;
        tracing::info!(deadline_seconds = deadline, "finishing running requests");
        let deadline = Duration::from_secs(deadline.into());
        self.kept.clear();
        self.phase.send_replace(Phase::Closing);
        let deadline = Instant::now() + deadline;
        let mut aborted = 0;
        for mut worker in std::mem::take(&mut self.workers) {
            let ended = match timeout_at(deadline, &mut worker).await {
                Ok(ended) => ended,
                Err(_) => {
                    self.phase.send_replace(Phase::Aborting);
                    worker.await
                }
            };
            // A worker that panicked has no connections any more.
            aborted += ended.unwrap_or(0);
        }
        // Lines of the last requests.
        let access = Arc::clone(&self.site.settings().access);
        let _ = tokio::task::spawn_blocking(move || access.flush()).await;
        tracing::info!(aborted, "drained");
        Drained { aborted }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Aborting);
        for helper in self.admin.iter().chain(&self.helpers) {
            helper.abort();
        }
    }
}

//! Accepting clients, and the life of their connections.
//!
//! ```text
//! accept -> permit? -> (TLS handshake) -> HTTP/1.1 or HTTP/2 -> served until somebody ends it
//!              \-> 503 and close
//! ```
//!
//! `Upgrade: h2c`, which libcurl sends with each cleartext request, is not taken: the answer is plain HTTP/1.1 and the
//! connection goes on. A client that begins with the preface of HTTP/2 is served HTTP/2.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clearwell_metrics::{EndReason, ListenerKind};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::connection::{Connection, Patience, Progress, Verdict};
use crate::io::Watched;
use crate::phase::{Phase, PhaseWatch};
use crate::site::Site;

/// After a failed accept, mostly for want of file descriptors: long enough for some to come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// An idle connection that is told to close has so long to do it.
const GOODBYE: Duration = Duration::from_secs(1);
/// Clients at the same time that are told there is no room; more are closed without a word.
const REFUSALS: usize = 64;
const REFUSAL_TIME: Duration = Duration::from_secs(1);
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nCache-Control: no-store\r\n\
    Content-Length: 0\r\nConnection: close\r\n\r\n";

/// A public address.
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) tls: Option<TlsAcceptor>,
    /// Permits of all public listeners together.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) site: Arc<Site>,
}

impl Listener {
    const fn kind(&self) -> ListenerKind {
        if self.tls.is_some() { ListenerKind::Tls } else { ListenerKind::Cleartext }
    }

    /// Accepts until the phase says no, then waits for the connections to end. Returns how many had to be aborted.
    pub(crate) async fn run(self, mut phase: PhaseWatch) -> usize {
        let http = http(&self.site);
        let patience = Patience::of(self.site.config());
        let refusals = Arc::new(Semaphore::new(REFUSALS));
        let mut connections = JoinSet::new();
        loop {
            let (stream, peer) = tokio::select! {
                () = phase.reaches(Phase::Closing) => break,
                Some(_) = connections.join_next() => continue,
                accepted = accept(&self.socket) => accepted,
            };
            let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
                self.site.metrics().http.ended(EndReason::Full);
                if let (None, Ok(permit)) = (&self.tls, Arc::clone(&refusals).try_acquire_owned()) {
                    connections.spawn(async move {
                        // Whatever becomes of it, the connection closes.
                        let _ = timeout(REFUSAL_TIME, refuse(stream)).await;
                        drop(permit);
                    });
                }
                continue;
            };
            let accepted = Accepted {
                site: Arc::clone(&self.site),
                http: http.clone(),
                patience,
                phase: phase.clone(),
                kind: self.kind(),
            };
            let tls = self.tls.clone();
            connections.spawn(async move {
                accepted.serve(stream, peer, tls).await;
                drop(permit);
            });
        }
        // Nobody can connect from here on.
        drop(self.socket);
        loop {
            tokio::select! {
                () = phase.reaches(Phase::Aborting) => break,
                ended = connections.join_next() => if ended.is_none() { break },
            }
        }
        for _ in 0..connections.len() {
            self.site.metrics().http.ended(EndReason::Stopped);
        }
        let aborted = connections.len();
        connections.shutdown().await;
        aborted
    }
}

async fn accept(socket: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match socket.accept().await {
            Ok(accepted) => return accepted,
            // The client was gone before we came.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "no connection can be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Says that there is no room. The request is read first: closing with unread bytes would take the answer back.
async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    let mut request = [0; 4096];
    let _read = stream.read(&mut request).await?;
    stream.write_all(REFUSAL).await?;
    stream.shutdown().await
}

fn http(site: &Site) -> Arc<auto::Builder<TokioExecutor>> {
    let config = site.config();
    let limit = config.header_limit();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The watch over the connection knows more than hyper's own timer, which takes a rest for a slow header.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(limit);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.max_streams.get())
        .max_header_list_size(u32::try_from(limit).unwrap_or(u32::MAX));
    Arc::new(builder)
}

/// What a connection needs once it is accepted.
struct Accepted {
    site: Arc<Site>,
    http: Arc<auto::Builder<TokioExecutor>>,
    patience: Patience,
    phase: PhaseWatch,
    kind: ListenerKind,
}

impl Accepted {
    async fn serve(self, stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>) {
        let _open = self.site.metrics().http.connection(self.kind);
        // Fails only on a connection that is gone already, which shows soon enough.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else { return self.serve_http(stream, peer).await };
        let time = Duration::from_secs(self.site.config().handshake_seconds.get().into());
        match timeout(time, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.serve_http(stream, peer).await,
            Ok(Err(error)) => {
                self.site.metrics().http.ended(EndReason::Handshake);
                tracing::debug!(%peer, %error, "tls handshake failed");
            }
            Err(_) => {
                self.site.metrics().http.ended(EndReason::Handshake);
                tracing::debug!(%peer, "tls handshake took too long");
            }
        }
    }

    async fn serve_http<T>(mut self, stream: T, peer: SocketAddr)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connection = Arc::new(Connection::new(Some(peer)));
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let (site, connection) = (Arc::clone(&self.site), Arc::clone(&connection));
            async move { Ok::<_, Infallible>(site.answer(&connection, &request).await) }
        });
        let io = Watched::new(TokioIo::new(stream), Arc::clone(&connection));
        let mut http = pin!(self.http.serve_connection(io, service));
        let mut seen = Progress::default();
        let mut said_goodbye = false;
        loop {
            let wait = match connection.judge(&self.patience, &mut seen) {
                Verdict::Wait(wait) => wait,
                Verdict::End(EndReason::Idle) if !said_goodbye => {
                    self.site.metrics().http.ended(EndReason::Idle);
                    said_goodbye = true;
                    http.as_mut().graceful_shutdown();
                    GOODBYE
                }
                Verdict::End(reason) => {
                    if !said_goodbye {
                        self.site.metrics().http.ended(reason);
                    }
                    tracing::debug!(%peer, reason = reason.as_str(), "connection ended");
                    return;
                }
            };
            tokio::select! {
                biased;
                ended = http.as_mut() => {
                    if let Err(error) = ended {
                        if is_no_http(&*error) {
                            self.site.metrics().http.ended(EndReason::Protocol);
                        }
                        tracing::debug!(%peer, error, "connection ended");
                    }
                    return;
                }
                () = self.phase.reaches(Phase::Closing), if !said_goodbye => {
                    said_goodbye = true;
                    http.as_mut().graceful_shutdown();
                }
                () = sleep(wait) => {}
            }
        }
    }
}

fn is_no_http(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)
}

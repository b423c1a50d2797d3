//! The life of a connection, from the accepted socket to its end.
//!
//! ```text
//! (PROXY protocol) -> (TLS) -> ALPN says h2 -----------------------------> HTTP/2
//!                           \-> the lane -> cleartext begins with preface -/
//!                                       \-> anything else unusual ---------> hyper, for HTTP/1
//! ```
//!
//! `Upgrade: h2c`, which libcurl sends with each cleartext request, is ignored: the response is plain HTTP/1.1 and the
//! connection continues. A client that begins with the preface of HTTP/2 is served HTTP/2; on TLS it has to negotiate
//! it by ALPN (RFC 9113 §3.2), and after a request of HTTP/1 the preface is not a request.

use std::convert::Infallible;
use std::error::Error;
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clearwell_format::printable::chain;
use clearwell_http::proxy_protocol::{self, Source};
use clearwell_metrics::{EndReason, TlsVersion};
use http::header::HOST;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::{HandshakeKind, ProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::field::display;

use crate::body::Body;
use crate::connection::Connection;
use crate::http2::{self, Http2};
use crate::io::Watched;
use crate::lane::{Lane, LaneExit, boxed};
use crate::listener::ListenerSettings;
use crate::site::Site;
use crate::socket::{Rewound, Socket};
use crate::tls;
use crate::worker::ConnectionSlot;

const REFUSAL_TIME: Duration = Duration::from_secs(1);
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nCache-Control: no-store\r\n\
    Content-Length: 0\r\nConnection: close\r\n\r\n";

/// A connection that was accepted.
pub(crate) struct ConnectionTask {
    pub(crate) socket: Socket,
    pub(crate) connection: Arc<Connection>,
    pub(crate) listener: Arc<ListenerSettings>,
    /// Dropped last.
    pub(crate) slot: ConnectionSlot,
}

/// Answers that the server is full. The request is read first: a close with unread bytes resets the connection, and the
/// client loses the answer.
pub(crate) async fn refuse(stream: OwnedFd) {
    let mut socket = Socket::new(stream);
    let refusing = async {
        let mut request = [0; 4096];
        let _read = socket.read(&mut request).await?;
        socket.write_all(REFUSAL).await?;
        socket.shutdown().await
    };
    // The connection closes in any case.
    let _ = timeout(REFUSAL_TIME, refusing).await;
}

impl ConnectionTask {
    /// Serves the connection to its end. A block, as in [`Lane::run`].
    #[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice")]
    pub(crate) fn serve(mut self) -> impl Future<Output = ()> + Send {
        async move {
            let _open = self.site().metrics().http.connection(self.listener.kind());
            if self.listener.proxy_protocol
                && let Err(reason) = boxed(|| self.read_proxy_header()).await
            {
                self.site().metrics().http.ended(reason);
                return;
            }
            if let Some(tls) = &self.listener.tls {
                let acceptor = TlsAcceptor::from(tls.load_full());
                return boxed(|| self.serve_tls(acceptor)).await;
            }
            let lane = Lane { io: &mut self.socket, shared: &self.slot.shared, connection: &self.connection };
            match lane.run().await {
                // On a plain socket closing it is enough.
                Ok(LaneExit::Closed) => {}
                Ok(LaneExit::Fallback { unread, is_first }) => {
                    let is_http2 = is_first && http2::is_preface(&unread);
                    let io = Rewound::new(unread, self.socket.give_away());
                    if is_http2 {
                        boxed(|| self.serve_http2(io)).await;
                    } else {
                        boxed(|| self.serve_http1(io)).await;
                    }
                }
                Err(error) => self.log_end(&chain(&error)),
            }
        }
    }

    fn site(&self) -> &Arc<Site> {
        &self.slot.shared.site
    }

    fn log_end(&self, error: &str) {
        tracing::debug!(peer = self.connection.peer().map(display), error, "connection ended");
    }

    /// Reads the header in which a proxy names its client.
    async fn read_proxy_header(&mut self) -> Result<(), EndReason> {
        let mut header = Vec::with_capacity(proxy_protocol::MAX_BYTES);
        loop {
            match proxy_protocol::parse(&header) {
                proxy_protocol::Parsed::Complete(source, length) => {
                    self.socket.unread(Bytes::from(header).slice(length..));
                    if let Source::Client(client) = source {
                        self.connection.set_client_socket(client);
                    }
                    return self.site().admit_client(&self.connection);
                }
                proxy_protocol::Parsed::Partial if header.len() < proxy_protocol::MAX_BYTES => {}
                proxy_protocol::Parsed::Partial | proxy_protocol::Parsed::Invalid => {
                    return Err(EndReason::ProxyHeader);
                }
            }
            let mut room = [0; proxy_protocol::MAX_BYTES];
            let wanted = proxy_protocol::MAX_BYTES - header.len();
            match self.socket.read(&mut room[..wanted]).await {
                Ok(length @ 1..) => header.extend_from_slice(&room[..length]),
                _ => return Err(EndReason::ProxyHeader),
            }
        }
    }

    async fn handshake(&self, acceptor: TlsAcceptor, socket: Socket) -> Option<TlsStream<Socket>> {
        let time = Duration::from_secs(self.site().settings().config.handshake_seconds.get().into());
        // The time for a header begins after the handshake.
        self.connection.activity.handshake_begins();
        let handshake = timeout(time, acceptor.accept(socket)).await;
        self.connection.activity.handshake_ends();
        let metrics = &self.site().metrics().http;
        match handshake {
            Ok(Ok(stream)) => {
                let (_, session) = stream.get_ref();
                let version = match session.protocol_version() {
                    Some(ProtocolVersion::TLSv1_2) => TlsVersion::Tls12,
                    _ => TlsVersion::Tls13,
                };
                metrics.handshake(version, session.handshake_kind() == Some(HandshakeKind::Resumed));
                if let Some(subject) = session.peer_certificates().and_then(|chain| tls::subject(chain.first()?)) {
                    self.connection.set_subject(subject);
                }
                Some(stream)
            }
            Ok(Err(error)) => {
                self.log_failed_handshake(&chain(&error));
                None
            }
            Err(_) => {
                self.log_failed_handshake(&format!("not complete within {} s", time.as_secs()));
                None
            }
        }
    }

    fn log_failed_handshake(&self, reason: &str) {
        self.site().metrics().http.ended(EndReason::TlsHandshake);
        if let Some(unwritten) = self.slot.shared.handshake_lines.take(Instant::now()) {
            let client = self.connection.client_socket().map(display);
            tracing::info!(client, reason, unwritten, "TLS handshake failed");
        }
    }

    async fn serve_tls(&mut self, acceptor: TlsAcceptor) {
        let socket = self.socket.give_away();
        let Some(mut stream) = self.handshake(acceptor, socket).await else { return };
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            return self.serve_http2(stream).await;
        }
        let lane = Lane { io: &mut stream, shared: &self.slot.shared, connection: &self.connection };
        match lane.run().await {
            Ok(LaneExit::Closed) => {
                // Sends close_notify; an error means that the client is gone.
                let _ = stream.shutdown().await;
            }
            Ok(LaneExit::Fallback { unread, .. }) => {
                boxed(|| self.serve_http1(Rewound::new(unread, stream))).await;
            }
            Err(error) => self.log_end(&chain(&error)),
        }
    }

    async fn serve_http1<T>(&self, stream: T)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let site = self.site();
        let service = service_fn(|request: Request<Incoming>| {
            let (site, connection) = (Arc::clone(site), Arc::clone(&self.connection));
            async move { Ok::<_, Infallible>(answer(&site, &connection, request).await) }
        });
        let io = Watched::new(TokioIo::new(stream), Arc::clone(&self.connection));
        let config = &site.settings().config;
        let http = http1::Builder::new()
            // The watcher enforces it. hyper's own timer takes an idle connection for a slow header.
            .header_read_timeout(None)
            .max_headers(config.max_header_lines.get())
            .max_buf_size(config.header_limit())
            .serve_connection(io, service);
        self.serve_until_closed(http).await;
    }

    async fn serve_http2<T>(&self, stream: T)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.serve_until_closed(Http2::new(stream, self.site(), &self.connection)).await;
    }

    /// Serves until the connection ends, or the worker asks it to close.
    async fn serve_until_closed(&self, http: impl Protocol) {
        let close = self.slot.close_request();
        let mut http = pin!(http);
        let ended = tokio::select! {
            biased;
            ended = http.as_mut() => ended,
            () = close.notified() => {
                http.as_mut().graceful_shutdown();
                http.await
            }
        };
        if let Err(error) = ended {
            if error.is_breach() {
                self.site().metrics().http.ended(EndReason::ProtocolError);
            }
            self.log_end(&chain(&error));
        }
    }
}

/// The answer of the site, or a refusal of a request that is not valid.
async fn answer(site: &Site, connection: &Arc<Connection>, request: Request<Incoming>) -> Response<Body> {
    let hosts = request.headers().get_all(HOST).iter().count();
    // RFC 9112 §3.2: requests are smuggled with no Host, or with two of which another program reads the first.
    let is_bad = match request.version() {
        Version::HTTP_11 => hosts != 1 || is_bare_authority(&request),
        Version::HTTP_10 => hosts > 1 || is_bare_authority(&request),
        _ => false,
    };
    let refused = if is_bad {
        Some(StatusCode::BAD_REQUEST)
    } else if header_bytes(&request) > site.settings().config.header_limit() {
        // hyper's own limit is that of its buffer, which may hold more.
        Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    } else {
        None
    };
    match refused {
        Some(status) => site.refuse(connection, &request, status),
        None => site.answer(connection, &request).await,
    }
}

/// The size of the header as HTTP/1.1 writes it, within a few bytes.
pub(crate) fn header_bytes<B>(request: &Request<B>) -> usize {
    let uri = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let lines = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    lines.sum::<usize>() + uri + request.method().as_str().len()
}

/// A host without a scheme in front is for CONNECT alone (RFC 9112 §3.2.3).
fn is_bare_authority(request: &Request<Incoming>) -> bool {
    let uri = request.uri();
    uri.scheme().is_none() && uri.authority().is_some() && request.method() != Method::CONNECT
}

/// A connection of one version of HTTP.
trait Protocol: Future<Output = Result<(), Self::Error>> {
    type Error: Breach;

    /// Ends the connection once the requests in flight are answered.
    fn graceful_shutdown(self: Pin<&mut Self>);
}

/// An error that ends a connection.
trait Breach: Error + 'static {
    /// True if the client broke the protocol.
    fn is_breach(&self) -> bool;
}

impl<I, S> Protocol for http1::Connection<I, S>
where
    Self: Future<Output = Result<(), hyper::Error>>,
    S: hyper::service::HttpService<Incoming>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S::ResBody: http_body::Body + 'static,
    <S::ResBody as http_body::Body>::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Error = hyper::Error;

    fn graceful_shutdown(self: Pin<&mut Self>) {
        http1::Connection::graceful_shutdown(self);
    }
}

impl Breach for hyper::Error {
    fn is_breach(&self) -> bool {
        self.is_parse()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Protocol for Http2<T> {
    type Error = h2::Error;

    fn graceful_shutdown(self: Pin<&mut Self>) {
        Http2::graceful_shutdown(self.get_mut());
    }
}

impl Breach for h2::Error {
    fn is_breach(&self) -> bool {
        self.is_library()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what a function returns.
    const fn size_returned<A, F>(_: &fn(A) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_is_small() {
        let task = size_returned(&(ConnectionTask::serve as fn(ConnectionTask) -> _));
        assert!(task <= 320, "{task} bytes of task");
        let connection = size_of::<Connection>();
        assert!(connection <= 176, "{connection} bytes of state");
    }
}

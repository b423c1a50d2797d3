//! The admin address: `/metrics`, `/healthz`, `/readyz`. Answers until the process ends, so that draining can be observed.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::{SocketFlags, accept_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::body::{Body, Content};
use crate::respond;
use crate::site::Site;
use crate::socket::Socket;

/// Concurrent connections of operators and their programs.
const CONNECTIONS: usize = 64;
/// A connection is closed after this time; scrapers reconnect.
const CONNECTION_TIME: Duration = Duration::from_secs(300);
const HEADER_TIME: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers until it is aborted.
pub(crate) async fn run(socket: AsyncFd<OwnedFd>, site: Arc<Site>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accept = || accept_with(socket.get_ref(), SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
        let accepted = tokio::select! {
            accepted = socket.async_io(Interest::READABLE, |_| Ok(accept()?)) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok(stream) = accepted else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else { continue };
        let site = Arc::clone(&site);
        connections.spawn(async move {
            let service = service_fn(|request| {
                let response = answer(&site, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
            // Errors come from clients that disconnected.
            let _ = timeout(CONNECTION_TIME, http.serve_connection(TokioIo::new(Socket::new(stream)), service)).await;
            drop(permit);
        });
    }
}

fn answer(site: &Site, request: &http::Request<Incoming>) -> Response<Body> {
    let mut response = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => metrics(site),
        (&Method::GET | &Method::HEAD, "/healthz") => respond::text(StatusCode::OK, "alive\n"),
        (&Method::GET | &Method::HEAD, "/readyz") => site.respond_ready(),
        (&Method::GET | &Method::HEAD, _) => respond::plain(StatusCode::NOT_FOUND),
        _ => respond::plain(StatusCode::METHOD_NOT_ALLOWED),
    };
    if request.method() == Method::HEAD {
        *response.body_mut() = Content::Empty;
    }
    response.map(Body::new)
}

fn metrics(site: &Site) -> Response<Content> {
    let mut response = respond::text(StatusCode::OK, site.expose());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(clearwell_metrics::CONTENT_TYPE));
    response
}

//! HTTP/2: the streams of one connection, over the `h2` crate.
//!
//! ```text
//! frames -> Http2 -> a future for each stream: budget -> Site::answer -> header
//!                                              window -> budget -> chunk -> queue -> socket
//! ```
//!
//! hyper would ask each body for bytes before it knows whether the client takes any, and queue hundreds of kilobytes of
//! every stream. Here nothing is read that the client has no window for, and the streams of a connection share one budget
//! for what is read and not yet written. Hence always true: a connection holds [`connection_bytes`] at most, however many
//! streams it has and whatever windows it announces.
//!
//! A stream that waits for its window holds nothing of the budget, unless its object is small and lies in memory.

mod chunk;
mod stream;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use h2::RecvStream;
use h2::server::{self, Connection, Handshake, SendResponse};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::config::ServeConfig;
use crate::http2::chunk::Chunk;
use crate::site::Site;

/// What a client sends first (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Answers of a connection that are made at the same time: each may hold a small object.
const ANSWERS_AT_ONCE: usize = 2;
/// The least that [`ANSWERS_AT_ONCE`] reckons with, so that small objects that are tiny slow nothing down.
const LEAST_ANSWER_BYTES: u64 = 64 * 1024;
/// Memory of the headers of requests that wait for the budget; more streams are refused, which tells the client to try
/// them again. As much as a hundred usual requests take.
const WAITING_HEADER_BYTES: usize = 64 * 1024;
/// State of a stream: what it waits for, its place in the library, and the header of its answer while that is not written.
const STREAM_BYTES: u64 = 2304;
/// Buffers and tables of a connection, and of its TLS session.
const OTHER_BYTES: u64 = 32 * 1024;

/// Memory that a connection takes at most. One of HTTP/1 takes less: an answer, and the buffers of its TLS session.
pub(crate) fn connection_bytes(config: &ServeConfig) -> u64 {
    budget_bytes(config) + u64::from(config.max_streams.get()).saturating_mul(STREAM_BYTES) + OTHER_BYTES
}

/// Memory for bytes of answers that are not written yet.
fn budget_bytes(config: &ServeConfig) -> u64 {
    ANSWERS_AT_ONCE as u64 * config.small_object.bytes().clamp(LEAST_ANSWER_BYTES, 1 << 28)
}

/// True of the first bytes of a connection if they cannot be anything but HTTP/2.
pub(crate) fn is_preface(bytes: &[u8]) -> bool {
    let length = bytes.len().min(PREFACE.len());
    // The line end of the request line: less is the business of whoever waits for the rest.
    length >= b"PRI * HTTP/2.0\r\n".len() && bytes[..length] == PREFACE[..length]
}

/// A connection that is served as long as it is polled.
pub(crate) struct Http2<T> {
    state: State<T>,
    shared: Arc<Shared>,
    /// Streams that wait for something.
    waiting: JoinSet<()>,
    arrived: Vec<(Request<RecvStream>, SendResponse<Chunk>)>,
    is_closing: bool,
}

enum State<T> {
    Handshake(Handshake<T, Chunk>),
    Serving(Connection<T, Chunk>),
}

/// What the streams of a connection share.
#[derive(Debug)]
struct Shared {
    site: Arc<Site>,
    connection: Arc<crate::connection::Connection>,
    /// Bytes of answers that may be held.
    budget: Arc<Semaphore>,
    /// What an answer takes of it while it is made.
    answer_bytes: u32,
    /// Memory of requests that wait for the budget.
    waiting_headers: Semaphore,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Http2<T> {
    pub(crate) fn new(io: T, site: &Arc<Site>, connection: &Arc<crate::connection::Connection>) -> Self {
        let settings = site.settings();
        let budget = usize::try_from(budget_bytes(&settings.config)).expect("it is clamped");
        let handshake = server::Builder::new()
            .max_concurrent_streams(settings.config.max_streams.get())
            .max_header_list_size(u32::try_from(settings.config.header_limit()).unwrap_or(u32::MAX))
            .max_send_buffer_size(budget)
            .handshake(io);
        let shared = Shared {
            site: Arc::clone(site),
            connection: Arc::clone(connection),
            budget: Arc::new(Semaphore::new(budget)),
            answer_bytes: u32::try_from(budget / ANSWERS_AT_ONCE).expect("it is clamped"),
            waiting_headers: Semaphore::new(WAITING_HEADER_BYTES),
        };
        Self {
            state: State::Handshake(handshake),
            shared: Arc::new(shared),
            waiting: JoinSet::new(),
            arrived: Vec::new(),
            is_closing: false,
        }
    }

    /// Takes no more streams; the connection ends with those that it has.
    pub(crate) fn graceful_shutdown(&mut self) {
        self.is_closing = true;
        if let State::Serving(connection) = &mut self.state {
            connection.graceful_shutdown();
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Http2<T> {
    type Output = Result<(), h2::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let connection = match &mut this.state {
                State::Serving(connection) => connection,
                State::Handshake(handshake) => {
                    let mut connection = ready!(Pin::new(handshake).poll(cx))?;
                    if this.is_closing {
                        connection.graceful_shutdown();
                    }
                    this.state = State::Serving(connection);
                    continue;
                }
            };
            // What became of a stream its client knows.
            while let Poll::Ready(Some(_)) = this.waiting.poll_join_next(cx) {}
            // All that came is taken before any of it is answered: then the answers leave together.
            loop {
                match connection.poll_accept(cx)? {
                    Poll::Ready(Some(arrived)) => this.arrived.push(arrived),
                    Poll::Ready(None) => return Poll::Ready(Ok(())),
                    Poll::Pending if this.arrived.is_empty() => return Poll::Pending,
                    Poll::Pending => break,
                }
            }
            for (request, respond) in this.arrived.drain(..) {
                let mut answering = Box::pin(stream::answer(Arc::clone(&this.shared), request, respond));
                // Most answers are there at once, and need no task.
                if answering.as_mut().poll(cx).is_pending() {
                    this.waiting.spawn(answering);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preface_and_its_beginnings() {
        for good in [PREFACE, &PREFACE[..16], &[PREFACE, b"\0\0\0\x04\0"].concat()] {
            assert!(is_preface(good), "{good:?}");
        }
        for other in [&PREFACE[..15], b"", b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\nHost: x\r\n\r\n"] {
            assert!(!is_preface(other), "{other:?}");
        }
    }
}

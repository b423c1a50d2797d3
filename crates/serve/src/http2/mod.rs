//! HTTP/2: the streams of one connection, over the `h2` crate.
//!
//! ```text
//! frames -> Http2 -> a future for each stream: budget -> Site::answer -> header
//!                                              window -> budget -> chunk -> queue -> socket
//! ```
//!
//! hyper would poll each body before it knows whether the client's window is open, and queue hundreds of kilobytes
//! per stream. Here only bytes are read for which the client has a window, and the streams of a connection share one
//! budget for what is read and not yet written. Hence always true: a connection takes [`connection_bytes`] of memory
//! at most, with any number of streams and any windows that it announces.
//!
//! A stream that waits for its window uses none of the budget, unless its object is small and in memory.

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
/// Answers of a connection that are prepared concurrently: each may take a small object of memory.
const CONCURRENT_ANSWERS: u32 = 2;
/// The least that is budgeted for one of [`CONCURRENT_ANSWERS`], so that a tiny limit for small objects does not slow them.
const LEAST_ANSWER_BYTES: u32 = 64 * 1024;
/// The most that is budgeted for one of them.
const MAX_ANSWER_BYTES: u32 = 1 << 28;
/// Memory for the headers of requests that wait for the budget, enough for a hundred usual ones. More streams are refused,
/// which tells the client to retry them.
const WAITING_HEADER_BYTES: usize = 64 * 1024;
/// State of a stream: what it waits for, its entry in the library, and the header of its answer until that is written.
const STREAM_BYTES: u64 = 2304;
/// Buffers and tables of a connection, and of its TLS session.
const OTHER_BYTES: u64 = 32 * 1024;

/// The most memory that a connection takes. One of HTTP/1 takes less: an answer, and the buffers of its TLS session.
pub(crate) fn connection_bytes(config: &ServeConfig) -> u64 {
    budget_bytes(config) + u64::from(config.max_streams.get()).saturating_mul(STREAM_BYTES) + OTHER_BYTES
}

/// Memory for bytes of answers that are not written yet.
fn budget_bytes(config: &ServeConfig) -> u64 {
    u64::from(CONCURRENT_ANSWERS) * u64::from(answer_bytes(config))
}

/// What an answer takes of the budget while it is prepared.
fn answer_bytes(config: &ServeConfig) -> u32 {
    let small_object = u32::try_from(config.small_object.bytes()).unwrap_or(u32::MAX);
    small_object.clamp(LEAST_ANSWER_BYTES, MAX_ANSWER_BYTES)
}

/// True if the first bytes of a connection can only be HTTP/2.
pub(crate) fn is_preface(bytes: &[u8]) -> bool {
    let length = bytes.len().min(PREFACE.len());
    // With the line end of the request line: a shorter beginning could still be HTTP/1.
    length >= b"PRI * HTTP/2.0\r\n".len() && bytes[..length] == PREFACE[..length]
}

/// Serves a connection while it is polled.
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
    /// Bytes of answers that may be in memory.
    budget: Arc<Semaphore>,
    /// What an answer takes of it while it is prepared.
    answer_bytes: u32,
    /// Memory of requests that wait for the budget.
    waiting_headers: Semaphore,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Http2<T> {
    pub(crate) fn new(io: T, site: &Arc<Site>, connection: &Arc<crate::connection::Connection>) -> Self {
        let settings = site.settings();
        let answer_bytes = answer_bytes(&settings.config);
        let budget = CONCURRENT_ANSWERS as usize * answer_bytes as usize;
        let handshake = server::Builder::new()
            .max_concurrent_streams(settings.config.max_streams.get())
            .max_header_list_size(u32::try_from(settings.config.header_limit()).unwrap_or(u32::MAX))
            .max_send_buffer_size(budget)
            .handshake(io);
        let shared = Shared {
            site: Arc::clone(site),
            connection: Arc::clone(connection),
            budget: Arc::new(Semaphore::new(budget)),
            answer_bytes,
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

    /// Accepts no more streams; the connection ends with those that are open.
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
            // The outcome of a stream matters to its client only.
            while let Poll::Ready(Some(_)) = this.waiting.poll_join_next(cx) {}
            // All requests that arrived are accepted before any is answered: then the answers are written together.
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
                // Most answers are ready at once, and need no task.
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

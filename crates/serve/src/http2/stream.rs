//! One stream: a request, and its response as far as window and budget allow.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::DATE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::{Body as _, Frame};
use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit};
use tokio::time::timeout;

use crate::body::Body;
use crate::buffer::PIECE_BYTES;
use crate::config::ServeConfig;
use crate::connection_task::header_bytes;
use crate::http2::Shared;
use crate::http2::chunk::Chunk;
use crate::lane::{boxed, date};

/// What a line of a header takes in memory in addition to its text.
const LINE_BYTES: usize = 96;
/// How much later a stream is reset than a stalled connection, which ends as a whole.
const STALL_AFTER_CONNECTION: Duration = Duration::from_secs(1);

/// A part of the budget.
type Held = Option<OwnedSemaphorePermit>;

/// An answer whose header is sent, and whose body is not.
struct Begun {
    stream: SendStream<Chunk>,
    body: Body,
    held: Held,
}

/// Serves a stream to its end. What prepares the answer is on the heap, and freed before the body waits for its window.
pub(super) fn answer(
    shared: Arc<Shared>,
    request: Request<RecvStream>,
    respond: SendResponse<Chunk>,
) -> impl Future<Output = ()> + Send {
    let beginning = Box::pin(begin(Arc::clone(&shared), request, respond));
    async move {
        if let Some(Begun { mut stream, mut body, mut held }) = beginning.await {
            send(&shared, &mut stream, &mut body, &mut held).await;
        }
    }
}

/// Prepares the answer and sends its header; `None` without a body, or if the stream is reset.
async fn begin(shared: Arc<Shared>, request: Request<RecvStream>, mut respond: SendResponse<Chunk>) -> Option<Begun> {
    // Only the presence of a body matters; its bytes are discarded.
    let request = request.map(|body| Unread { is_end: body.is_end_stream() });
    let held = match shared.try_lend() {
        Some(held) => held,
        None => {
            let Some(_waiting) = shared.keep_waiting(&request) else {
                respond.send_reset(Reason::REFUSED_STREAM);
                return None;
            };
            unless_reset(&mut respond, shared.lend(shared.answer_bytes as usize)).await?
        }
    };
    // Boxed: a request that waits for the budget does not take the memory that preparing its answer needs.
    let (response, held) = unless_reset(&mut respond, boxed(|| make(&shared, held, request))).await?;
    let (mut parts, body) = response.into_parts();
    if let Ok(date) = HeaderValue::from_bytes(&date(Instant::now())) {
        parts.headers.insert(DATE, date);
    }
    let is_end = body.is_end_stream();
    // An error means that the stream or its connection is gone.
    let stream = respond.send_response(Response::from_parts(parts, ()), is_end).ok()?;
    (!is_end).then_some(Begun { stream, body, held })
}

/// Prepares the answer. What it has in memory stays taken from the budget.
async fn make(shared: &Shared, held: Held, request: Request<Unread>) -> (Response<Body>, Held) {
    let Shared { site, connection, .. } = shared;
    let is_too_large = is_too_large(&request, &site.settings().config);
    let response = if is_too_large {
        site.refuse(connection, &request, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    } else {
        site.answer(connection, &request).await
    };
    let kept = match response.body() {
        body if body.is_in_memory() => held.and_then(|mut held| {
            let length = usize::try_from(body.left_bytes()).unwrap_or(usize::MAX).min(held.num_permits());
            held.split(length)
        }),
        _ => None,
    };
    (response, kept)
}

/// The limits apply to the header as HTTP/1.1 would write it: a line for each field, and one for the host.
fn is_too_large(request: &Request<Unread>, config: &ServeConfig) -> bool {
    let lines = request.headers().len() + usize::from(request.uri().authority().is_some());
    lines > config.max_header_lines.get() || header_bytes(request) > config.header_limit()
}

/// Sends a body as far as the window of the client and the budget allow.
async fn send(shared: &Shared, stream: &mut SendStream<Chunk>, body: &mut Body, held: &mut Held) {
    loop {
        let wanted = body.left_bytes().min(PIECE_BYTES as u64) as usize;
        stream.reserve_capacity(wanted);
        let room = match stream.capacity() {
            0 => match boxed(|| wait_for_room(shared, stream)).await {
                Some(room) => room,
                None => return,
            },
            room => room,
        };
        let length = room.min(wanted);
        let lent = match held {
            // Bytes in memory were taken from the budget before, unless they exceed all of it.
            Some(held) => held.split(length.min(held.num_permits())),
            None if body.is_in_memory() => None,
            None => shared.lend(length).await,
        };
        match poll_fn(|cx| poll_chunk(stream, body, length as u64, cx)).await {
            Some(Ok(bytes)) => {
                let connection = Arc::clone(&shared.connection);
                if body.is_end_stream() {
                    let last = Chunk { bytes, connection, _held: lent, _body: Some(Box::new(std::mem::take(body))) };
                    // An error means that the stream is gone, here and below.
                    let _ = stream.send_data(last, true);
                    return;
                }
                if stream.send_data(Chunk { bytes, connection, _held: lent, _body: None }, false).is_err() {
                    return;
                }
            }
            Some(Err(_)) => return stream.send_reset(Reason::INTERNAL_ERROR),
            None => return,
        }
    }
}

/// Waits until the client has a window for more, and returns its size; `None` if the stream is over.
async fn wait_for_room(shared: &Shared, stream: &mut SendStream<Chunk>) -> Option<usize> {
    let stall = shared.site.settings().time_limits.stall() + STALL_AFTER_CONNECTION;
    match timeout(stall, poll_fn(|cx| poll_room(stream, cx))).await {
        Ok(room) => room,
        Err(_) => {
            // Progress of other streams does not keep this one alive.
            stream.send_reset(Reason::CANCEL);
            None
        }
    }
}

/// What the client has a window for; `None` if the stream is over.
fn poll_room(stream: &mut SendStream<Chunk>, cx: &mut Context<'_>) -> Poll<Option<usize>> {
    if stream.poll_reset(cx).is_ready() {
        return Poll::Ready(None);
    }
    stream.poll_capacity(cx).map(|room| room?.ok())
}

/// The next bytes of a body; `None` if the stream is over.
fn poll_chunk(
    stream: &mut SendStream<Chunk>,
    body: &mut Body,
    max: u64,
    cx: &mut Context<'_>,
) -> Poll<Option<io::Result<Bytes>>> {
    match body.poll_chunk(cx, max) {
        Poll::Pending => stream.poll_reset(cx).map(|_| None),
        // A body has the length that it announced, or fails.
        Poll::Ready(chunk) => Poll::Ready(chunk),
    }
}

/// `None` if the client resets the stream first.
async fn unless_reset<F: Future>(respond: &mut SendResponse<Chunk>, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Pending => respond.poll_reset(cx).map(|_| None),
        Poll::Ready(output) => Poll::Ready(Some(output)),
    })
    .await
}

impl Shared {
    /// What an answer needs while it is prepared, if it is free.
    fn try_lend(&self) -> Option<Held> {
        Arc::clone(&self.budget).try_acquire_many_owned(self.answer_bytes).ok().map(Some)
    }

    async fn lend(&self, bytes: usize) -> Held {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.answer_bytes);
        // An error would mean that the budget is closed, which it never is.
        Arc::clone(&self.budget).acquire_many_owned(permits).await.ok()
    }

    /// Room for a request that has to wait.
    fn keep_waiting(&self, request: &Request<Unread>) -> Option<SemaphorePermit<'_>> {
        let bytes = header_bytes(request) + LINE_BYTES * request.headers().len();
        self.waiting_headers.try_acquire_many(u32::try_from(bytes).unwrap_or(u32::MAX)).ok()
    }
}

/// The body of a request, which is never read.
struct Unread {
    is_end: bool,
}

impl http_body::Body for Unread {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.is_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what a function returns.
    const fn size_returned<A, B, C, F>(_: &fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_stream_that_waits_is_small() {
        let stream = size_returned(&(answer as fn(_, _, _) -> _));
        assert!(stream <= 640, "{stream} bytes of task");
    }
}

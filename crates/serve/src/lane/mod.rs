//! The fast lane: plain GET and HEAD requests, nearly all traffic, answered without an HTTP library.
//!
//! ```text
//! bytes -> RequestHead -> unconditional, and cached?  yes -> prepared response, or its head and sendfile
//!             \                                       no  -> Site::exchange, as on every path -> written here
//!              \-> unsupported -> hyper serves the rest of the connection, beginning with the bytes already read
//! ```
//!
//! Always true: [`Site`](crate::site::Site) decides, for this path as for the others (limits in `admission`, conditions in
//! `clearwell-http`); the lane parses and writes. It never answers a request that it does not fully understand.

mod date;
mod inbox;
mod piece;
mod transport;

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use clearwell_http::request_head::{self, Parsed, RequestHead};
use clearwell_metrics::{BytePath, RequestKind};
use http::uri::PathAndQuery;
use http::{Response, StatusCode, Version};

use crate::access::AccessLog;
use crate::admission::{Rejection, Ticket};
use crate::body::Content;
use crate::connection::Connection;
use crate::exchange::{self, Asked, Exchange};
use crate::lane::date::Prefix;
use crate::lane::inbox::Inbox;
use crate::object::{FilePart, Object, Segment, Source};
use crate::page_cache;
use crate::respond;
use crate::settings::Settings;
use crate::site::Query;
use crate::socket::Flush;
use crate::worker::Shared;

pub(crate) use date::date;
pub(crate) use transport::Transport;

/// Bytes of a file that are sent before the task yields to others: large enough to cost nothing measurable, small enough
/// that others wait for a few hundred microseconds.
const YIELD_BYTES: u64 = 1 << 20;

/// The end of a file that is copied, so that the file can be confirmed after it was read. Bytes sent without a copy change
/// with the file until they have left the machine (sendfile(2)), and the kernel buffers up to this many for a client that
/// does not read: the usual maximum of a send buffer (tcp_wmem), and on the same machine the receive buffer.
const COPIED_BYTES: u64 = 5 << 20;

/// How a connection leaves the lane.
#[derive(Debug)]
pub(crate) enum LaneExit {
    /// The connection ends.
    Closed,
    /// hyper, or HTTP/2 if the first bytes are its preface, serves the rest of the connection.
    Fallback {
        /// Already read; they come first.
        unread: Bytes,
        /// No request was answered before.
        is_first: bool,
    },
}

/// A connection on the lane.
pub(crate) struct Lane<'c, T> {
    pub(crate) io: &'c mut T,
    pub(crate) shared: &'c Shared,
    pub(crate) connection: &'c Arc<Connection>,
}

/// What follows a response.
#[derive(Clone, Copy)]
enum Next {
    Request,
    Close,
    Fallback,
}

/// The result of looking at the inbox. Small: an idle connection keeps room for it.
enum Step {
    /// The head is incomplete.
    Fill,
    /// The bytes are not for the lane.
    Fallback,
    /// A request was answered; its head has this many bytes.
    Answered(Next, usize),
    /// The socket is full.
    Blocked(Box<Blocked>),
    /// The request cannot be answered from memory in one step.
    Slow(Slow),
}

/// A request that takes more than one step.
enum Slow {
    /// Everything is to be decided.
    Undecided,
    /// An unconditional GET of a cached large object.
    File(Arc<Object>),
    /// A limit was reached.
    Rejected(Rejection),
}

/// A response from memory of which a part was sent.
struct Blocked {
    object: Arc<Object>,
    prefix: Prefix,
    sent: usize,
    exchange: Exchange,
    is_head: bool,
    closes: bool,
    /// Of the request head, in bytes.
    length: usize,
}

impl<T: Transport> Lane<'_, T> {
    /// Serves the connection until it ends or leaves the lane.
    ///
    /// Each idle connection keeps one of these futures in memory. So rare and slow steps are boxed, and the body is an
    /// `async` block, which stores its captured arguments once; an `async fn` stores them twice.
    #[expect(clippy::manual_async_fn, reason = "an `async fn` stores its arguments twice")]
    pub(crate) fn run(mut self) -> impl Future<Output = io::Result<LaneExit>> + Send {
        async move {
            let mut inbox = Inbox::default();
            let mut is_first = true;
            loop {
                let (next, length) = match poll_fn(|cx| Poll::Ready(self.step(cx, &inbox))).await? {
                    Step::Answered(next, length) => (next, length),
                    Step::Fill => {
                        if poll_fn(|cx| inbox.poll_fill(cx, self.io)).await? == 0 {
                            return Ok(LaneExit::Closed);
                        }
                        continue;
                    }
                    Step::Fallback => return Ok(LaneExit::Fallback { unread: inbox.take(), is_first }),
                    Step::Blocked(blocked) => boxed(|| self.finish(blocked)).await?,
                    Step::Slow(slow) => boxed(|| self.answer(&inbox, slow)).await?,
                };
                if T::KEEPS_BYTES {
                    poll_fn(|cx| self.io.poll_finish(cx)).await?;
                }
                is_first = false;
                match next {
                    Next::Request => inbox.consume(length),
                    Next::Close => return Ok(LaneExit::Closed),
                    Next::Fallback => return Ok(LaneExit::Fallback { unread: inbox.take(), is_first }),
                }
            }
        }
    }

    fn closes(&self, head: &RequestHead<'_>) -> bool {
        head.closes || self.shared.closing.load(Ordering::Relaxed)
    }

    /// Answers the request in the inbox if its response is in memory: a small object, or the head for any object. The
    /// response is prepared but for its first lines.
    fn step(&mut self, cx: &mut Context<'_>, inbox: &Inbox) -> io::Result<Step> {
        let settings = self.shared.site.settings();
        let head = match request_head::parse(inbox.bytes(), settings.config.max_header_lines.get()) {
            Parsed::Head(head) => head,
            Parsed::Unsupported => return Ok(Step::Fallback),
            Parsed::Partial if inbox.is_full() => return Ok(Step::Fallback),
            Parsed::Partial => {
                if !inbox.is_empty() {
                    self.connection.received();
                }
                return Ok(Step::Fill);
            }
        };
        let began = Instant::now();
        let Some(object) = head.is_unconditional.then(|| self.shared.site.cached(head.target)).flatten() else {
            return Ok(Step::Slow(Slow::Undecided));
        };
        let Some((bytes, head_length)) = object.at_once(head.is_head) else {
            return Ok(Step::Slow(Slow::File(object)));
        };
        object.prefetch();
        let ticket = match self.admit(&object, head.is_head, &settings, began) {
            Ok(ticket) => ticket,
            Err(rejection) => return Ok(Step::Slow(Slow::Rejected(rejection))),
        };
        let closes = self.closes(&head);
        let prefix = Prefix::new(began, closes);
        let kind = RequestKind::Resource(object.kind);
        let flush = if closes { Flush::Later } else { Flush::Now };
        let sent = match self.io.poll_send(cx, &[IoSlice::new(prefix.bytes()), IoSlice::new(bytes)], flush) {
            Poll::Ready(sent) => sent?,
            Poll::Pending => 0,
        };
        self.connection.wrote(sent);
        if sent < prefix.bytes().len() + bytes.len() {
            // Only a response that does not fit into the socket is in flight.
            let request = self.shared.site.metrics().http.request(kind, began);
            let mut exchange = Exchange::begin(request, self.connection, Version::HTTP_11);
            exchange.keep(ticket);
            exchange.answered(StatusCode::OK, &self.asked(&head), None, &settings.access);
            let RequestHead { is_head, length, .. } = head;
            let blocked = Blocked { object, prefix, sent, exchange, is_head, closes, length };
            return Ok(Step::Blocked(Box::new(blocked)));
        }
        let body_bytes = (bytes.len() - head_length) as u64;
        exchange::complete(
            &self.shared.site,
            self.connection,
            || self.asked(&head),
            kind,
            body_bytes,
            began,
            &settings.access,
        );
        Ok(Step::Answered(if closes { Next::Close } else { Next::Request }, head.length))
    }

    /// Sends the rest of a response from memory.
    async fn finish(&mut self, blocked: Box<Blocked>) -> io::Result<(Next, usize)> {
        let Blocked { object, prefix, sent, mut exchange, is_head, closes, length } = *blocked;
        if let Some((bytes, head_length)) = object.at_once(is_head) {
            let (first, second) = unsent(prefix.bytes(), bytes, sent);
            self.send(first, second, Flush::Now).await?;
            exchange.sent(BytePath::Memory, (bytes.len() - head_length) as u64);
        }
        Ok((if closes { Next::Close } else { Next::Request }, length))
    }

    /// Asks [`Site`](crate::site::Site) for a ticket. The head names no forwarded client, so the connection's client asks.
    fn admit(&self, object: &Object, is_head: bool, settings: &Settings, now: Instant) -> Result<Ticket, Rejection> {
        self.shared.site.admit_object(self.connection.client(), object, is_head, settings, now)
    }

    /// Answers the request in the inbox in as many steps as it takes.
    async fn answer(&mut self, inbox: &Inbox, slow: Slow) -> io::Result<(Next, usize)> {
        let Parsed::Head(head) = request_head::parse(inbox.bytes(), usize::MAX) else {
            return Ok((Next::Fallback, 0));
        };
        let (began, closes) = (Instant::now(), self.closes(&head));
        let rejection = match slow {
            Slow::Undecided => None,
            Slow::Rejected(rejection) => Some(rejection),
            Slow::File(object) => {
                let settings = self.shared.site.settings();
                match self.admit(&object, head.is_head, &settings, began) {
                    Ok(ticket) => {
                        let access = Arc::clone(&settings.access);
                        drop(settings);
                        self.answer_from_file(&head, &object, ticket, access, began, closes).await?;
                        return Ok((if closes { Next::Close } else { Next::Request }, head.length));
                    }
                    Err(rejection) => Some(rejection),
                }
            }
        };
        Ok((self.answer_slow(&head, began, closes, rejection).await?, head.length))
    }

    /// Sends the whole of a large object.
    async fn answer_from_file(
        &mut self,
        head: &RequestHead<'_>,
        object: &Object,
        ticket: Ticket,
        access: Arc<AccessLog>,
        began: Instant,
        closes: bool,
    ) -> io::Result<()> {
        let Source::File(file) = &object.source else { return Err(io::ErrorKind::Unsupported.into()) };
        let kind = RequestKind::Resource(object.kind);
        let request = self.shared.site.metrics().http.request(kind, began);
        let mut exchange = Exchange::begin(request, self.connection, Version::HTTP_11);
        exchange.keep(ticket);
        exchange.answered(StatusCode::OK, &self.asked(head), None, &access);
        // MSG_MORE on the head is enough for what goes out before the first yield.
        let is_long = object.meta.size > YIELD_BYTES;
        if is_long {
            self.io.hold_back(true);
        }
        self.send(Prefix::new(began, closes).bytes(), &file.head, Flush::Later).await?;
        self.send_segment(object.part(0..object.meta.size), &mut exchange).await?;
        if is_long {
            self.io.hold_back(false);
        }
        Ok(())
    }

    /// Everything else: [`Site::exchange`](crate::site::Site::exchange) makes the response, as on every path.
    async fn answer_slow(
        &mut self,
        head: &RequestHead<'_>,
        began: Instant,
        closes: bool,
        rejection: Option<Rejection>,
    ) -> io::Result<Next> {
        // hyper judges invalid targets and header values.
        let (Ok(target), Some(headers)) = (PathAndQuery::try_from(head.target), head.headers()) else {
            return Ok(Next::Fallback);
        };
        let method = head.method();
        let query = Query {
            method: &method,
            target: head.target,
            path: target.path(),
            headers: &headers,
            version: Version::HTTP_11,
            has_body: false,
            rejection,
        };
        let (response, mut exchange) = self.shared.site.exchange(self.connection, &query, began).await;
        let (parts, content) = response.into_parts();
        let text = header_text(&Response::from_parts(parts, ()), began, closes);
        match content {
            Content::Empty => self.send(&text, &[], Flush::Now).await?,
            Content::Memory(bytes) => {
                self.send(&text, &bytes, Flush::Now).await?;
                exchange.sent(BytePath::Memory, bytes.len() as u64);
            }
            Content::Stream(stream) => {
                let is_long = !stream.is_one_piece_within(YIELD_BYTES);
                if is_long {
                    self.io.hold_back(true);
                }
                self.send(&text, &[], Flush::Later).await?;
                for segment in stream.into_segments() {
                    self.send_segment(segment, &mut exchange).await?;
                }
                if is_long {
                    self.io.hold_back(false);
                }
            }
        }
        Ok(if closes { Next::Close } else { Next::Request })
    }

    fn asked<'a>(&self, head: &RequestHead<'a>) -> Asked<'a> {
        Asked {
            method: if head.is_head { &http::Method::HEAD } else { &http::Method::GET },
            target: head.target,
            version: Version::HTTP_11,
            headers: head.logged,
            client: self.connection.address(),
        }
    }

    /// Sends both slices in order.
    async fn send(&mut self, first: &[u8], second: &[u8], flush: Flush) -> io::Result<()> {
        let (mut sent, whole) = (0, first.len() + second.len());
        while sent < whole {
            let (first, second) = unsent(first, second, sent);
            let pieces = [IoSlice::new(first), IoSlice::new(second)];
            let length = poll_fn(|cx| self.io.poll_send(cx, &pieces, flush)).await?;
            if length == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            sent += length;
            self.connection.wrote(length);
        }
        Ok(())
    }

    async fn send_segment(&mut self, segment: Segment, exchange: &mut Exchange) -> io::Result<()> {
        match segment {
            Segment::Memory(bytes) => {
                self.send(&bytes, &[], Flush::Now).await?;
                exchange.sent(BytePath::Memory, bytes.len() as u64);
                Ok(())
            }
            Segment::File(file) => {
                let sent = self.send_file(file, exchange).await;
                if let Err(error) = &sent
                    && matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
                {
                    exchange.broke(error);
                }
                sent
            }
        }
    }

    /// Sends a part of a file as far as its check allows, yielding in between; the end only once the file is confirmed.
    async fn send_file(&mut self, file: FilePart, exchange: &mut Exchange) -> io::Result<()> {
        let FilePart { file, mut part } = file;
        let copied_from = if T::SENDS_FILES { part.end.saturating_sub(COPIED_BYTES) } else { 0 };
        let mut is_cached_to = part.start;
        // Since the task last waited or yielded.
        let mut sent_bytes = 0;
        while part.start < part.end {
            let allowed = file.check.wait(&part).await?;
            let is_copied = part.start >= copied_from;
            let chunk_end = allowed.min(part.start + YIELD_BYTES);
            let mut chunk = part.start..if is_copied { chunk_end } else { chunk_end.min(copied_from) };
            if chunk.end > is_cached_to {
                is_cached_to = allowed.min(chunk.end + YIELD_BYTES);
                let next = chunk.start..is_cached_to;
                // Evicted from the page cache: another thread reads it again.
                if !page_cache::seems_to_have(&file.file, &next) {
                    page_cache::warm(&file, next, u64::MAX).await?;
                }
            }
            let mut waited = false;
            let sending = poll_fn(|cx| {
                let sent = if is_copied {
                    piece::poll_send(self.io, cx, &file, &mut chunk, part.end)
                } else {
                    self.io.poll_send_file(cx, &file.file, &mut chunk)
                };
                waited |= sent.is_pending();
                sent
            });
            match sending.await {
                Ok(length) => {
                    exchange.sent(if is_copied { BytePath::Copy } else { BytePath::Sendfile }, length as u64);
                    self.connection.wrote(length);
                    part.start = chunk.start;
                    sent_bytes = if waited { 0 } else { sent_bytes + length as u64 };
                    if sent_bytes >= YIELD_BYTES {
                        sent_bytes = 0;
                        tokio::task::yield_now().await;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    page_cache::warm(&file, chunk, part.end).await?
                }
                Err(error) => return Err(file.noted(error)),
            }
        }
        Ok(())
    }
}

/// A future that is on the heap from the start, so that idle connections keep no room for it.
pub(crate) fn boxed<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(make())
}

/// The rest of two slices after `sent` bytes.
fn unsent<'a>(first: &'a [u8], second: &'a [u8], sent: usize) -> (&'a [u8], &'a [u8]) {
    match sent.checked_sub(first.len()) {
        None => (&first[sent..], second),
        Some(sent) => (&[], &second[sent..]),
    }
}

/// The head of a response as HTTP/1.1 writes it, with the empty line.
fn header_text(response: &Response<()>, now: Instant, closes: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(512);
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    for piece in [b"HTTP/1.1 ", status.as_str().as_bytes(), b" ", reason.as_bytes(), b"\r\ndate: ", &date(now), b"\r\n"]
    {
        text.extend_from_slice(piece);
    }
    respond::write_headers(response.headers(), &mut text);
    if closes {
        text.extend_from_slice(b"connection: close\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text
}

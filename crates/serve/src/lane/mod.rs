//! The lane: requests of the one shape that is nearly all traffic, answered without an HTTP library between.
//!
//! ```text
//! bytes -> head -> plain, and at hand?  yes -> prepared block, or header and sendfile
//!             \                          no -> Site::exchange, as everywhere -> written here
//!              \-> of another shape -> the rest of the connection is hyper's, with the bytes that were read
//! ```
//!
//! Always true: what is decided is decided by [`Site`](crate::site::Site), for both lanes; the lane knows only how requests and answers look
//! on the wire. It never answers what it does not understand.

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
use clearwell_metrics::{BytePath, RequestKind, StatusClass};
use http::uri::PathAndQuery;
use http::{Response, StatusCode, Version};

use crate::access::Line;
use crate::body::Content;
use crate::connection::Connection;
use crate::exchange::{self, Asked, Exchange};
use crate::lane::date::Prefix;
use crate::lane::inbox::Inbox;
use crate::object::{FilePart, Object, Segment, Source};
use crate::page_cache;
use crate::respond;
use crate::site::Query;
use crate::socket::Behind;
use crate::worker::Shared;

pub(crate) use date::date;
pub(crate) use transport::Transport;

/// Sent of a file before others have their turn: costs nothing measurable, and keeps them waiting for some hundred
/// microseconds at most.
const YIELD_BYTES: u64 = 1 << 20;

/// What the kernel may hold between a file and a client that does not read: its end is copied, and the file confirmed
/// after that was read. What is sent without a copy changes with the file until it has left (sendfile(2)). This is the
/// usual maximum of a send buffer (tcp_wmem), and on the same machine the client's own buffer.
const COPIED_BYTES: u64 = 5 << 20;

/// What becomes of a connection.
#[derive(Debug)]
pub(crate) enum LaneExit {
    /// It is over.
    Closed,
    /// hyper goes on, or whoever speaks the protocol of these bytes, which come first.
    Fallback {
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

/// What follows an answer.
#[derive(Clone, Copy)]
enum Next {
    Another,
    End,
    Fallback,
}

/// What became of what stands in the inbox. Small, as all that is held while a connection rests.
enum Step {
    /// It is no request yet.
    Fill,
    /// It is nothing for the lane.
    Fallback,
    /// It was a request of so many bytes, and is answered.
    Answered(Next, usize),
    /// The socket is full.
    Blocked(Box<Blocked>),
    /// A request that could not be answered at once; the object, if the path says all and it is at hand.
    Slow(Option<Arc<Object>>),
}

/// An answer from memory of which a part was sent.
struct Blocked {
    object: Arc<Object>,
    prefix: Prefix,
    sent: usize,
    exchange: Exchange,
    is_head: bool,
    closes: bool,
    /// Of the request's header, in bytes.
    length: usize,
}

impl<T: Transport> Lane<'_, T> {
    /// Serves until the connection ends, or is no longer for the lane.
    ///
    /// Ten thousand connections that rest take the memory of this future ten thousand times. So what takes long, or
    /// seldom happens, is boxed; and it is a block, which holds what it takes over once, where an `async fn` does twice.
    #[expect(clippy::manual_async_fn, reason = "an `async fn` holds what it takes over twice")]
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
                    Step::Slow(object) => boxed(|| self.answer(&inbox, object)).await?,
                };
                if T::KEEPS_BYTES {
                    poll_fn(|cx| self.io.poll_finish(cx)).await?;
                }
                is_first = false;
                match next {
                    Next::Another => inbox.consume(length),
                    Next::End => return Ok(LaneExit::Closed),
                    Next::Fallback => return Ok(LaneExit::Fallback { unread: inbox.take(), is_first }),
                }
            }
        }
    }

    fn closes(&self, head: &RequestHead<'_>) -> bool {
        head.closes || self.shared.closing.load(Ordering::Relaxed)
    }

    /// Looks at the inbox, and answers with the whole of a small object, or the header of any: all of it was prepared but
    /// for the first lines.
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
        let Some(object) = head.is_unconditional.then(|| self.shared.site.at_hand(head.target)).flatten() else {
            return Ok(Step::Slow(None));
        };
        let Some((bytes, head_length)) = object.at_once(head.is_head) else {
            return Ok(Step::Slow(Some(object)));
        };
        object.prefetch();
        if !self.shared.site.may_ask(self.connection, &settings, began) {
            return Ok(Step::Slow(None));
        }
        let closes = self.closes(&head);
        let prefix = Prefix::new(began, closes);
        let kind = RequestKind::Resource(object.kind);
        let behind = if closes { Behind::Something } else { Behind::Nothing };
        let sent = match self.io.poll_send(cx, &[IoSlice::new(prefix.bytes()), IoSlice::new(bytes)], behind) {
            Poll::Ready(sent) => sent?,
            Poll::Pending => 0,
        };
        self.connection.wrote(sent);
        if !head.is_head {
            self.shared.site.count_move(&object);
        }
        if sent < prefix.bytes().len() + bytes.len() {
            // Only an answer that does not fit into the socket is a request in flight.
            let request = self.shared.site.metrics().http.request(kind, began);
            let mut exchange = Exchange::begin(request, self.connection, Version::HTTP_11);
            exchange.answered(StatusCode::OK, &self.asked(&head), None, &settings.access);
            let RequestHead { is_head, length, .. } = head;
            let blocked = Blocked { object, prefix, sent, exchange, is_head, closes, length };
            return Ok(Step::Blocked(Box::new(blocked)));
        }
        let now = Instant::now();
        let (took, body_bytes) = (now.saturating_duration_since(began), (bytes.len() - head_length) as u64);
        self.connection.answered_at(now);
        self.shared.site.metrics().http.request_at_once(kind, StatusClass::Success, body_bytes, took);
        if settings.access.takes(StatusClass::Success) {
            let line = exchange::line(self.connection, StatusCode::OK, &self.asked(&head), None);
            settings.access.write(Line { sent_bytes: body_bytes, took, ..line });
        }
        Ok(Step::Answered(if closes { Next::End } else { Next::Another }, head.length))
    }

    /// Sends the rest of an answer from memory.
    async fn finish(&mut self, blocked: Box<Blocked>) -> io::Result<(Next, usize)> {
        let Blocked { object, prefix, sent, mut exchange, is_head, closes, length } = *blocked;
        if let Some((bytes, head_length)) = object.at_once(is_head) {
            let (first, second) = unsent(prefix.bytes(), bytes, sent);
            self.send(first, second, Behind::Nothing).await?;
            exchange.sent(BytePath::Memory, (bytes.len() - head_length) as u64);
        }
        Ok((if closes { Next::End } else { Next::Another }, length))
    }

    /// Answers the request in the inbox that could not be answered at once.
    async fn answer(&mut self, inbox: &Inbox, object: Option<Arc<Object>>) -> io::Result<(Next, usize)> {
        let Parsed::Head(head) = request_head::parse(inbox.bytes(), usize::MAX) else {
            return Ok((Next::Fallback, 0));
        };
        let (began, closes) = (Instant::now(), self.closes(&head));
        let mut is_counted = false;
        if let Some(object) = object
            && self.shared.site.may_ask(self.connection, &self.shared.site.settings(), began)
        {
            if self.answer_from_file(&head, &object, began, closes).await? {
                return Ok((if closes { Next::End } else { Next::Another }, head.length));
            }
            is_counted = true;
        }
        Ok((self.answer_slow(&head, began, closes, is_counted).await?, head.length))
    }

    /// The whole of a large object. False if as many are on their way as are allowed; nothing was sent then.
    async fn answer_from_file(
        &mut self,
        head: &RequestHead<'_>,
        object: &Object,
        began: Instant,
        closes: bool,
    ) -> io::Result<bool> {
        let Source::File(file) = &object.source else { return Ok(false) };
        let settings = arc_swap::Guard::into_inner(self.shared.site.settings());
        // Counted as shed where it is answered.
        let Ok(tickets) = self.shared.site.begin_download(object, self.connection.client(), &settings.config) else {
            return Ok(false);
        };
        let kind = RequestKind::Resource(object.kind);
        let request = self.shared.site.metrics().http.request(kind, began);
        let mut exchange = Exchange::begin(request, self.connection, Version::HTTP_11);
        exchange.downloads(tickets);
        exchange.answered(StatusCode::OK, &self.asked(head), None, &settings.access);
        self.shared.site.count_move(object);
        // What goes out in one turn needs no more than to be announced.
        let is_long = object.meta.size > YIELD_BYTES;
        if is_long {
            self.io.hold_back(true);
        }
        self.send(Prefix::new(began, closes).bytes(), &file.head, Behind::Something).await?;
        self.send_segment(object.part(0..object.meta.size), &mut exchange).await?;
        if is_long {
            self.io.hold_back(false);
        }
        Ok(true)
    }

    /// Everything else: decided as on the other lane, and written here.
    async fn answer_slow(
        &mut self,
        head: &RequestHead<'_>,
        began: Instant,
        closes: bool,
        is_counted: bool,
    ) -> io::Result<Next> {
        // What is no path or no header text is for the other lane to judge.
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
            is_counted,
        };
        let (response, mut exchange) = self.shared.site.exchange(self.connection, &query, began).await;
        let (parts, content) = response.into_parts();
        let text = header_text(&Response::from_parts(parts, ()), began, closes);
        match content {
            Content::Empty => self.send(&text, &[], Behind::Nothing).await?,
            Content::Memory(bytes) => {
                self.send(&text, &bytes, Behind::Nothing).await?;
                exchange.sent(BytePath::Memory, bytes.len() as u64);
            }
            Content::Stream(stream) => {
                let is_long = !stream.is_one_piece_within(YIELD_BYTES);
                if is_long {
                    self.io.hold_back(true);
                }
                self.send(&text, &[], Behind::Something).await?;
                for segment in stream.into_segments() {
                    self.send_segment(segment, &mut exchange).await?;
                }
                if is_long {
                    self.io.hold_back(false);
                }
            }
        }
        Ok(if closes { Next::End } else { Next::Another })
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

    /// Writes both, one behind the other.
    async fn send(&mut self, first: &[u8], second: &[u8], behind: Behind) -> io::Result<()> {
        let (mut sent, whole) = (0, first.len() + second.len());
        while sent < whole {
            let (first, second) = unsent(first, second, sent);
            let pieces = [IoSlice::new(first), IoSlice::new(second)];
            let length = poll_fn(|cx| self.io.poll_send(cx, &pieces, behind)).await?;
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
                self.send(&bytes, &[], Behind::Nothing).await?;
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

    /// Sends a part of a file, turn by turn, as far as its check allows; the end once the file is confirmed.
    async fn send_file(&mut self, file: FilePart, exchange: &mut Exchange) -> io::Result<()> {
        let FilePart { file, mut part } = file;
        let copied_from = if T::SENDS_FILES { part.end.saturating_sub(COPIED_BYTES) } else { 0 };
        let mut is_cached_to = part.start;
        // Sent since this connection last waited for anything.
        let mut stretch = 0;
        while part.start < part.end {
            let allowed = file.check.wait(&part).await?;
            let is_copied = part.start >= copied_from;
            let turn_end = allowed.min(part.start + YIELD_BYTES);
            let mut turn = part.start..if is_copied { turn_end } else { turn_end.min(copied_from) };
            if turn.end > is_cached_to {
                is_cached_to = allowed.min(turn.end + YIELD_BYTES);
                let next = turn.start..is_cached_to;
                // Read again where the cache has lost it, and not by this thread.
                if !page_cache::seems_to_have(&file.file, &next) {
                    page_cache::warm(&file, next, u64::MAX).await?;
                }
            }
            let mut waited = false;
            let sending = poll_fn(|cx| {
                let sent = if is_copied {
                    piece::poll_send(self.io, cx, &file, &mut turn, part.end)
                } else {
                    self.io.poll_send_file(cx, &file.file, &mut turn)
                };
                waited |= sent.is_pending();
                sent
            });
            match sending.await {
                Ok(length) => {
                    exchange.sent(if is_copied { BytePath::Copy } else { BytePath::Sendfile }, length as u64);
                    self.connection.wrote(length);
                    part.start = turn.start;
                    stretch = if waited { 0 } else { stretch + length as u64 };
                    if stretch >= YIELD_BYTES {
                        stretch = 0;
                        tokio::task::yield_now().await;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    page_cache::warm(&file, turn, part.end).await?
                }
                Err(error) => return Err(file.noted(error)),
            }
        }
        Ok(())
    }
}

/// A future on the heap from its beginning: what few connections need takes no room in those that rest.
pub(crate) fn boxed<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(make())
}

/// What is left of two pieces.
fn unsent<'a>(first: &'a [u8], second: &'a [u8], sent: usize) -> (&'a [u8], &'a [u8]) {
    match sent.checked_sub(first.len()) {
        None => (&first[sent..], second),
        Some(sent) => (&[], &second[sent..]),
    }
}

/// Status, date and headers of an answer, and the empty line.
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

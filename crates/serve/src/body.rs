//! Bodies of responses: nothing, bytes in memory, or pieces read as the connection accepts them.
//!
//! A file is read by position in chunks. Data in the page cache is read at once; data on the disk is read on a
//! blocking thread, so a cold file delays no other connection. The last chunk of a part is sent once the file is
//! confirmed to be what was checked, after it was read.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use clearwell_metrics::BytePath;
use http_body::{Frame, SizeHint};
use tokio::task::JoinHandle;

use crate::buffer::{Buffer, PIECE_BYTES};
use crate::check::Unsound;
use crate::exchange::Exchange;
use crate::object::{FilePart, Segment};
use crate::page_cache::Cached;

/// The body of an answer; empty by default. When it is dropped its exchange ends, for logs and metrics.
#[derive(Debug, Default)]
pub struct Body {
    content: Content,
    exchange: Option<Exchange>,
}

#[derive(Debug, Default)]
pub(crate) enum Content {
    /// No bytes.
    #[default]
    Empty,
    /// In one piece.
    Memory(Bytes),
    /// Piece by piece.
    Stream(Box<Stream>),
}

impl Content {
    /// Pieces one after another.
    pub(crate) fn of(segments: impl IntoIterator<Item = Segment>) -> Self {
        let mut segments: VecDeque<Segment> = segments.into_iter().collect();
        let left = segments.iter().map(Segment::len).sum();
        match segments.pop_front() {
            None => Self::Empty,
            Some(Segment::Memory(bytes)) if segments.is_empty() => Self::Memory(bytes),
            Some(first) => {
                segments.push_front(first);
                Self::Stream(Box::new(Stream { segments, left, wait: Wait::Nothing }))
            }
        }
    }
}

/// Pieces not sent yet.
#[derive(Debug)]
pub(crate) struct Stream {
    segments: VecDeque<Segment>,
    /// Sum of their lengths, and of what is being read.
    left: u64,
    wait: Wait,
}

/// What the next chunk waits for.
enum Wait {
    Nothing,
    /// Bytes of the first segment, from a thread that may wait for the disk.
    Disk(JoinHandle<io::Result<Bytes>>),
    /// The check of the first segment's file, until it allows more bytes to be sent.
    Check(Pin<Box<dyn Future<Output = Result<u64, Unsound>> + Send + Sync>>),
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Disk(_) => "Disk",
            Self::Check(_) => "Check",
        })
    }
}

impl Segment {
    const fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(FilePart { part, .. }) => part.end - part.start,
        }
    }
}

impl Stream {
    /// The next `max` bytes at most; `None` at the end.
    fn poll_chunk(&mut self, cx: &mut Context<'_>, max: u64) -> Poll<Option<io::Result<(BytePath, Bytes)>>> {
        loop {
            let checked = match &mut self.wait {
                Wait::Nothing => None,
                Wait::Disk(reading) => {
                    let read = ready!(Pin::new(reading).poll(cx)).map_err(io::Error::other).flatten();
                    self.wait = Wait::Nothing;
                    return Poll::Ready(Some(read.map(|bytes| {
                        self.left -= bytes.len() as u64;
                        (BytePath::Copy, bytes)
                    })));
                }
                Wait::Check(check) => {
                    let allowed = ready!(check.as_mut().poll(cx));
                    self.wait = Wait::Nothing;
                    Some(allowed)
                }
            };
            let Some(segment) = self.segments.front_mut() else { return Poll::Ready(None) };
            let FilePart { file, part } = match segment {
                Segment::File(file) if file.part.start < file.part.end => file,
                Segment::File(_) => {
                    self.segments.pop_front();
                    continue;
                }
                Segment::Memory(bytes) if bytes.is_empty() => {
                    self.segments.pop_front();
                    continue;
                }
                Segment::Memory(bytes) => {
                    let bytes = split_at_most(bytes, max);
                    self.left -= bytes.len() as u64;
                    return Poll::Ready(Some(Ok((BytePath::Memory, bytes))));
                }
            };
            let allowed = match checked.unwrap_or_else(|| file.check.allows(part)) {
                Ok(allowed) => allowed,
                Err(unsound) => return Poll::Ready(Some(Err(unsound.into()))),
            };
            if allowed <= part.start {
                let (check, part) = (file.check.clone(), part.clone());
                self.wait = Wait::Check(Box::pin(async move { check.wait(&part).await }));
                continue;
            }
            let wanted = (allowed - part.start).min(max).min(PIECE_BYTES as u64);
            let mut buffer = Buffer::of(wanted as usize);
            match file.read_cached(buffer.bytes_mut(), part.start, part.end) {
                Ok(Cached::Read(length)) => {
                    let bytes = buffer.into_bytes(length);
                    part.start += bytes.len() as u64;
                    self.left -= bytes.len() as u64;
                    return Poll::Ready(Some(Ok((BytePath::Copy, bytes))));
                }
                Ok(Cached::Missing | Cached::Unknown) => {
                    let (file, start) = (Arc::clone(file), part.start);
                    part.start += wanted;
                    let is_last = part.start == part.end;
                    self.wait = Wait::Disk(tokio::task::spawn_blocking(move || {
                        let bytes = read_cold(&file.file, start, wanted).map_err(|error| file.noted(error))?;
                        if is_last {
                            file.confirm_or_compare()?;
                        }
                        Ok(bytes)
                    }));
                }
                Err(error) => return Poll::Ready(Some(Err(file.noted(error)))),
            }
        }
    }

    /// True of a single piece of at most `bytes`.
    pub(crate) fn is_one_piece_within(&self, bytes: u64) -> bool {
        self.segments.len() == 1 && self.left <= bytes
    }

    /// The pieces, to be sent without a copy.
    pub(crate) fn into_segments(self) -> impl Iterator<Item = Segment> + Send {
        self.segments.into_iter()
    }
}

fn read_cold(file: &File, start: u64, wanted: u64) -> io::Result<Bytes> {
    let mut buffer = Buffer::of(wanted as usize);
    file.read_exact_at(buffer.bytes_mut(), start)?;
    Ok(buffer.into_bytes(wanted as usize))
}

impl Body {
    pub(crate) const fn new(content: Content) -> Self {
        Self { content, exchange: None }
    }

    /// Ties the exchange to the life of this body.
    pub(crate) fn ending(self, exchange: Exchange) -> Self {
        Self { exchange: Some(exchange), ..self }
    }

    /// True if all of it is in memory.
    pub(crate) const fn is_in_memory(&self) -> bool {
        matches!(self.content, Content::Memory(_))
    }

    /// Bytes that are still to come.
    pub(crate) fn left_bytes(&self) -> u64 {
        match &self.content {
            Content::Empty => 0,
            Content::Memory(bytes) => bytes.len() as u64,
            Content::Stream(stream) => stream.left,
        }
    }

    /// The next `max` bytes at most; `None` at the end.
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>, max: u64) -> Poll<Option<io::Result<Bytes>>> {
        let chunk = match &mut self.content {
            Content::Empty => None,
            Content::Memory(bytes) if bytes.is_empty() => None,
            Content::Memory(bytes) => Some(Ok((BytePath::Memory, split_at_most(bytes, max)))),
            Content::Stream(stream) => ready!(stream.poll_chunk(cx, max)),
        };
        match (&chunk, &mut self.exchange) {
            (Some(Ok((path, bytes))), Some(exchange)) => exchange.sent(*path, bytes.len() as u64),
            (Some(Err(error)), Some(exchange)) => exchange.broke(error),
            _ => {}
        }
        Poll::Ready(chunk.map(|chunk| chunk.map(|(_, bytes)| bytes)))
    }
}

fn split_at_most(bytes: &mut Bytes, max: u64) -> Bytes {
    let length = usize::try_from(max).unwrap_or(usize::MAX).min(bytes.len());
    bytes.split_to(length)
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.poll_chunk(cx, PIECE_BYTES as u64).map_ok(Frame::data)
    }

    fn is_end_stream(&self) -> bool {
        self.left_bytes() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use http_body_util::BodyExt;

    use super::*;
    use crate::check::Check;
    use crate::verified::{Stamp, VerifiedFile};

    fn file_with(bytes: &[u8]) -> Arc<VerifiedFile> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let (stamp, digest) = (Stamp::settled(&file).unwrap(), clearwell_store::Digest::of(bytes));
        Arc::new(VerifiedFile::new(file, stamp, digest, Check::sound(), Arc::default()))
    }

    #[tokio::test]
    async fn pieces_are_sent_in_order_and_whole() {
        let bytes: Vec<u8> = (0..400_000_u32).map(|at| (at % 251) as u8).collect();
        let file = file_with(&bytes);
        let segments = [
            Segment::Memory(Bytes::from_static(b"head")),
            Segment::File(FilePart { file: Arc::clone(&file), part: 10..300_010 }),
            Segment::File(FilePart { file: Arc::clone(&file), part: 5..5 }),
            Segment::Memory(Bytes::from_static(b"tail")),
        ];
        let body = Body::new(Content::of(segments));
        assert_eq!(http_body::Body::size_hint(&body).exact(), Some(300_008));
        let read = body.collect().await.unwrap().to_bytes();
        assert_eq!(&read[..4], b"head");
        assert!(read[4..300_004] == bytes[10..300_010]);
        assert_eq!(&read[300_004..], b"tail");
    }

    #[tokio::test]
    async fn a_file_that_was_cut_off_is_an_error_and_not_a_short_body() {
        let file = file_with(&[7; 1000]);
        let body = Body::new(Content::of([Segment::File(FilePart { file, part: 0..2000 })]));
        assert_eq!(body.collect().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(read_cold(&file_with(&[7; 10]).file, 5, 10).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn one_piece_in_memory_is_not_a_stream() {
        assert!(matches!(Content::of([Segment::Memory(Bytes::from_static(b"x"))]), Content::Memory(_)));
        assert!(matches!(Content::of([]), Content::Empty));
        let empty = Body::new(Content::of([Segment::Memory(Bytes::new())]));
        assert!(http_body::Body::is_end_stream(&empty));
    }
}

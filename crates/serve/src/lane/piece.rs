//! Pieces of files: read into a buffer, then sent.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::task::{Context, Poll, ready};

use crate::lane::transport::Transport;
use crate::page_cache::Cached;
use crate::socket::Flush;
use crate::verified::VerifiedFile;

/// Bytes per piece: small enough to stay in the core's cache until they are sent, large enough that system calls and
/// wake-ups cost nothing measurable.
pub(super) const PIECE_BYTES: usize = 256 * 1024;
/// Where a piece begins in its buffer. TLS copies it to an address five bytes above an aligned one, and processors copy
/// many times slower if the source begins on a page boundary.
const PIECE_OFFSET: usize = 64;

/// Sends bytes of `part` that are in the page cache, and advances its start.
///
/// The piece that reaches `end` is sent only after the file is confirmed.
///
/// # Errors
/// [`io::ErrorKind::ResourceBusy`] if the bytes are not in the page cache, or if confirming the file takes more than a
/// `stat`. On systems without `RWF_NOWAIT` the bytes are read in place.
pub(super) fn poll_send<T: Transport>(
    io: &mut T,
    cx: &mut Context<'_>,
    file: &VerifiedFile,
    part: &mut Range<u64>,
    end: u64,
) -> Poll<io::Result<usize>> {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; PIECE_OFFSET + PIECE_BYTES]);
    }
    ready!(io.poll_room(cx))?;
    BUFFER.with_borrow_mut(|buffer| {
        let wanted = usize::try_from(part.end - part.start).unwrap_or(usize::MAX).min(PIECE_BYTES);
        let piece = &mut buffer[PIECE_OFFSET..PIECE_OFFSET + wanted];
        let read = match file.read_cached(piece, part.start, end)? {
            Cached::Unknown => file.read_waiting(piece, part.start, end)?,
            read => read,
        };
        let Cached::Read(length) = read else { return Poll::Ready(Err(io::ErrorKind::ResourceBusy.into())) };
        let is_last = part.start + length as u64 == end;
        let flush = if is_last { Flush::Now } else { Flush::Later };
        let sent = ready!(io.poll_send(cx, &[IoSlice::new(&buffer[PIECE_OFFSET..PIECE_OFFSET + length])], flush))?;
        part.start += sent as u64;
        Poll::Ready(Ok(sent))
    })
}

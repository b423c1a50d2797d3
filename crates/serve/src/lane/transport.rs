//! What the lane writes to: a socket, or TLS over one.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use clearwell_metrics::BytePath;
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::socket::{Behind, Socket};

/// A connection as bytes.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// How parts of files go.
    const FILES: BytePath;

    /// Reads what there is.
    fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Bytes may be taken and not yet written.
    const KEEPS_BYTES: bool;

    /// Writes some of the pieces.
    fn poll_send(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>], behind: Behind) -> Poll<io::Result<usize>>;

    /// Much follows: packets that are not full wait, until this is said to be over.
    fn hold_back(&self, is_on: bool);

    /// Writes some of a part of a file that lies in the page cache, and shortens the part by it. What does not lie there
    /// is [`io::ErrorKind::ResourceBusy`], or is read on the spot where the system cannot say.
    fn poll_send_file(&mut self, cx: &mut Context<'_>, file: &File, part: &mut Range<u64>) -> Poll<io::Result<usize>>;

    /// Writes what was taken and not written yet.
    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Transport for Socket {
    const FILES: BytePath = BytePath::Sendfile;

    fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Self::poll_recv(self, cx, buffer)
    }

    const KEEPS_BYTES: bool = false;

    fn poll_send(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>], behind: Behind) -> Poll<io::Result<usize>> {
        Self::poll_send(self, cx, pieces, behind)
    }

    fn hold_back(&self, is_on: bool) {
        Self::hold_back(self, is_on);
    }

    fn poll_send_file(&mut self, cx: &mut Context<'_>, file: &File, part: &mut Range<u64>) -> Poll<io::Result<usize>> {
        Self::poll_send_file(self, cx, file, part)
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Read from a file at once, on its way into TLS: small enough to stay in the core's own cache until it is
/// encrypted and written, large enough that system calls and wake-ups do not count.
const TLS_PIECE_BYTES: usize = 256 * 1024;
/// Where a piece begins in its buffer. TLS copies a piece to five bytes behind an even address; the processor copies many
/// times slower if the source begins on a page.
const PIECE_OFFSET: usize = 64;

impl Transport for TlsStream<Socket> {
    const FILES: BytePath = BytePath::Copy;

    fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(self).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    const KEEPS_BYTES: bool = true;

    fn poll_send(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>], _: Behind) -> Poll<io::Result<usize>> {
        Pin::new(self).poll_write_vectored(cx, pieces)
    }

    fn hold_back(&self, _: bool) {}

    fn poll_send_file(&mut self, cx: &mut Context<'_>, file: &File, part: &mut Range<u64>) -> Poll<io::Result<usize>> {
        thread_local! {
            static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; PIECE_OFFSET + TLS_PIECE_BYTES]);
        }
        // What is still to be encrypted or written goes first: the piece is read when there is room for it.
        ready!(Pin::new(&mut *self).poll_flush(cx))?;
        // So that a piece goes out with one call.
        self.get_mut().1.set_buffer_limit(Some(TLS_PIECE_BYTES));
        BUFFER.with_borrow_mut(|buffer| {
            let wanted = usize::try_from(part.end - part.start).unwrap_or(usize::MAX).min(TLS_PIECE_BYTES);
            let piece = &mut buffer[PIECE_OFFSET..PIECE_OFFSET + wanted];
            let length = match preadv2(file, &mut [IoSliceMut::new(piece)], part.start, ReadWriteFlags::NOWAIT) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(length) => length,
                Err(Errno::AGAIN | Errno::INTR) => return Poll::Ready(Err(io::ErrorKind::ResourceBusy.into())),
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => std::os::unix::fs::FileExt::read_at(file, piece, part.start)?,
                Err(error) => return Poll::Ready(Err(error.into())),
            };
            let sent = ready!(Pin::new(self).poll_write(cx, &buffer[PIECE_OFFSET..PIECE_OFFSET + length]))?;
            part.start += sent as u64;
            Poll::Ready(Ok(sent))
        })
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_flush(cx)
    }
}

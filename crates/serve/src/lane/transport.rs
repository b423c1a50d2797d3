//! What the lane writes to: a socket, or TLS over one.

use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::lane::piece::PIECE_BYTES;
use crate::socket::{Behind, Socket};

/// A connection as bytes.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Parts of files can go without a copy.
    const SENDS_FILES: bool;

    /// Reads what there is.
    fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Bytes may be taken and not yet written.
    const KEEPS_BYTES: bool;

    /// Writes some of the pieces.
    fn poll_send(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>], behind: Behind) -> Poll<io::Result<usize>>;

    /// Much follows: packets that are not full wait, until this is said to be over.
    fn hold_back(&self, is_on: bool);

    /// Waits until there is room for a piece that is to be read first.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Sends some of a part of a file, and shortens the part by it. What was sent changes with the file until the client
    /// has read it (sendfile(2)).
    fn poll_send_file(&mut self, cx: &mut Context<'_>, file: &File, part: &mut Range<u64>) -> Poll<io::Result<usize>>;

    /// Writes what was taken and not written yet.
    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Transport for Socket {
    const SENDS_FILES: bool = true;

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

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_room(self, cx)
    }

    fn poll_send_file(&mut self, cx: &mut Context<'_>, file: &File, part: &mut Range<u64>) -> Poll<io::Result<usize>> {
        Self::poll_send_file(self, cx, file, part)
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Transport for TlsStream<Socket> {
    const SENDS_FILES: bool = false;

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

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What is still to be encrypted or written goes first: the piece is read when there is room for it.
        ready!(Pin::new(&mut *self).poll_flush(cx))?;
        // So that a piece goes out with one call.
        self.get_mut().1.set_buffer_limit(Some(PIECE_BYTES));
        Poll::Ready(Ok(()))
    }

    fn poll_send_file(&mut self, _: &mut Context<'_>, _: &File, _: &mut Range<u64>) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_flush(cx)
    }
}

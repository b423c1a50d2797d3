//! The transport of a lane: a socket, or TLS over one.

use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::lane::piece::PIECE_BYTES;
use crate::socket::{Flush, Socket};

/// A byte stream with the operations that make sending cheap.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// [`poll_send_file`](Self::poll_send_file) works.
    const SENDS_FILES: bool;

    /// Reads available bytes.
    fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// [`poll_send`](Self::poll_send) may buffer bytes, which [`poll_finish`](Self::poll_finish) writes.
    const KEEPS_BYTES: bool;

    /// Sends bytes of the slices in order; returns their number.
    fn poll_send(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>], flush: Flush) -> Poll<io::Result<usize>>;

    /// Delays packets that are not full (TCP_CORK) until it is turned off.
    fn hold_back(&self, is_on: bool);

    /// Waits until a piece can be sent, before it is read.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Sends bytes of a part of a file without a copy, and advances its start. Until the client has received them, they
    /// change with the file (sendfile(2)).
    fn poll_send_file(&mut self, cx: &mut Context<'_>, file: &File, part: &mut Range<u64>) -> Poll<io::Result<usize>>;

    /// Writes buffered bytes.
    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Transport for Socket {
    const SENDS_FILES: bool = true;

    fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Self::poll_recv(self, cx, buffer)
    }

    const KEEPS_BYTES: bool = false;

    fn poll_send(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>], flush: Flush) -> Poll<io::Result<usize>> {
        Self::poll_send(self, cx, pieces, flush)
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

    fn poll_send(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>], _: Flush) -> Poll<io::Result<usize>> {
        Pin::new(self).poll_write_vectored(cx, pieces)
    }

    fn hold_back(&self, _: bool) {}

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Flush first, so that the piece is read only when there is room for it.
        ready!(Pin::new(&mut *self).poll_flush(cx))?;
        // Room for a whole piece, so that one system call writes it.
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

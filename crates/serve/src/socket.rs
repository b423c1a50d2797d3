//! A connected socket, TCP or Unix, with as few system calls as possible.
//!
//! Always true: a new socket is read before it is registered with the runtime. The request of a client that sends one per
//! connection has usually arrived by then, and the connection never waits. A socket with many requests is registered, so
//! that the runtime can schedule other connections.

use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use rustix::fs::sendfile;
use rustix::io::Errno;
use rustix::net::sockopt::set_tcp_cork;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recv, sendmsg, shutdown};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// A connected non-blocking socket.
#[derive(Debug)]
pub(crate) struct Socket {
    state: State,
    /// Bytes that were read ahead by another component; they are returned first.
    unread: Option<Box<Bytes>>,
}

#[derive(Debug)]
enum State {
    /// With the number of reads so far.
    Fresh(OwnedFd, u8),
    Registered(AsyncFd<OwnedFd>),
    /// Only during registration, after a failed one, or once the socket was handed over.
    Lost,
}

/// When the kernel sends a partial packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// At once.
    Now,
    /// With what follows immediately: more bytes, or the end of the connection (`MSG_MORE`).
    Later,
}

impl Socket {
    /// Wraps a non-blocking socket.
    pub(crate) const fn new(fd: OwnedFd) -> Self {
        Self { state: State::Fresh(fd, 0), unread: None }
    }

    /// Puts bytes back: they are read next.
    pub(crate) fn unread(&mut self, bytes: Bytes) {
        self.unread = Some(Box::new(bytes));
    }

    /// Hands the socket over; the rest is closed.
    pub(crate) const fn give_away(&mut self) -> Self {
        std::mem::replace(self, Self { state: State::Lost, unread: None })
    }

    /// Reads the available bytes.
    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if let Some(unread) = self.unread.as_mut().filter(|unread| unread.has_remaining()) {
            let length = unread.len().min(buffer.len());
            unread.copy_to_slice(&mut buffer[..length]);
            return Poll::Ready(Ok(length));
        }
        let room = buffer.len();
        // Fewer bytes than there was room for: the socket is empty, and the next bytes cause a new event.
        let receive = |fd: BorrowedFd<'_>| recv(fd, &mut *buffer, RecvFlags::empty()).map(|(length, _)| length);
        self.poll_io(cx, Direction::In, receive, |length| *length > 0 && *length < room)
    }

    /// Writes some of the slices.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
        flush: Flush,
    ) -> Poll<io::Result<usize>> {
        let flags = match flush {
            Flush::Now => SendFlags::NOSIGNAL,
            Flush::Later => SendFlags::NOSIGNAL | SendFlags::MORE,
        };
        let send = |fd: BorrowedFd<'_>| sendmsg(fd, pieces, &mut SendAncillaryBuffer::default(), flags);
        self.poll_io(cx, Direction::Out, send, |_| false)
    }

    /// Sets or clears TCP_CORK: partial packets wait while it is set.
    pub(crate) fn hold_back(&self, is_on: bool) {
        if let Some(fd) = self.fd() {
            // Unix sockets do not have the option and do not need it.
            let _ = set_tcp_cork(fd, is_on);
        }
    }

    /// Waits until something can be written.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.state {
            State::Registered(fd) => fd.poll_write_ready(cx).map_ok(drop),
            State::Fresh(..) | State::Lost => Poll::Ready(Ok(())),
        }
    }

    /// Sends bytes of a part of a file and advances the part.
    pub(crate) fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &File,
        part: &mut Range<u64>,
    ) -> Poll<io::Result<usize>> {
        let (mut start, wanted) = (part.start, usize::try_from(part.end - part.start).unwrap_or(usize::MAX));
        let sent =
            ready!(self.poll_io(cx, Direction::Out, |fd| sendfile(fd, file, Some(&mut start), wanted), |_| false))?;
        part.start = start;
        // The file is shorter than it was.
        Poll::Ready(if sent == 0 && wanted > 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(sent) })
    }

    fn poll_io<T>(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
        mut io: impl FnMut(BorrowedFd<'_>) -> Result<T, Errno>,
        is_last: impl Fn(&T) -> bool,
    ) -> Poll<io::Result<T>> {
        loop {
            let fd = match &mut self.state {
                State::Registered(fd) => fd,
                State::Fresh(_, FRESH_READS) => {
                    self.register()?;
                    continue;
                }
                State::Fresh(fd, reads) => match io(fd.as_fd()) {
                    Err(Errno::AGAIN) => {
                        self.register()?;
                        continue;
                    }
                    Err(Errno::INTR) => continue,
                    done => {
                        *reads += u8::from(direction == Direction::In);
                        return Poll::Ready(done.map_err(io::Error::from));
                    }
                },
                State::Lost => return Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            };
            let mut ready = ready!(match direction {
                Direction::In => fd.poll_read_ready(cx),
                Direction::Out => fd.poll_write_ready(cx),
            })?;
            match io(ready.get_inner().as_fd()) {
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                Ok(done) => {
                    if is_last(&done) {
                        ready.clear_ready();
                    }
                    return Poll::Ready(Ok(done));
                }
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn register(&mut self) -> io::Result<()> {
        if let State::Fresh(fd, _) = std::mem::replace(&mut self.state, State::Lost) {
            self.state = State::Registered(register(fd, Interest::READABLE | Interest::WRITABLE)?);
        }
        Ok(())
    }

    /// Shuts down the writing side.
    pub(crate) fn shut_down(&self) -> io::Result<()> {
        self.fd().map_or(Ok(()), |fd| Ok(shutdown(fd, Shutdown::Write)?))
    }

    fn fd(&self) -> Option<&OwnedFd> {
        match &self.state {
            State::Fresh(fd, _) => Some(fd),
            State::Registered(fd) => Some(fd.get_ref()),
            State::Lost => None,
        }
    }
}

/// Registers a descriptor with the runtime.
#[expect(unsafe_code, reason = "tokio cannot know that the descriptor stays the same")]
pub(crate) fn register(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is the same open descriptor for as long as it lives, and it lives in the `AsyncFd`.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(|error| error.into_parts().1)
}

/// After this number of reads a socket does not belong to a client with one request.
const FRESH_READS: u8 = 4;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    In,
    Out,
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let length = ready!(self.poll_recv(cx, buffer.initialize_unfilled()))?;
        buffer.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, &[IoSlice::new(bytes)], Flush::Now)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, pieces, Flush::Now)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shut_down())
    }
}

/// Returns bytes that were read ahead, then those of the inner stream.
#[derive(Debug)]
pub(crate) struct Rewound<T> {
    unread: Bytes,
    inner: T,
}

impl<T> Rewound<T> {
    pub(crate) const fn new(unread: Bytes, inner: T) -> Self {
        Self { unread, inner }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewound<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread.has_remaining() {
            let length = self.unread.len().min(buffer.remaining());
            buffer.put_slice(&self.unread.split_to(length));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewound<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

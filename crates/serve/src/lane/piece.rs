//! Pieces of files, read and sent.

use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::task::{Context, Poll, ready};

use rustix::io::{Errno, ReadWriteFlags, preadv2};

use crate::lane::transport::Transport;
use crate::socket::Behind;
use crate::verified::{Unconfirmed, VerifiedFile, changed};

/// Read at once: small enough to stay in the core's own cache until it is written, large enough that system calls and
/// wake-ups do not count.
pub(super) const PIECE_BYTES: usize = 256 * 1024;
/// Where a piece begins in its buffer. TLS copies a piece to five bytes behind an even address; the processor copies many
/// times slower if the source begins on a page.
const PIECE_OFFSET: usize = 64;

/// Sends some of `part`, which lies in the page cache, and shortens it by that. What does not lie there is
/// [`io::ErrorKind::ResourceBusy`], or is read on the spot where the system cannot say.
///
/// Whatever reaches `end` leaves once the file is confirmed after that was read; [`io::ErrorKind::ResourceBusy`] as well
/// if that takes more than a look.
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
        let length = match preadv2(&file.file, &mut [IoSliceMut::new(piece)], part.start, ReadWriteFlags::NOWAIT) {
            Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Ok(length) => length,
            Err(Errno::AGAIN | Errno::INTR) => return Poll::Ready(Err(io::ErrorKind::ResourceBusy.into())),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.file.read_at(piece, part.start)?,
            Err(error) => return Poll::Ready(Err(error.into())),
        };
        let is_last = part.start + length as u64 == end;
        if is_last {
            match file.confirm() {
                Ok(()) => {}
                Err(Unconfirmed::Attributes) => return Poll::Ready(Err(io::ErrorKind::ResourceBusy.into())),
                Err(Unconfirmed::Written) => return Poll::Ready(Err(changed())),
            }
        }
        let behind = if is_last { Behind::Nothing } else { Behind::Something };
        let sent = ready!(io.poll_send(cx, &[IoSlice::new(&buffer[PIECE_OFFSET..PIECE_OFFSET + length])], behind))?;
        part.start += sent as u64;
        Poll::Ready(Ok(sent))
    })
}

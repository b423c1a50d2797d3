//! Bytes received but not parsed yet. An idle connection has no buffer.

use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::lane::transport::Transport;

/// Capacity for a request head; larger ones are not for the lane.
const ROOM_BYTES: usize = 8 * 1024;
/// Unused buffers that a thread keeps.
const SPARES: usize = 64;

type Buffer = Box<[u8; ROOM_BYTES]>;

thread_local! {
    static SPARE: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

/// Received bytes.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    buffer: Option<Buffer>,
    start: usize,
    end: usize,
}

impl Inbox {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.as_ref().map(|buffer| &buffer[self.start..self.end]).unwrap_or_default()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// True if an incomplete head cannot become complete in this buffer.
    pub(crate) const fn is_full(&self) -> bool {
        self.start == 0 && self.end == ROOM_BYTES
    }

    /// Removes parsed bytes.
    pub(crate) fn consume(&mut self, length: usize) {
        self.start += length;
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Removes and returns all bytes.
    pub(crate) fn take(&mut self) -> Bytes {
        let bytes = Bytes::copy_from_slice(self.bytes());
        (self.start, self.end) = (0, 0);
        bytes
    }

    /// Reads more bytes. 0 means end of stream.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>, io: &mut impl Transport) -> Poll<io::Result<usize>> {
        let buffer = self.buffer.get_or_insert_with(spare);
        if self.start > 0 {
            buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let read = io.poll_recv(cx, &mut buffer[self.end..]);
        match &read {
            Poll::Ready(Ok(length)) => self.end += length,
            Poll::Pending if self.is_empty() => self.release(),
            _ => {}
        }
        read
    }

    fn release(&mut self) {
        let Some(buffer) = self.buffer.take() else { return };
        SPARE.with_borrow_mut(|spares| {
            if spares.len() < SPARES {
                spares.push(buffer);
            }
        });
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.release();
    }
}

fn spare() -> Buffer {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| Box::new([0; ROOM_BYTES]))
}

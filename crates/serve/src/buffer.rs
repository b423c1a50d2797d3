//! Buffers for pieces of files.
//!
//! Always true: a piece of up to [`PIECE_BYTES`] has a buffer of that size, which a thread keeps for its next piece. Without
//! that, buffers are allocated between the small objects of connections, and fragment the heap.

use std::cell::RefCell;

use bytes::Bytes;

/// The size of a buffer: large enough that the cost of system calls disappears, small enough that thousands of readers fit
/// in memory.
pub(crate) const PIECE_BYTES: usize = 32 * 1024;
/// Empty buffers that a thread keeps.
const SPARES: usize = 32;

type Room = Box<[u8; PIECE_BYTES]>;

thread_local! {
    static SPARE: RefCell<Vec<Room>> = const { RefCell::new(Vec::new()) };
}

/// Room for a piece.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// `None` only while it is dropped.
    room: Option<Room>,
    length: usize,
}

impl Buffer {
    /// Room for `length` bytes, [`PIECE_BYTES`] at most. Its content is arbitrary.
    pub(crate) fn of(length: usize) -> Self {
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten();
        let room = spare.unwrap_or_else(|| Box::new([0; PIECE_BYTES]));
        Self { room: Some(room), length: length.min(PIECE_BYTES) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.room.as_mut().map(|room| &mut room[..self.length]).unwrap_or_default()
    }

    /// The first `length` bytes, to be sent.
    pub(crate) fn into_bytes(mut self, length: usize) -> Bytes {
        self.length = self.length.min(length);
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.room.as_ref().map(|room| &room[..self.length]).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(room) = self.room.take() else { return };
        // While a thread ends its list is gone already.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARES {
                spare.push(room);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again() {
        let mut first = Buffer::of(5);
        first.bytes_mut().copy_from_slice(b"hello");
        let address = first.as_ref().as_ptr();
        let bytes = first.into_bytes(4);
        assert_eq!(bytes, "hell");
        let part = bytes.slice(1..);
        drop(bytes);
        assert_ne!(Buffer::of(1).as_ref().as_ptr(), address, "a part of it is still used");
        drop(part);
        assert_eq!(Buffer::of(PIECE_BYTES).as_ref().as_ptr(), address);
        assert_eq!(Buffer::of(PIECE_BYTES + 1).as_ref().len(), PIECE_BYTES);
    }
}

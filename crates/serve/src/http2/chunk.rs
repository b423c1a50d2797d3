//! Bytes of a response, from when they are read until they are written.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio::sync::OwnedSemaphorePermit;

use crate::body::Body;
use crate::connection::Connection;

/// Bytes that wait to be written. Their part of the budget is freed when the last of them is written, or when their stream
/// is reset.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) bytes: Bytes,
    /// Counts each byte that is written. Frames outside of answers, such as the reply to a PING, do not count as progress.
    pub(super) connection: Arc<Connection>,
    /// Their part of the budget.
    pub(super) _held: Option<OwnedSemaphorePermit>,
    /// Of the last bytes: the exchange ends with them, and not when they were read.
    pub(super) _body: Option<Box<Body>>,
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, length: usize) {
        self.connection.wrote(length);
        self.bytes.advance(length);
    }
}

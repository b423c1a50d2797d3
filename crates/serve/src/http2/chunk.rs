//! Bytes of an answer, from the moment they are read until they are written.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio::sync::OwnedSemaphorePermit;

use crate::body::Body;
use crate::connection::Connection;

/// Bytes that wait to be written. What they hold is given back when the last of them was, or when their stream is reset.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) bytes: Bytes,
    /// Hears of each byte that leaves: frames that are no part of an answer, such as those that answer a PING, are no
    /// progress.
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

//! Reading a block: a stream of decoded bytes for each encoding.
//!
//! A block is opened at its start and read **to the end of the delta**, not to the end of the block: the stock decoder
//! does so, and applies a delta whose blocks overlap or run into each other (delta §4, "Block reads
//! are not bounded"). We apply what endpoints apply, and write no such files.
//!
//! Bounds: no reader decodes further ahead than 16 KiB, and an xz stream may ask for at most [`XZ_MEMORY_LIMIT`].

mod bzip2;
mod gzip;
mod xz;

use std::io;

use crate::encoding::{Block, Encoding};
use crate::error::PatchError;

/// What an xz stream may make a client allocate; in effect the limit on its dictionary, 64 MiB being the largest usual
/// one.
pub const XZ_MEMORY_LIMIT: u64 = 80 << 20;

/// The decoded bytes of one block.
pub(crate) struct BlockReader<'d> {
    block: Block,
    source: Source<'d>,
}

enum Source<'d> {
    Raw(&'d [u8]),
    Zeros { left: u64 },
    Bzip2(bzip2::Reader<'d>),
    Gzip(gzip::Reader<'d>),
    Xz(xz::Reader<'d>),
}

impl<'d> BlockReader<'d> {
    /// `stored` starts with the block and goes on to the end of the delta.
    pub(crate) fn open(block: Block, encoding: Encoding, stored: &'d [u8]) -> Result<Self, PatchError> {
        let source = match encoding {
            Encoding::None => Source::Raw(stored),
            Encoding::Zeros => {
                let count = stored.first_chunk::<8>().ok_or(PatchError::BlockEnds { block })?;
                Source::Zeros { left: u64::from_le_bytes(*count) }
            }
            Encoding::Bzip2 => Source::Bzip2(bzip2::Reader::new(stored)),
            Encoding::Gzip => Source::Gzip(gzip::Reader::new(stored)),
            Encoding::Xz => Source::Xz(xz::Reader::new(stored).map_err(|source| PatchError::Decode { block, source })?),
        };
        Ok(Self { block, source })
    }

    /// Fills `out` with the next bytes, all of it.
    pub(crate) fn fill(&mut self, out: &mut [u8]) -> Result<(), PatchError> {
        if out.is_empty() {
            return Ok(());
        }
        let block = self.block;
        let wanted = out.len();
        let read = match &mut self.source {
            Source::Raw(rest) => Ok(take(rest, out)),
            Source::Zeros { left } => {
                let count = wanted.min(usize::try_from(*left).unwrap_or(usize::MAX));
                out[..count].fill(0);
                *left -= count as u64;
                Ok(count)
            }
            Source::Bzip2(reader) => reader.read(out),
            Source::Gzip(reader) => reader.read(out),
            Source::Xz(reader) => reader.read(out),
        };
        match read {
            Ok(count) if count == wanted => Ok(()),
            Ok(_) => Err(PatchError::BlockEnds { block }),
            Err(source) => Err(PatchError::Decode { block, source }),
        }
    }
}

/// Moves as many bytes as there are from the front of `from` into `to`.
fn take(from: &mut &[u8], to: &mut [u8]) -> usize {
    let count = from.len().min(to.len());
    let (head, tail) = from.split_at(count);
    to[..count].copy_from_slice(head);
    *from = tail;
    count
}

fn invalid(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

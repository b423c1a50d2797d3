//! Writing a block: each encoding that could be the smallest is tried, the smallest is kept.
//!
//! Same bytes in, same bytes out: what is tried depends on the block and the options only.

mod xz;

use std::io::{self, Write};

use crate::encoding::{Block, Encoding};
use crate::error::DiffError;

/// Encodings a delta may use besides `none`, which is always allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowedEncodings {
    /// bzip2 streams.
    pub bzip2: bool,
    /// Gzip members.
    pub gzip: bool,
    /// .xz streams.
    pub xz: bool,
    /// Counts of zeros, for blocks of nothing else.
    pub zeros: bool,
}

impl AllowedEncodings {
    /// Blocks are stored as they are.
    pub const NONE: Self = Self { bzip2: false, gzip: false, xz: false, zeros: false };
}

impl Default for AllowedEncodings {
    fn default() -> Self {
        Self { bzip2: true, gzip: true, xz: true, zeros: true }
    }
}

/// A block as it is stored.
pub(crate) struct Encoded {
    pub(crate) encoding: Encoding,
    pub(crate) bytes: Vec<u8>,
}

/// Stores `raw` in as few bytes as the allowed encodings manage, with at most `memory` bytes for the encoder.
pub(crate) fn encode(block: Block, raw: Vec<u8>, allowed: AllowedEncodings, memory: u64) -> Result<Encoded, DiffError> {
    if allowed.zeros && block != Block::Control && raw.len() > ZEROS_SIZE && raw.iter().all(|byte| *byte == 0) {
        return Ok(Encoded { encoding: Encoding::Zeros, bytes: (raw.len() as u64).to_le_bytes().to_vec() });
    }
    let failed = |source| DiffError::Encode { block, source };
    let mut best: Option<Encoded> = None;
    let mut keep_smaller = |encoding, bytes: Vec<u8>| {
        if bytes.len() < best.as_ref().map_or(raw.len(), |best| best.bytes.len()) {
            best = Some(Encoded { encoding, bytes });
        }
    };
    if raw.len() > SMALLEST_STREAM {
        if allowed.xz {
            keep_smaller(Encoding::Xz, xz::smallest(block, &raw, memory).map_err(failed)?);
        }
        if allowed.bzip2 {
            keep_smaller(Encoding::Bzip2, bzip2_stream(&raw).map_err(failed)?);
        }
        if allowed.gzip && (raw.len() <= GZIP_LIMIT || !allowed.xz) {
            keep_smaller(Encoding::Gzip, gzip_member(&raw).map_err(failed)?);
        }
    }
    Ok(best.unwrap_or(Encoded { encoding: Encoding::None, bytes: raw }))
}

/// Level 9, without name and time: the header is the same wherever and whenever it is written.
fn gzip_member(raw: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(raw)?;
    writer.finish()
}

/// The level is the size of a bzip2 block in 100,000 bytes; more than the block needs takes memory and changes nothing.
fn bzip2_stream(raw: &[u8]) -> io::Result<Vec<u8>> {
    let level = raw.len().div_ceil(90_000).clamp(1, 9) as u32;
    let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(level));
    writer.write_all(raw)?;
    writer.finish()
}

/// A zeros block is one integer.
const ZEROS_SIZE: usize = 8;
/// No stream is shorter: gzip takes 18 bytes for its header and trailer, the others more.
const SMALLEST_STREAM: usize = 18;
/// Above, xz has always been smaller: gzip's window ends at 32 KiB, its frame saves some 40 bytes.
const GZIP_LIMIT: usize = 128 << 10;

//! Writing a block: each encoding that could be the smallest is tried, the smallest is kept.
//!
//! The same input gives the same bytes: what is tried depends on the block, the allowed encodings and the memory only.

mod bzip2;
mod gzip;
mod xz;

use std::num::NonZeroUsize;

use crate::encoding::{Block, Encoding};
use crate::error::DiffError;

/// Encodings that a delta may use; `none` is always allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowedEncodings {
    /// bzip2 streams.
    pub bzip2: bool,
    /// Gzip members.
    pub gzip: bool,
    /// .xz streams.
    pub xz: bool,
    /// Counts of zeros, for blocks of zeros only.
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

/// Memory and threads of an encoder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resources {
    /// Bytes of memory, without the block.
    pub(crate) memory: u64,
    /// Threads; never change the result.
    pub(crate) threads: NonZeroUsize,
}

/// A block as it is stored.
pub(crate) struct Encoded {
    pub(crate) encoding: Encoding,
    pub(crate) bytes: Vec<u8>,
}

/// Encodes `raw` with the smallest of the allowed encodings.
pub(crate) fn encode(
    block: Block,
    raw: Vec<u8>,
    allowed: AllowedEncodings,
    resources: Resources,
) -> Result<Encoded, DiffError> {
    if allowed.zeros && block != Block::Control && raw.len() > ZEROS_SIZE && raw.iter().all(|byte| *byte == 0) {
        return Ok(Encoded { encoding: Encoding::Zeros, bytes: (raw.len() as u64).to_le_bytes().to_vec() });
    }
    let failed = |source| DiffError::Encode { block, source };
    let mut best = Encoded { encoding: Encoding::None, bytes: Vec::new() };
    let mut best_size = raw.len();
    let mut keep_smaller = |encoding, bytes: Vec<u8>| {
        if bytes.len() < best_size {
            best_size = bytes.len();
            best = Encoded { encoding, bytes };
        }
        best_size
    };
    if raw.len() > SMALLEST_STREAM {
        let mut density = None;
        if allowed.bzip2 && (raw.len() <= BZIP2_LIMIT || block == Block::Diff || !allowed.xz) {
            let size = keep_smaller(Encoding::Bzip2, bzip2::compress(&raw).map_err(failed)?);
            density = Some(size * 1000 / raw.len());
        }
        let is_settled = raw.len() > SETTLED_LIMIT && density.is_some_and(|density| density < SPARSE);
        let mut size = raw.len();
        if allowed.xz && !(block == Block::Diff && is_settled) {
            size = keep_smaller(Encoding::Xz, xz::smallest(block, &raw, density, resources).map_err(failed)?);
        }
        if allowed.gzip && (size <= GZIP_LIMIT || !allowed.xz) {
            keep_smaller(Encoding::Gzip, gzip::compress(&raw).map_err(failed)?);
        }
    }
    Ok(if best.encoding == Encoding::None { Encoded { bytes: raw, ..best } } else { best })
}

/// An estimate of the encoded size, in a hundredth of the time of [`encode`]: good for comparing blocks of the same
/// files.
pub(crate) fn estimate(block: Block, raw: &[u8]) -> Result<usize, DiffError> {
    let compressed = zstd::bulk::compress(raw, ESTIMATE_LEVEL).map_err(|source| DiffError::Encode { block, source })?;
    Ok(compressed.len())
}

/// The zstd level. Higher ones are slower and choose no better.
const ESTIMATE_LEVEL: i32 = 3;
/// A zeros block is one integer.
const ZEROS_SIZE: usize = 8;
/// No stream is shorter: gzip takes 18 bytes for its header and trailer, the others more.
const SMALLEST_STREAM: usize = 18;
/// Differences that bzip2 shrinks to fewer thousandths come out no smaller from xz, in ten times the time.
const SPARSE: usize = 20;
/// Raw bytes up to which xz is tried on those as well.
const SETTLED_LIMIT: usize = 2 << 20;
/// Raw bytes up to which bzip2 is always tried.
const BZIP2_LIMIT: usize = 128 << 10;
/// Encoded bytes above which gzip has always been larger: all it saves is some forty bytes of frame.
const GZIP_LIMIT: usize = 2 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::BlockReader;

    const MEANS: Resources = Resources { memory: 64 << 20, threads: NonZeroUsize::MIN };

    #[test]
    fn every_block_comes_back_at_every_size() {
        let sizes = [0, 1, 8, 9, 18, 19, 300, (128 << 10) - 1, 128 << 10, (128 << 10) + 1, 150_000, 1_100_000];
        let patterns: [fn(usize) -> u8; 4] = [
            |_| 0,
            |at| u8::from(at % 97 == 0),
            |at| (at.wrapping_mul(0x9e37_79b9) >> 13) as u8,
            |at| if at % 7 < 2 { 0xe8 } else { (at / 11) as u8 },
        ];
        for (size, pattern) in sizes.into_iter().flat_map(|size| patterns.map(|pattern| (size, pattern))) {
            let raw: Vec<u8> = (0..size).map(pattern).collect();
            for block in Block::ALL {
                let encoded = encode(block, raw.clone(), AllowedEncodings::default(), MEANS).unwrap();
                assert!(encoded.bytes.len() <= raw.len().max(ZEROS_SIZE));
                let mut decoded = vec![1; size];
                let mut reader = BlockReader::open(block, encoded.encoding, &encoded.bytes).unwrap();
                reader.fill(&mut decoded).unwrap();
                assert!(decoded == raw, "{block}, {size} bytes as {}", encoded.encoding);
            }
        }
    }

    #[test]
    fn threads_share_a_large_block_without_changing_it() {
        let raw: Vec<u8> = (0..15u32 << 20).map(|at| (at.wrapping_mul(at) >> 20) as u8).collect();
        let encoded = |threads: usize| {
            let resources = Resources { memory: 300 << 20, threads: NonZeroUsize::new(threads).unwrap() };
            encode(Block::Extra, raw.clone(), AllowedEncodings { xz: true, ..AllowedEncodings::NONE }, resources)
                .unwrap()
        };
        let one = encoded(1);
        assert!(one.bytes == encoded(3).bytes);
        let mut decoded = vec![0; raw.len()];
        BlockReader::open(Block::Extra, Encoding::Xz, &one.bytes).unwrap().fill(&mut decoded).unwrap();
        assert!(decoded == raw);
    }

    #[test]
    fn only_allowed_encodings_are_used() {
        let raw = b"again and ".repeat(1000);
        let only = |allowed| encode(Block::Extra, raw.clone(), allowed, MEANS).unwrap().encoding;
        let none = AllowedEncodings::NONE;
        assert_eq!(only(none), Encoding::None);
        assert_eq!(only(AllowedEncodings { bzip2: true, ..none }), Encoding::Bzip2);
        assert_eq!(only(AllowedEncodings { gzip: true, ..none }), Encoding::Gzip);
        assert_eq!(only(AllowedEncodings { xz: true, ..none }), Encoding::Xz);
    }
}

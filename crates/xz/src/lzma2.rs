//! LZMA2: chunks of up to 64 KiB of LZMA, or uncompressed chunks where LZMA does not make the input smaller.
//!
//! ```text
//! control   1 byte    0x01 uncompressed, dictionary reset; 0x02 uncompressed
//!                     0x80 LZMA; 0xa0 with state reset; 0xc0 also new properties; 0xe0 also dictionary reset
//!                     the lowest five bits of LZMA: bits 16 to 20 of the uncompressed size
//! size      2 bytes   uncompressed size less one
//! size      2 bytes   compressed size less one; LZMA only
//! props     1 byte    lc, lp, pb; from 0xc0 on
//! …
//! end       0x00
//! ```

use crate::match_finder::{MatchFinder, PADDING, Tables};
use crate::model::{Model, Props, Reps, State};
use crate::optimum::Parser;
use crate::range_encoder::RangeEncoder;

/// Encodes `data` without its last [`PADDING`] bytes, which are zeros.
pub(crate) fn encode(data: &[u8], props: Props, nice_length: u32, dict_size: usize, out: &mut Vec<u8>) {
    let length = data.len() - PADDING;
    let mut tables = Tables::new(length);
    let mut match_finder = MatchFinder::new(data, dict_size, &mut tables);
    let mut parser = Parser::new(nice_length, props);
    let mut chunk = Chunk { start: 0, reset: Reset::Dict };
    let mut model = Model::new(props);
    let mut range_encoder = RangeEncoder::new();
    let mut at = 0;
    while at < length {
        // State and reps that the rest of the plan was made for, if the model was reset in the middle of a segment.
        let mut planned_for: Option<(State, Reps)> = None;
        for &operation in parser.plan(data, at, length, &model, &mut match_finder) {
            let is_full = range_encoder.pending() + OPERATION_BYTES_MAX > COMPRESSED_MAX
                || at + operation.length() - chunk.start > UNCOMPRESSED_MAX;
            if is_full && chunk.end(&data[..at], &mut range_encoder, props, out) {
                planned_for.get_or_insert((model.state, model.reps));
                model.reset();
            }
            let operation = match &mut planned_for {
                None => operation,
                Some((state, reps)) => {
                    let without_reps = operation.without_reps(reps);
                    operation.apply(state, reps);
                    without_reps
                }
            };
            model.encode(operation, data, at, &mut range_encoder);
            at += operation.length();
        }
    }
    if length > 0 {
        chunk.end(&data[..length], &mut range_encoder, props, out);
    }
    out.push(0);
}

/// The chunk that is being filled.
struct Chunk {
    start: usize,
    reset: Reset,
}

/// What the next LZMA chunk has to reset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reset {
    None,
    State,
    Props,
    Dict,
}

impl Chunk {
    /// Writes the chunk that ends where `data` does. True if the model has to be reset.
    fn end(&mut self, data: &[u8], range_encoder: &mut RangeEncoder, props: Props, out: &mut Vec<u8>) -> bool {
        let bytes = &data[std::mem::replace(&mut self.start, data.len())..];
        let packed = range_encoder.finish();
        if packed.len() < bytes.len() {
            let (length, size) = (bytes.len() - 1, packed.len() - 1);
            let control = match std::mem::replace(&mut self.reset, Reset::None) {
                Reset::None => 0x80,
                Reset::State => 0xa0,
                Reset::Props => 0xc0,
                Reset::Dict => 0xe0,
            };
            out.push(control | (length >> 16) as u8);
            out.extend_from_slice(&(length as u16).to_be_bytes());
            out.extend_from_slice(&(size as u16).to_be_bytes());
            if control >= 0xc0 {
                out.push(props.byte());
            }
            out.extend_from_slice(&packed);
            return false;
        }
        for piece in bytes.chunks(1 << 16) {
            out.push(if self.reset == Reset::Dict { 1 } else { 2 });
            out.extend_from_slice(&((piece.len() - 1) as u16).to_be_bytes());
            out.extend_from_slice(piece);
            self.reset = if self.reset >= Reset::Props { Reset::Props } else { Reset::State };
        }
        true
    }
}

/// Most bytes of LZMA in a chunk.
const COMPRESSED_MAX: usize = 1 << 16;
/// Most bytes of input in a chunk.
const UNCOMPRESSED_MAX: usize = 2 << 20;
/// Upper bound for the bytes of one operation.
const OPERATION_BYTES_MAX: usize = 32;

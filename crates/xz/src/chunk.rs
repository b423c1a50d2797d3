//! LZMA2: chunks of up to 64 KiB of LZMA, or of bytes as they are where LZMA does not make them fewer.
//!
//! ```text
//! control   1 byte    0x01 bytes, window begun anew; 0x02 bytes
//!                     0x80 LZMA, 0xa0 state anew, 0xc0 contexts too, 0xe0 window too; lowest five bits: length, bits 16 to 20
//! length    2 bytes   of what comes out, less one
//! size      2 bytes   of the LZMA, less one; LZMA only
//! contexts  1 byte    from 0xc0 on
//! …
//! end       0x00
//! ```

use crate::find::{Finder, PADDING, Tables};
use crate::model::{Contexts, Distances, Model, State};
use crate::parse::Parser;
use crate::range::RangeEncoder;

/// Encodes `data` but for its last [`PADDING`] bytes, which are zeros.
pub(crate) fn encode(data: &[u8], contexts: Contexts, nice: u32, window: usize, out: &mut Vec<u8>) {
    let length = data.len() - PADDING;
    let mut tables = Tables::new(length);
    let mut finder = Finder::new(data, window, &mut tables);
    let mut parser = Parser::new(nice, contexts);
    let mut chunk = Chunk { start: 0, reset: Reset::Window };
    let mut model = Model::new(contexts);
    let mut coder = RangeEncoder::new();
    let mut at = 0;
    while at < length {
        // What the plan was made for, if the model forgot it in the middle.
        let mut planned: Option<(State, Distances)> = None;
        for &operation in parser.plan(data, at, length, &model, &mut finder) {
            let is_full =
                coder.pending() + LARGEST_OPERATION > MOST_BYTES || at + operation.length() - chunk.start > MOST_LENGTH;
            if is_full && chunk.end(&data[..at], &mut coder, contexts, out) {
                planned.get_or_insert((model.state, model.last));
                model.forget();
            }
            let operation = match &mut planned {
                None => operation,
                Some((state, last)) => {
                    let spelled_out = operation.spelled_out(last);
                    operation.apply(state, last);
                    spelled_out
                }
            };
            model.encode(operation, data, at, &mut coder);
            at += operation.length();
        }
    }
    if length > 0 {
        chunk.end(&data[..length], &mut coder, contexts, out);
    }
    out.push(0);
}

/// What is being filled.
struct Chunk {
    start: usize,
    reset: Reset,
}

/// What a chunk of LZMA has to begin anew.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reset {
    Nothing,
    State,
    Contexts,
    Window,
}

impl Chunk {
    /// Writes the chunk that ends where `data` does. True if the model has to forget.
    fn end(&mut self, data: &[u8], coder: &mut RangeEncoder, contexts: Contexts, out: &mut Vec<u8>) -> bool {
        let bytes = &data[std::mem::replace(&mut self.start, data.len())..];
        let packed = coder.finish();
        if packed.len() < bytes.len() {
            let (length, size) = (bytes.len() - 1, packed.len() - 1);
            let control = match std::mem::replace(&mut self.reset, Reset::Nothing) {
                Reset::Nothing => 0x80,
                Reset::State => 0xa0,
                Reset::Contexts => 0xc0,
                Reset::Window => 0xe0,
            };
            out.push(control | (length >> 16) as u8);
            out.extend_from_slice(&(length as u16).to_be_bytes());
            out.extend_from_slice(&(size as u16).to_be_bytes());
            if control >= 0xc0 {
                out.push(contexts.byte());
            }
            out.extend_from_slice(&packed);
            return false;
        }
        for piece in bytes.chunks(1 << 16) {
            out.push(if self.reset == Reset::Window { 1 } else { 2 });
            out.extend_from_slice(&((piece.len() - 1) as u16).to_be_bytes());
            out.extend_from_slice(piece);
            self.reset = if self.reset >= Reset::Contexts { Reset::Contexts } else { Reset::State };
        }
        true
    }
}

/// What a chunk of LZMA holds at most.
const MOST_BYTES: usize = 1 << 16;
/// What comes out of one at most.
const MOST_LENGTH: usize = 2 << 20;
/// More than any operation takes.
const LARGEST_OPERATION: usize = 32;

//! One .xz stream, with the parameters of LZMA chosen for the block.

use std::io;

use liblzma::stream::{Action, Check, Filters, LzmaOptions, MatchFinder, Mode, Status, Stream};

use crate::encoding::Block;

/// What is chosen per block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parameters {
    /// Bits of the byte before that a literal's prediction depends on.
    literal_context: u32,
    /// Bits of the position that a literal's prediction depends on.
    literal_position: u32,
    /// Bits of the position that the choice between literal and match depends on.
    position: u32,
    /// Whether x86 branch targets are made absolute first.
    x86: bool,
}

pub(super) fn smallest(block: Block, raw: &[u8], memory: u64) -> io::Result<Vec<u8>> {
    let parameters = match block {
        // Integers of eight bytes.
        Block::Control => Parameters { literal_context: 0, literal_position: 2, position: 3, x86: false },
        Block::Diff | Block::Extra => Parameters { literal_context: 3, literal_position: 0, position: 2, x86: false },
    };
    compress(raw, parameters, memory)
}

fn compress(raw: &[u8], parameters: Parameters, memory: u64) -> io::Result<Vec<u8>> {
    let mut options = LzmaOptions::new_preset(6)?;
    options
        .dict_size(dictionary(raw.len(), memory))
        .literal_context_bits(parameters.literal_context)
        .literal_position_bits(parameters.literal_position)
        .position_bits(parameters.position)
        .mode(Mode::Normal)
        .match_finder(MatchFinder::BinaryTree4)
        .nice_len(NICE_LEN)
        .depth(DEPTH);
    let mut filters = Filters::new();
    if parameters.x86 {
        filters.x86();
    }
    filters.lzma2(&options);
    let mut stream = Stream::new_stream_encoder(&filters, Check::Crc32)?;
    let mut out = Vec::with_capacity(raw.len() / 8 + 256);
    loop {
        if out.len() == out.capacity() {
            out.reserve(out.len());
        }
        let rest = &raw[stream.total_in() as usize..];
        if stream.process_vec(rest, &mut out, Action::Finish)? == Status::StreamEnd {
            return Ok(out);
        }
    }
}

/// As large as the block, a power of two, within what the client decodes and what `memory` holds.
fn dictionary(raw_size: usize, memory: u64) -> u32 {
    let wanted = (raw_size as u64).next_power_of_two().clamp(MIN_DICTIONARY, MAX_DICTIONARY);
    let affordable = (memory / MEMORY_PER_DICTIONARY_BYTE).max(MIN_DICTIONARY);
    wanted.min(1 << affordable.ilog2()) as u32
}

/// Of the encoder, measured: window, match finder's tree and hashes.
const MEMORY_PER_DICTIONARY_BYTE: u64 = 12;
const MIN_DICTIONARY: u64 = 64 << 10;
/// The client's decoder takes 64 MiB; the encoder would take twelve times that, for a gain of tenths of a percent.
const MAX_DICTIONARY: u64 = 32 << 20;
const NICE_LEN: u32 = 96;
const DEPTH: u32 = 64;

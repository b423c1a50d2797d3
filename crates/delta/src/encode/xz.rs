//! One .xz stream, with the parameters of LZMA chosen for the block.
//!
//! Small blocks are tried with several parameters; for larger ones a quick try or a sample decides, and effort falls
//! with size.
//! A stream over [`LARGE`] bytes is made of sections that threads compress side by side; the sections are the same for
//! any number of threads. Clients decode what any liblzma decodes: other parameters and the x86 filter cost them nothing (delta §4).

use std::io;

use liblzma::stream::{Action, Check, Filters, LzmaOptions, MatchFinder, Mode, MtStreamBuilder, Status, Stream};

use super::Means;
use crate::encoding::Block;

/// What LZMA is told about the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    /// Bits of the byte before that a literal's prediction depends on.
    literal_context: u32,
    /// Bits of the position that a literal's prediction depends on.
    literal_position: u32,
    /// Bits of the position that the choice between literal and match depends on.
    position: u32,
    /// Whether targets of x86 branches are made absolute first.
    x86: bool,
}

/// How hard LZMA looks for matches.
#[derive(Clone, Copy, Debug)]
struct Effort {
    mode: Mode,
    finder: MatchFinder,
    /// Length of a match that is taken at once, in bytes.
    nice: u32,
    /// Candidates that are compared.
    depth: u32,
}

impl Effort {
    /// All matches of a place are weighed, found in a tree.
    const fn tree(nice: u32, depth: u32) -> Self {
        Self { mode: Mode::Normal, finder: MatchFinder::BinaryTree4, nice, depth }
    }

    /// All matches of a place are weighed, found in a chain: fast where few candidates do.
    const fn chain(nice: u32, depth: u32) -> Self {
        Self { mode: Mode::Normal, finder: MatchFinder::HashChain4, nice, depth }
    }
}

const PLAIN: Shape = Shape { literal_context: 3, literal_position: 0, position: 2, x86: false };
const BYTES: Shape = Shape { literal_context: 3, literal_position: 0, position: 0, x86: false };
const WORDS: Shape = Shape { literal_context: 0, literal_position: 2, position: 2, x86: false };
const CODE: Shape = Shape { x86: true, ..PLAIN };

/// `density` is about how much of a block of differences another encoder left, in thousandths.
pub(super) fn smallest(block: Block, raw: &[u8], density: Option<usize>, means: Means) -> io::Result<Vec<u8>> {
    let effort = effort(block, raw.len(), density);
    let compress = |shape| compress(raw, shape, effort, means);
    let shapes: &[Shape] = match block {
        Block::Control => &[WORDS],
        Block::Diff => &[PLAIN, BYTES, WORDS],
        Block::Extra => &[PLAIN, BYTES, CODE],
    };
    if raw.len() <= TRY_ALL {
        let tried = shapes.iter().map(|shape| compress(*shape)).collect::<io::Result<Vec<_>>>()?;
        return Ok(tried.into_iter().min_by_key(Vec::len).unwrap_or_default());
    }
    // Of a large block a part tells enough, and only machine code makes a difference that shows in it.
    let (part, shapes) = match block {
        _ if raw.len() <= SMALL => (raw, shapes),
        Block::Extra => (&raw[raw.len() / 3..][..SAMPLE], &[PLAIN, CODE][..]),
        Block::Control | Block::Diff => return compress(shapes[0]),
    };
    let mut best = (shapes[0], usize::MAX);
    for shape in shapes {
        let size = self::compress(part, *shape, QUICK, means)?.len();
        if size < best.1 {
            best = (*shape, size);
        }
    }
    compress(best.0)
}

/// Differences are long runs of zeros with similar interruptions. The longer the runs, the more long matches and many
/// candidates save: a tenth where little differs, next to nothing where much does. New bytes have short matches only.
fn effort(block: Block, raw_size: usize, density: Option<usize>) -> Effort {
    match block {
        Block::Diff => match density.unwrap_or(SPARSE) {
            _ if raw_size <= TRY_ALL => Effort::tree(273, 96),
            ..DENSE if raw_size <= SMALL => Effort::tree(273, 96),
            ..SPARSE => Effort::tree(273, 96),
            SPARSE..DENSE => Effort::tree(96, 32),
            DENSE.. => Effort::chain(64, 6),
        },
        Block::Control if raw_size <= TRY_ALL => Effort::tree(32, 24),
        Block::Control => Effort::chain(64, 6),
        Block::Extra if raw_size <= MIDDLE => Effort::tree(32, 32),
        Block::Extra if raw_size <= LARGE => Effort::chain(64, 6),
        Block::Extra => Effort::chain(12, 4),
    }
}

fn compress(raw: &[u8], shape: Shape, effort: Effort, means: Means) -> io::Result<Vec<u8>> {
    let mut options = LzmaOptions::new_preset(PRESET)?;
    options
        .dict_size(dictionary(raw.len(), means.memory))
        .literal_context_bits(shape.literal_context)
        .literal_position_bits(shape.literal_position)
        .position_bits(shape.position)
        .mode(effort.mode)
        .match_finder(effort.finder)
        .nice_len(effort.nice)
        .depth(effort.depth);
    let mut filters = Filters::new();
    if shape.x86 {
        filters.x86();
    }
    filters.lzma2(&options);
    let mut stream = if raw.len() > LARGE {
        sectioned(filters, means)?
    } else {
        Stream::new_stream_encoder(&filters, Check::Crc32)?
    };
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

/// An encoder of sections, by as many threads as there is memory for.
fn sectioned(filters: Filters, means: Means) -> io::Result<Stream> {
    // Beside its encoder a thread holds a section, raw and encoded.
    let needed = u64::from(dictionary(LARGE + 1, means.memory)) * MEMORY_PER_DICTIONARY_BYTE + 2 * SECTION;
    let threads = (means.memory / needed).clamp(1, means.threads.get().min(64) as u64);
    Ok(MtStreamBuilder::new()
        .threads(threads as u32)
        .block_size(SECTION)
        .filters(filters)
        .check(Check::Crc32)
        .encoder()?)
}

/// As large as the block, a power of two, within what clients decode and what `memory` holds.
fn dictionary(raw_size: usize, memory: u64) -> u32 {
    let largest = if raw_size > LARGE { SECTION_DICTIONARY } else { MAX_DICTIONARY };
    let wanted = (raw_size as u64).next_power_of_two().clamp(MIN_DICTIONARY, largest);
    let affordable = (memory / MEMORY_PER_DICTIONARY_BYTE).max(MIN_DICTIONARY);
    wanted.min(1 << affordable.ilog2()) as u32
}

/// The base for all parameters that are not set here.
const PRESET: u32 = 6;
/// Raw bytes up to which every shape is tried.
const TRY_ALL: usize = 128 << 10;
/// Bytes of a sample, from one third of the block on: less than two thirds of [`TRY_ALL`].
const SAMPLE: usize = 64 << 10;
/// Finds out what suits in a tenth of the time.
const QUICK: Effort = Effort { mode: Mode::Fast, finder: MatchFinder::HashChain4, nice: 128, depth: 8 };
/// Density of differences, in thousandths, from which less effort does.
const SPARSE: usize = 33;
/// The same, from which little effort does.
const DENSE: usize = 100;
/// Raw bytes up to which a quick try of the whole block chooses the shape.
const SMALL: usize = 1 << 20;
/// Raw bytes up to which new bytes get all the effort that they reward.
const MIDDLE: usize = 2 << 20;
/// Raw bytes above which time counts more than the last percents.
const LARGE: usize = 8 << 20;
/// Bytes of a section, and its dictionary. Larger ones save tenths of a percent and keep threads from sharing the memory.
const SECTION: u64 = 12 << 20;
const SECTION_DICTIONARY: u64 = 4 << 20;
/// Of the encoder, measured: window, match finder's tree and hashes.
const MEMORY_PER_DICTIONARY_BYTE: u64 = 12;
const MIN_DICTIONARY: u64 = 64 << 10;
/// Of a stream in one piece; the block size, as such a block has at most [`LARGE`] bytes.
const MAX_DICTIONARY: u64 = LARGE as u64;

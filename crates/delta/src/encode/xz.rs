//! One .xz stream, with the parameters of LZMA chosen for the block.
//!
//! Small blocks are tried with several parameters; for larger ones a quick try or a sample decides, and effort falls
//! with size.
//! A stream over [`LARGE`] bytes is made of sections that threads compress concurrently; the sections are the same for
//! any number of threads. Clients decode what any liblzma decodes: other parameters and the x86 filter cost them
//! nothing (delta §4).

use std::io;

use liblzma::stream::{Action, Check, Filters, LzmaOptions, MatchFinder, Mode, MtStreamBuilder, Status, Stream};

use super::Resources;
use crate::encoding::Block;

/// The properties of LZMA (lc, lp, pb) and the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LzmaProfile {
    /// Literal context bits.
    lc: u32,
    /// Literal position bits.
    lp: u32,
    /// Position bits.
    pb: u32,
    /// With the x86 BCJ filter.
    x86: bool,
}

/// How hard LZMA looks for matches.
#[derive(Clone, Copy, Debug)]
struct Effort {
    mode: Mode,
    match_finder: MatchFinder,
    /// Matches of this length, in bytes, are taken without looking further.
    nice_length: u32,
    /// Most candidates that the match finder compares.
    depth: u32,
}

impl Effort {
    /// Normal mode with a binary tree.
    const fn tree(nice_length: u32, depth: u32) -> Self {
        Self { mode: Mode::Normal, match_finder: MatchFinder::BinaryTree4, nice_length, depth }
    }

    /// Normal mode with hash chains: fast where few candidates suffice.
    const fn chain(nice_length: u32, depth: u32) -> Self {
        Self { mode: Mode::Normal, match_finder: MatchFinder::HashChain4, nice_length, depth }
    }
}

const PLAIN: LzmaProfile = LzmaProfile { lc: 3, lp: 0, pb: 2, x86: false };
const BYTES: LzmaProfile = LzmaProfile { lc: 3, lp: 0, pb: 0, x86: false };
const WORDS: LzmaProfile = LzmaProfile { lc: 0, lp: 2, pb: 2, x86: false };
const CODE: LzmaProfile = LzmaProfile { x86: true, ..PLAIN };

/// `density` is the size that another encoder reached for a diff block, in thousandths of its raw size.
pub(super) fn smallest(block: Block, raw: &[u8], density: Option<usize>, resources: Resources) -> io::Result<Vec<u8>> {
    let effort = effort(block, raw.len(), density);
    let compress = |profile| compress(raw, profile, effort, resources);
    let profiles: &[LzmaProfile] = match block {
        Block::Control => &[WORDS],
        Block::Diff => &[PLAIN, BYTES, WORDS],
        Block::Extra => &[PLAIN, BYTES, CODE],
    };
    if raw.len() <= TRY_ALL {
        let tried = profiles.iter().map(|profile| compress(*profile)).collect::<io::Result<Vec<_>>>()?;
        return Ok(tried.into_iter().min_by_key(Vec::len).unwrap_or_default());
    }
    // For a large block a sample is enough, and only machine code makes a visible difference.
    let (part, profiles) = match block {
        _ if raw.len() <= SMALL => (raw, profiles),
        Block::Extra => (&raw[raw.len() / 3..][..SAMPLE], &[PLAIN, CODE][..]),
        Block::Control | Block::Diff => return compress(profiles[0]),
    };
    let mut best = (profiles[0], usize::MAX);
    for profile in profiles {
        let size = self::compress(part, *profile, QUICK, resources)?.len();
        if size < best.1 {
            best = (*profile, size);
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

fn compress(raw: &[u8], profile: LzmaProfile, effort: Effort, resources: Resources) -> io::Result<Vec<u8>> {
    let mut options = LzmaOptions::new_preset(PRESET)?;
    options
        .dict_size(dictionary(raw.len(), resources.memory))
        .literal_context_bits(profile.lc)
        .literal_position_bits(profile.lp)
        .position_bits(profile.pb)
        .mode(effort.mode)
        .match_finder(effort.match_finder)
        .nice_len(effort.nice_length)
        .depth(effort.depth);
    let mut filters = Filters::new();
    if profile.x86 {
        filters.x86();
    }
    filters.lzma2(&options);
    let mut stream = if raw.len() > LARGE {
        sectioned(filters, resources)?
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

/// An encoder of sections, with the number of threads that memory allows.
fn sectioned(filters: Filters, resources: Resources) -> io::Result<Stream> {
    // Memory of a thread: its encoder and a section, raw and encoded.
    let needed = u64::from(dictionary(LARGE + 1, resources.memory)) * MEMORY_PER_DICTIONARY_BYTE + 2 * SECTION;
    let threads = (resources.memory / needed).clamp(1, resources.threads.get().min(64) as u64);
    Ok(MtStreamBuilder::new()
        .threads(threads as u32)
        .block_size(SECTION)
        .filters(filters)
        .check(Check::Crc32)
        .encoder()?)
}

/// The dictionary: as large as the block, a power of two, within the limit of clients and `memory`.
fn dictionary(raw_size: usize, memory: u64) -> u32 {
    let largest = if raw_size > LARGE { SECTION_DICTIONARY } else { MAX_DICTIONARY };
    let wanted = (raw_size as u64).next_power_of_two().clamp(MIN_DICTIONARY, largest);
    let affordable = (memory / MEMORY_PER_DICTIONARY_BYTE).max(MIN_DICTIONARY);
    wanted.min(1 << affordable.ilog2()) as u32
}

/// The base for all parameters that are not set here.
const PRESET: u32 = 6;
/// Raw bytes up to which every profile is tried.
const TRY_ALL: usize = 128 << 10;
/// Bytes of a sample, from one third of the block on: less than two thirds of [`TRY_ALL`].
const SAMPLE: usize = 64 << 10;
/// Finds the best profile in a tenth of the time.
const QUICK: Effort = Effort { mode: Mode::Fast, match_finder: MatchFinder::HashChain4, nice_length: 128, depth: 8 };
/// Density of differences, in thousandths, from which less effort does.
const SPARSE: usize = 33;
/// The same, from which little effort does.
const DENSE: usize = 100;
/// Raw bytes up to which a quick try of the whole block chooses the profile.
const SMALL: usize = 1 << 20;
/// Raw bytes up to which an extra block gets full effort.
const MIDDLE: usize = 2 << 20;
/// Raw bytes above which time counts more than the last percents.
const LARGE: usize = 8 << 20;
/// Bytes of a section, and its dictionary. Larger ones save tenths of a percent and keep threads from sharing the
/// memory.
const SECTION: u64 = 12 << 20;
const SECTION_DICTIONARY: u64 = 4 << 20;
/// Memory of the encoder, measured: dictionary, tree and hashes of the match finder.
const MEMORY_PER_DICTIONARY_BYTE: u64 = 12;
const MIN_DICTIONARY: u64 = 64 << 10;
/// Of a stream in one piece; the block size, as such a block has at most [`LARGE`] bytes.
const MAX_DICTIONARY: u64 = LARGE as u64;

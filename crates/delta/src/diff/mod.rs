//! Making a delta, as bsdiff does.
//!
//! ```text
//! index of the base -> switches of alignment (scan) -> regions (align) -> control, diff, extra (raw) -> encoded blocks -> delta
//! ```
//!
//! Always true: the result depends on the two files, the attributes, the encodings allowed and the memory budget, not
//! on the number of threads.

mod align;
mod compare;
mod index;
mod raw;
mod scan;

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::thread;

use align::Region;
use index::{BlockIndex, SuffixIndex};
use raw::RawBlocks;
use scan::SwitchRule;

use crate::encode::{self, AllowedEncodings, Encoded, Resources};
use crate::encoding::{Block, Encoding, Encodings};
use crate::error::DiffError;
use crate::header::{FULL_DOWNLOAD, Header, HeaderVersion, MAX_NEW_SIZE, NewFile};

/// A delta, or the reason for using the full file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// What a client applies.
    Bytes(Vec<u8>),
    /// The full file is better.
    FullDownload(FullDownloadReason),
}

impl Delta {
    /// Content of the delta's file: the marker `FULLV20U` if the full file is better.
    pub fn into_file(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::FullDownload(_) => FULL_DOWNLOAD.to_vec(),
        }
    }
}

/// Why the full file is better than a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullDownloadReason {
    /// Clients apply no delta to an empty file.
    OldEmpty,
    /// The new file has fewer than [`MIN_NEW_SIZE`] bytes.
    NewSmall,
    /// The new file is over [`MAX_NEW_SIZE`]: clients refuse to make it.
    NewTooLarge,
    /// The delta would have this number of bytes, more than nine tenths of the new file.
    NotSmaller(u64),
}

/// The smallest new file a delta is made for, in bytes.
pub const MIN_NEW_SIZE: u64 = 200;

/// How a delta is made.
#[derive(Clone, Debug)]
pub struct DiffOptions {
    /// Threads for this one pair. Never changes the result.
    pub threads: NonZeroUsize,
    /// Bytes of memory this may take, both files included. Without one, six times the base and 64 MiB.
    ///
    /// A small budget gives larger deltas, from matches between blocks instead of a suffix array.
    pub memory: Option<u64>,
    /// Encodings the blocks may have.
    pub encodings: AllowedEncodings,
}

impl Default for DiffOptions {
    fn default() -> Self {
        Self { threads: NonZeroUsize::MIN, memory: None, encodings: AllowedEncodings::default() }
    }
}

/// Makes the delta that turns `old` into `new`; `meta` is what the new file is to get.
///
/// # Errors
/// [`DiffError::MemoryBudget`] if even the smallest index exceeds the budget; [`DiffError::SuffixArray`] and
/// [`DiffError::Encode`] if memory runs out.
pub fn diff(old: &[u8], new: &[u8], meta: NewFile, options: &DiffOptions) -> Result<Delta, DiffError> {
    if let Some(reason) = full_download_reason(old, new) {
        return Ok(Delta::FullDownload(reason));
    }
    let memory = Memory::new(old.len() as u64, new.len() as u64, options)?;
    let regions = regions(old, new, options, &memory)?;
    let blocks = RawBlocks::new(old, new, &regions);
    drop(regions);
    assemble(blocks, (old.len() as u64, new.len() as u64), meta, options, &memory)
}

/// Encodes the blocks of a delta that was made with [`AllowedEncodings::NONE`]. The result is that of [`diff`] for the
/// two files with the same options, without a second search for matches. A delta with encoded blocks is returned as it
/// is.
///
/// # Errors
/// [`DiffError::NotADelta`] if `bare` is not a delta, and those of [`diff`].
pub fn encode(bare: &[u8], options: &DiffOptions) -> Result<Delta, DiffError> {
    let header = Header::parse(bare).map_err(DiffError::NotADelta)?;
    let encodings = header.encodings;
    if [encodings.control, encodings.diff, encodings.extra] != [Encoding::None; 3] {
        return Ok(Delta::Bytes(bare.to_vec()));
    }
    let block = |block, length: u64| bare[header.start_of(block)..][..length as usize].to_vec();
    let blocks = RawBlocks {
        control: block(Block::Control, header.control_len),
        diff: block(Block::Diff, header.diff_len),
        extra: block(Block::Extra, header.extra_len),
    };
    let memory = Memory::new(header.old_size, header.new_size, options)?;
    assemble(blocks, (header.old_size, header.new_size), header.new_file, options, &memory)
}

/// Encodes the blocks and puts the header before them.
fn assemble(
    blocks: RawBlocks,
    (old_size, new_size): (u64, u64),
    meta: NewFile,
    options: &DiffOptions,
    memory: &Memory,
) -> Result<Delta, DiffError> {
    let [control, diff, extra] = encode_blocks(blocks, options, memory)?;
    let lengths = [&control, &diff, &extra].map(|block| block.bytes.len() as u64);
    let version = HeaderVersion::for_lengths(old_size, new_size, lengths[0], lengths[1], lengths[2]);
    let header = Header {
        version,
        first_block: version.size() as u8,
        control_len: lengths[0],
        diff_len: lengths[1],
        extra_len: lengths[2],
        old_size,
        new_size,
        new_file: meta,
        encodings: Encodings { control: control.encoding, diff: diff.encoding, extra: extra.encoding },
    };
    let delta = [header.to_bytes(), control.bytes, diff.bytes, extra.bytes].concat();
    if options.encodings != AllowedEncodings::NONE && delta.len() as u128 * 10 > u128::from(new_size) * 9 {
        return Ok(Delta::FullDownload(FullDownloadReason::NotSmaller(delta.len() as u64)));
    }
    Ok(Delta::Bytes(delta))
}

/// Files that the reference and its decoder have no delta for (delta §3, §4).
fn full_download_reason(old: &[u8], new: &[u8]) -> Option<FullDownloadReason> {
    let new_size = new.len() as u64;
    if old.is_empty() {
        Some(FullDownloadReason::OldEmpty)
    } else if new_size < MIN_NEW_SIZE {
        Some(FullDownloadReason::NewSmall)
    } else if new_size > MAX_NEW_SIZE {
        Some(FullDownloadReason::NewTooLarge)
    } else {
        None
    }
}

/// Covers the new file with regions: by a suffix array if that pays and memory allows, else by a block index.
fn regions(old: &[u8], new: &[u8], options: &DiffOptions, memory: &Memory) -> Result<Vec<Region>, DiffError> {
    let threads = options.threads;
    let suffixes_fit = SuffixIndex::can_hold(old.len()) && SuffixIndex::memory(old.len()) <= memory.free;
    if !suffixes_fit || new.len() >= LARGE {
        let index = BlockIndex::new(old, memory.block);
        let by_blocks = |rule| align::regions(old, new, &scan::scan(&index, old, new, rule, threads));
        let share = extra_share(&index, old, new, threads);
        if share > DISSIMILAR_SHARE {
            return Ok(by_blocks(DISSIMILAR_RULE));
        }
        if !suffixes_fit {
            return Ok(by_blocks(BLOCK_RULE));
        }
        if share < SIMILAR_SHARE {
            drop(index);
            let index = BlockIndex::new(old, memory.block.min(SMALL_BLOCK));
            let regions = align::regions(old, new, &scan::scan(&index, old, new, DEFAULT_RULE, threads));
            if inserted(&regions) * 1000 < new.len() * SIMILAR_SHARE {
                return Ok(regions);
            }
        }
    }
    let index = SuffixIndex::new(old)?;
    let scan = |rule| align::regions(old, new, &scan::scan(&index, old, new, rule, threads));
    if new.len() > SMALL {
        return Ok(scan(DEFAULT_RULE));
    }
    let (usual, classic) = (scan(DEFAULT_RULE), scan(CLASSIC_RULE));
    let estimate = |regions: &[Region]| -> Result<usize, DiffError> {
        let RawBlocks { control, diff, extra } = RawBlocks::new(old, new, regions);
        let blocks = [(Block::Control, control), (Block::Diff, diff), (Block::Extra, extra)];
        blocks.iter().map(|(block, raw)| encode::estimate(*block, raw)).sum()
    };
    Ok(if estimate(&classic)? < estimate(&usual)? { classic } else { usual })
}

/// The share of the new file that would go to the extra block, in thousandths, by a block index and a quarter of the
/// file.
fn extra_share(index: &BlockIndex, old: &[u8], new: &[u8], threads: NonZeroUsize) -> usize {
    let (mut looked_at, mut extra_bytes) = (0, 0);
    for piece in new.chunks(PIECE).step_by(4) {
        let changes = scan::scan(index, old, piece, BLOCK_RULE, threads);
        extra_bytes += inserted(&align::regions(old, piece, &changes));
        looked_at += piece.len();
    }
    extra_bytes * 1000 / looked_at.max(1)
}

fn inserted(regions: &[Region]) -> usize {
    regions.iter().map(|region| region.insert).sum()
}

/// Share above which two files have too little in common: short matches are coincidences.
const DISSIMILAR_SHARE: usize = 750;
/// Share below which a suffix array finds nothing that a block index does not.
const SIMILAR_SHARE: usize = 5;
/// Bytes of a block that finds small changes between files that are nearly equal.
const SMALL_BLOCK: usize = 16;
/// Bytes of a piece of the new file; [`extra_share`] looks at every fourth.
const PIECE: usize = 256 << 10;
/// A switch of alignment costs a control triple, some five bytes compressed, and splits the diff and the extra block.
/// Measured on pairs of Debian packages, as the next three.
const DEFAULT_RULE: SwitchRule = SwitchRule::Similar { min_gain: 24 };
/// Better for some tables and texts, with more and shorter regions; small files are tried both ways.
const CLASSIC_RULE: SwitchRule = SwitchRule::Equal { min_gain: 8 };
/// Up to this size of the new file, in bytes, trying twice is cheap.
const SMALL: usize = 1 << 20;
/// Matches found by blocks miss the ends of short ones.
const BLOCK_RULE: SwitchRule = SwitchRule::Similar { min_gain: 48 };
/// For large files that have little in common, such as Go programs built by another compiler: short matches are
/// coincidences, and new bytes compress better in one piece.
const DISSIMILAR_RULE: SwitchRule = SwitchRule::Similar { min_gain: 1000 };
/// From this size on, in bytes, [`extra_share`] is computed first: sorting and searching the suffixes takes seconds.
const LARGE: usize = 6 << 20;

/// The memory budget, divided.
struct Memory {
    /// Bytes without the two files.
    free: u64,
    /// Block size for a [`BlockIndex`] that fits.
    block: usize,
}

impl Memory {
    /// The sizes may come from a header that was not compared with a file: sums saturate.
    fn new(old_size: u64, new_size: u64, options: &DiffOptions) -> Result<Self, DiffError> {
        let files = PROCESS.saturating_add(old_size).saturating_add(new_size);
        // Raw blocks and regions replace the index; only the regions of one scan exist together with it.
        let raw = new_size.saturating_add(new_size / 4);
        let least = |block| files.saturating_add(BlockIndex::memory(old_size, block).max(raw));
        let usual = old_size.saturating_mul(6).saturating_add(64 << 20).max(least(BlockIndex::BLOCK));
        let limit = options.memory.map_or(usual, |budget| budget.min(usual));
        let blocks = (0..8).map(|doublings| BlockIndex::BLOCK << doublings);
        let block = blocks.clone().find(|block| least(*block) <= limit);
        let Some(block) = block else {
            let needed = blocks.map(least).min().unwrap_or(u64::MAX);
            return Err(DiffError::MemoryBudget { old: old_size, new: new_size, needed, budget: limit });
        };
        Ok(Self { free: limit.saturating_sub(files), block })
    }
}

/// Encodes the three blocks, the diff block on its own thread if there are several.
fn encode_blocks(blocks: RawBlocks, options: &DiffOptions, memory: &Memory) -> Result<[Encoded; 3], DiffError> {
    let RawBlocks { control, diff, extra } = blocks;
    let held = control.len() + diff.len() + extra.len();
    let free = memory.free.saturating_sub(held as u64);
    // Each block gets a fixed share, so that neither the order nor the number of threads changes the result.
    let run = |block, raw: Vec<u8>| {
        let share = free as u128 * raw.len() as u128 / held.max(1) as u128;
        encode::encode(block, raw, options.encodings, Resources { memory: share as u64, threads: options.threads })
    };
    if options.threads.get() == 1 {
        return Ok([run(Block::Control, control)?, run(Block::Diff, diff)?, run(Block::Extra, extra)?]);
    }
    let diff = Mutex::new(Some(diff));
    let run_diff = || {
        let diff = diff.lock().expect("nothing panics with the lock held").take();
        run(Block::Diff, diff.expect("it is encoded once"))
    };
    thread::scope(|scope| {
        // If the system refuses a thread, this one does all blocks.
        let spawned = thread::Builder::new().spawn_scoped(scope, run_diff);
        let control = run(Block::Control, control)?;
        let extra = run(Block::Extra, extra)?;
        let diff = match spawned {
            Ok(thread) => thread.join().expect("encoding does not panic"),
            Err(_) => run_diff(),
        };
        Ok([control, diff?, extra])
    })
}

/// Memory of a process before it reads a file.
const PROCESS: u64 = 8 << 20;

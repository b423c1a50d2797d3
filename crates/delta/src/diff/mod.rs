//! Making a delta.
//!
//! ```text
//! index of the base -> anchors (scan) -> regions (align) -> raw blocks (blocks) -> encoded blocks -> delta
//! ```
//!
//! Always true: the result depends on the two files, the attributes, the encodings allowed and the memory budget, not on
//! the number of threads.

mod align;
mod blocks;
mod bytes;
mod scan;
mod suffix;

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use blocks::Blocks;
use scan::{Anchor, Index};
use suffix::SuffixIndex;

use crate::encode::{AllowedEncodings, Encoded, encode};
use crate::encoding::{Block, Encodings};
use crate::error::DiffError;
use crate::header::{FULL_DOWNLOAD, Header, HeaderVersion, MAX_NEW_SIZE, NewFile};

/// A delta, or the advice to do without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// What a client applies.
    Bytes(Vec<u8>),
    /// The whole file serves better.
    FullDownload(FullDownloadReason),
}

impl Delta {
    /// Content of the delta's file: the marker `FULLV20U` if the whole file serves better.
    pub fn into_file(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::FullDownload(_) => FULL_DOWNLOAD.to_vec(),
        }
    }
}

/// Why the whole file serves better than a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullDownloadReason {
    /// Clients apply no delta to an empty file.
    OldEmpty,
    /// The new file has fewer than [`MIN_NEW_SIZE`] bytes.
    NewSmall,
    /// The new file is over [`MAX_NEW_SIZE`]: clients refuse to make it.
    NewTooLarge,
    /// The delta would have so many bytes, more than nine tenths of the new file.
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
/// [`DiffError::MemoryBudget`] if even the frugal way exceeds the budget; the others mean that memory ran out.
pub fn diff(old: &[u8], new: &[u8], meta: NewFile, options: &DiffOptions) -> Result<Delta, DiffError> {
    if let Some(reason) = hopeless(old, new) {
        return Ok(Delta::FullDownload(reason));
    }
    let memory = memory_limit(old, options);
    let anchors = find_anchors(&SuffixIndex::new(old)?, old, new, options.threads);
    let regions = align::regions(old, new, &anchors);
    drop(anchors);
    let blocks = Blocks::new(old, new, &regions);
    drop(regions);
    let held = (old.len() + new.len() + blocks.control.len() + blocks.diff.len() + blocks.extra.len()) as u64;
    let [control, diff, extra] = encode_blocks(blocks, options, memory.saturating_sub(held))?;

    let lengths = [&control, &diff, &extra].map(|block| block.bytes.len() as u64);
    let version = HeaderVersion::for_lengths(old.len() as u64, new.len() as u64, lengths[0], lengths[1], lengths[2]);
    let header = Header {
        version,
        first_block: version.size() as u8,
        control_len: lengths[0],
        diff_len: lengths[1],
        extra_len: lengths[2],
        old_size: old.len() as u64,
        new_size: new.len() as u64,
        new_file: meta,
        encodings: Encodings { control: control.encoding, diff: diff.encoding, extra: extra.encoding },
    };
    let delta = [header.to_bytes(), control.bytes, diff.bytes, extra.bytes].concat();
    if options.encodings != AllowedEncodings::NONE && delta.len() as u64 * 10 > new.len() as u64 * 9 {
        return Ok(Delta::FullDownload(FullDownloadReason::NotSmaller(delta.len() as u64)));
    }
    Ok(Delta::Bytes(delta))
}

/// What no delta helps, as the reference and its decoder see it (spec: delta.md 3 and 4).
fn hopeless(old: &[u8], new: &[u8]) -> Option<FullDownloadReason> {
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

fn memory_limit(old: &[u8], options: &DiffOptions) -> u64 {
    let usual = old.len() as u64 * 6 + (64 << 20);
    options.memory.map_or(usual, |budget| budget.min(usual)).saturating_sub(PROCESS)
}

/// Walks all sections of the new file, with as many threads as there are and are useful.
fn find_anchors(index: &impl Index, old: &[u8], new: &[u8], threads: NonZeroUsize) -> Vec<Anchor> {
    let sections: Vec<_> = (0..new.len()).step_by(scan::SECTION).collect();
    let walk = |start: usize| scan::walk(index, old, new, start..new.len().min(start + scan::SECTION));
    let threads = threads.get().min(sections.len());
    if threads == 1 {
        return sections.into_iter().flat_map(walk).collect();
    }
    let next = AtomicUsize::new(0);
    let found = Mutex::new(vec![Vec::new(); sections.len()]);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(start) = sections.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let anchors = walk(*start);
                    let mut found = found.lock().expect("no walk panics with the lock held");
                    found[start / scan::SECTION] = anchors;
                }
            });
        }
    });
    found.into_inner().expect("no walk panics with the lock held").concat()
}

/// Encodes the three blocks, side by side if there are threads.
fn encode_blocks(blocks: Blocks, options: &DiffOptions, memory: u64) -> Result<[Encoded; 3], DiffError> {
    // The diff and the extra block share what is left; whoever comes first must not decide.
    let share = memory / 2;
    let run = |block, raw| encode(block, raw, options.encodings, share);
    let Blocks { control, diff, extra } = blocks;
    if options.threads.get() == 1 {
        return Ok([run(Block::Control, control)?, run(Block::Diff, diff)?, run(Block::Extra, extra)?]);
    }
    std::thread::scope(|scope| {
        let diff = scope.spawn(|| run(Block::Diff, diff));
        let control = run(Block::Control, control)?;
        let extra = run(Block::Extra, extra)?;
        Ok([control, diff.join().expect("encoding does not panic")?, extra])
    })
}

/// What a process has before it touches a file.
const PROCESS: u64 = 6 << 20;

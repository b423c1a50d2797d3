//! Applying a delta: `old` and `delta` in, the new file's bytes and attributes out.
//!
//! Accepts and refuses what the stock decoder accepts and refuses (delta §4), with one exception: more than
//! [`MAX_IDLE_TRIPLES`] triples that produce nothing are refused, because a few kilobytes could otherwise keep a
//! processor busy for minutes.
//!
//! The format has no checksum of either file: the caller has to know the hash of the result.

use crate::control::{TRIPLE_SIZE, Triple};
use crate::decode::BlockReader;
use crate::encoding::{Block, Encoding};
use crate::error::PatchError;
use crate::header::{Header, MAX_NEW_SIZE, NewFile};

/// The result of a delta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patched {
    /// Content of the new file. Not verified: the format has no checksum.
    pub bytes: Vec<u8>,
    /// Mode and owner of the new file.
    pub meta: NewFile,
}

/// Applies `delta` to `old`.
///
/// Memory: the new file, which is allocated as it is decoded and not by the declared size, and at most
/// 80 MiB per xz block.
///
/// # Errors
/// [`PatchError::FullDownload`] if the delta is the marker for "use the full file"; [`PatchError::OldSize`] or
/// [`PatchError::OldEmpty`] for another base; other variants if the delta is damaged.
pub fn patch(old: &[u8], delta: &[u8]) -> Result<Patched, PatchError> {
    patch_within(old, delta, MAX_NEW_SIZE)
}

/// As [`patch`], for a new file of at most `limit` bytes.
///
/// # Errors
/// As [`patch`], and [`PatchError::NewTooLarge`] above `limit`, before memory is allocated.
pub fn patch_within(old: &[u8], delta: &[u8], limit: u64) -> Result<Patched, PatchError> {
    let header = Header::parse(delta)?;
    if header.new_size > limit {
        return Err(PatchError::NewTooLarge { declared: header.new_size, limit });
    }
    if old.is_empty() {
        return Err(PatchError::OldEmpty);
    }
    if header.old_size != old.len() as u64 {
        return Err(PatchError::OldSize { declared: header.old_size, actual: old.len() as u64 });
    }
    let open = |block: Block, encoding: Encoding| {
        let stored = delta.get(header.start_of(block)..).unwrap_or_default();
        BlockReader::open(block, encoding, stored)
    };
    let mut control = open(Block::Control, header.encodings.control)?;
    let mut output = Output {
        old,
        new: Vec::new(),
        size: header.new_size as usize,
        diff: open(Block::Diff, header.encodings.diff)?,
        extra: open(Block::Extra, header.encodings.extra)?,
    };

    let mut old_at = 0i64;
    let mut index = 0;
    let mut idle = 0;
    while output.left() > 0 {
        let mut bytes = [0; TRIPLE_SIZE];
        control.fill(&mut bytes)?;
        let triple = Triple::from_bytes(&bytes);
        let Some((add, insert)) = triple.counts_within(output.left()) else {
            return Err(PatchError::TripleOutOfRange { index, add: triple.add, insert: triple.insert });
        };
        output.add(old_at as usize, add)?;
        output.insert(insert)?;
        old_at = old_at
            .checked_add(triple.add)
            .and_then(|at| at.checked_add(triple.seek))
            .filter(|at| (0..=old.len() as i64).contains(at))
            .ok_or(PatchError::SeekOutOfRange { index, add: triple.add, seek: triple.seek })?;
        index += 1;
        if add + insert == 0 {
            idle += 1;
            if idle > MAX_IDLE_TRIPLES {
                return Err(PatchError::IdleTriples { limit: MAX_IDLE_TRIPLES });
            }
        }
    }
    Ok(Patched { bytes: output.new, meta: header.new_file })
}

/// Reads the header of a delta, without looking at its blocks.
///
/// # Errors
/// Those of [`patch`] that the header and the length of the delta show.
pub fn header(delta: &[u8]) -> Result<Header, PatchError> {
    Header::parse(delta)
}

impl Triple {
    /// Both counts, if neither is negative and their sum is at most `left`.
    fn counts_within(self, left: usize) -> Option<(usize, usize)> {
        let add = usize::try_from(self.add).ok().filter(|add| *add <= left)?;
        let insert = usize::try_from(self.insert).ok().filter(|insert| *insert <= left - add)?;
        Some((add, insert))
    }
}

/// The new file while it is decoded.
struct Output<'a> {
    old: &'a [u8],
    new: Vec<u8>,
    size: usize,
    diff: BlockReader<'a>,
    extra: BlockReader<'a>,
}

impl Output<'_> {
    fn left(&self) -> usize {
        self.size - self.new.len()
    }

    /// Adds old bytes to the next bytes of the diff block. Past the end of the base there is nothing to add.
    fn add(&mut self, old_at: usize, count: usize) -> Result<(), PatchError> {
        let start = self.new.len();
        append(&mut self.new, &mut self.diff, count, self.size)?;
        let base = self.old.get(old_at..).unwrap_or_default();
        for (new, old) in self.new[start..].iter_mut().zip(base) {
            *new = new.wrapping_add(*old);
        }
        Ok(())
    }

    fn insert(&mut self, count: usize) -> Result<(), PatchError> {
        append(&mut self.new, &mut self.extra, count, self.size)
    }
}

/// Decodes `count` bytes to the end of `new`, in steps that at most double it: memory grows with the bytes that are
/// there, not with the declared size.
fn append(new: &mut Vec<u8>, from: &mut BlockReader<'_>, count: usize, size: usize) -> Result<(), PatchError> {
    let end = new.len() + count;
    while new.len() < end {
        let start = new.len();
        let step = (end - start).min(start.max(FIRST_STEP));
        if new.capacity() < start + step {
            let room = size.min((start + step) * 2).max(start + step) - start;
            new.try_reserve_exact(room).map_err(|_| PatchError::OutOfMemory { size: size as u64 })?;
        }
        new.resize(start + step, 0);
        from.fill(&mut new[start..])?;
    }
    Ok(())
}

/// Bytes decoded before memory grows with the declared size.
const FIRST_STEP: usize = 1 << 20;

/// Triples that may produce nothing. Encoders write a handful; this number takes about one second.
const MAX_IDLE_TRIPLES: u64 = 1 << 24;

//! A table of the base's blocks: bounded memory for files of any size.
//!
//! ```text
//! heads   u32 per slot: the first block with this hash
//! next    u32 per block: the next block with the same hash
//! ```

use std::cmp::Reverse;

use super::super::compare::equal_prefix;
use super::{Index, Match};

pub(in super::super) struct BlockIndex<'o> {
    old: &'o [u8],
    block: usize,
    heads: Vec<u32>,
    next: Vec<u32>,
    shift: u32,
}

impl<'o> BlockIndex<'o> {
    /// Bytes of a block when memory does not matter. Shorter ones find little that is worth a triple in files that
    /// have little in common, which is where this index is used with memory to spare.
    pub(in super::super) const BLOCK: usize = 32;

    /// Bytes of memory for a base of `old_size` bytes in blocks of `block`.
    pub(in super::super) fn memory(old_size: u64, block: usize) -> u64 {
        let blocks = old_size / block as u64;
        let slots = 1 << slot_bits(usize::try_from(blocks).unwrap_or(usize::MAX));
        blocks.saturating_add(slots).saturating_mul(4)
    }

    /// `block` is at least 8 and gives less than 2^32 blocks.
    pub(in super::super) fn new(old: &'o [u8], block: usize) -> Self {
        let blocks = old.len() / block;
        let bits = slot_bits(blocks);
        let mut index = Self { old, block, heads: vec![NONE; 1 << bits], next: vec![NONE; blocks], shift: 64 - bits };
        // Backwards, so that each chain is in the order of the base and its start is the first of many equal blocks.
        for at in (0..blocks).rev() {
            let slot = index.slot(&old[at * block..][..block]);
            index.next[at] = index.heads[slot];
            index.heads[slot] = at as u32;
        }
        index
    }

    fn slot(&self, block: &[u8]) -> usize {
        (hash(block) >> self.shift) as usize
    }

    /// The blocks with the hash of the front of `wanted`, up to the number that is examined.
    fn candidates(&self, wanted: &[u8]) -> impl Iterator<Item = usize> {
        let first = wanted.get(..self.block).map_or(NONE, |block| self.heads[self.slot(block)]);
        let known = |at: u32| (at != NONE).then_some(at);
        std::iter::successors(known(first), move |at| known(self.next[*at as usize]))
            .take(CHAIN)
            .map(|at| at as usize * self.block)
    }
}

impl Index for BlockIndex<'_> {
    fn find(&self, new: &[u8], at: usize, expected: isize) -> Option<Match> {
        let wanted = &new[at..];
        self.candidates(wanted)
            .map(|old| Match { new: at, old, len: equal_prefix(&self.old[old..], wanted) })
            .filter(|found| found.len >= self.block)
            .max_by_key(|found| (found.len, Reverse((found.old as isize).abs_diff(expected))))
    }
}

fn hash(block: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, _) = block.as_chunks::<8>();
    words.iter().fold(0u64, |hash, word| (hash.rotate_left(29) ^ u64::from_le_bytes(*word)).wrapping_mul(ODD))
}

/// One to two slots per block.
fn slot_bits(blocks: usize) -> u32 {
    blocks.max(8).ilog2() + 1
}

const NONE: u32 = u32::MAX;
/// Most blocks of one hash that a lookup compares: a run of equal blocks must not make each lookup visit all of them.
const CHAIN: usize = 4;

//! The match finder: for each position the nearest earlier positions that share 2, 3, 4, … bytes with it.
//!
//! There are eight length classes, each with a hash table: from the hash of that number of bytes to the last position
//! with it.
//!
//! ```text
//! class         0    1    2    3    4    5    6    7
//! hashes        2    3    4    6    8   12   16   32 bytes
//! table         own  own  └ paired ┘└ paired ┘└ paired ┘
//!
//! entry         check bits of the hash (7) | position in the block (25)
//! page          half for the shorter class of a pair, half for the longer one; chosen by the hash of the shorter one
//! ```
//!
//! One lookup per class gives all matches worth knowing: the nearest of two bytes, the nearest of three, … A hash chain
//! (hc4) or a binary tree (bt4) would find more, but each of its steps waits for the memory of the one before. Here the
//! positions to look up are known in advance, so their memory is prefetched.
//!
//! The longer classes share a table in pairs, page by page. Both lookups then need one address translation instead of
//! two.

use memmap2::MmapMut;

use crate::model::MATCH_LEN_MAX;

/// An earlier occurrence of the bytes at a position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) length: u32,
    /// The distance less one, as the format has it.
    pub(crate) distance: u32,
}

/// The entry of some bytes in the tables, and the check bits it begins with.
#[derive(Clone, Copy, Default)]
struct Hash {
    index: u32,
    check: u32,
}

impl Hash {
    /// One of the `1 << bits` entries from `start` on, by the highest bits of `mixed`.
    #[inline(always)]
    fn new(start: usize, mixed: u64, bits: u32) -> Self {
        let index = start + (mixed >> (64 - bits)) as usize;
        Self { index: index as u32, check: ((mixed << bits) >> 32) as u32 & !POSITION_MASK }
    }
}

/// Goes through all positions once, from the first to the last.
pub(crate) struct MatchFinder<'d> {
    /// The input and [`PADDING`] bytes.
    data: &'d [u8],
    length: usize,
    position: usize,
    /// The largest distance of a match, in bytes.
    dict_size: usize,
    bits: [u32; CLASSES],
    /// For all classes, one after the other: the last position with each hash, and above it seven more bits of the
    /// hash. Those sort out most collisions without a look at the data.
    tables: &'d mut [u32],
    offsets: [usize; CLASSES],
    /// True if data and tables are larger than the cache.
    prefetches: bool,
    /// Those of the positions up to [`PREFETCH_DISTANCE`] ahead.
    hashes: [[Hash; CLASSES]; RING],
    matches: [Match; CLASSES],
}

impl<'d> MatchFinder<'d> {
    /// For `data` without its last [`PADDING`] bytes.
    pub(crate) fn new(data: &'d [u8], dict_size: usize, tables: &'d mut Tables) -> Self {
        let length = data.len() - PADDING;
        let bits = bits(length);
        let mut offsets = [0; CLASSES];
        for class in 1..CLASSES {
            offsets[class] = offsets[class - 1] + (1usize << bits[class - 1]);
        }
        let tables = tables.entries();
        let hashes = [[Hash::default(); CLASSES]; RING];
        let mut match_finder = Self {
            data,
            length,
            position: 0,
            dict_size,
            bits,
            tables,
            offsets,
            prefetches: Tables::memory(length) > CACHE_BYTES,
            hashes,
            matches: [Match::default(); CLASSES],
        };
        for position in 0..PREFETCH_DISTANCE.min(length) {
            match_finder.prepare(position);
        }
        match_finder
    }

    /// The matches at the next position, each longer and farther than its predecessor.
    #[inline(always)]
    pub(crate) fn find(&mut self) -> &[Match] {
        let position = self.advance();
        let limit = (self.length - position).min(MATCH_LEN_MAX as usize);
        let hashes = self.hashes[position % RING];
        let (mut candidates, mut nearest, mut classes) = ([0; CLASSES], position as u32, 0u32);
        for (class, hash) in hashes.into_iter().enumerate() {
            let entry = std::mem::replace(&mut self.tables[hash.index as usize], hash.check | position as u32);
            // Only a candidate that is farther than those of the shorter classes adds a match: a nearer one was found
            // with them. An empty entry names position 0.
            let candidate = entry ^ hash.check;
            classes |= u32::from(candidate < nearest) << class;
            nearest = nearest.min(candidate);
            candidates[class] = candidate;
        }
        let (mut count, mut best) = (0, 1);
        while classes != 0 {
            let class = classes.trailing_zeros() as usize % CLASSES;
            classes &= classes - 1;
            let candidate = candidates[class] as usize;
            if HASH_LENGTHS[class] > limit
                || best >= limit
                || position - candidate > self.dict_size
                || self.data[candidate + best] != self.data[position + best]
            {
                continue;
            }
            let length = match_length(self.data, candidate, position, limit);
            if length > best {
                best = length;
                self.matches[count] = Match { length: length as u32, distance: (position - candidate - 1) as u32 };
                count += 1;
            }
        }
        &self.matches[..count]
    }

    /// Skips `count` positions; later matches may begin there.
    pub(crate) fn skip(&mut self, count: usize) {
        let end = self.position + count;
        while self.position < end {
            self.skip_run(end);
            for _ in self.position..end.min(self.position + RING) {
                let position = self.advance();
                for hash in self.hashes[position % RING] {
                    self.tables[hash.index as usize] = hash.check | position as u32;
                }
            }
        }
    }

    /// Skips positions inside a run of one byte: they have the same hashes as the next position, which writes the
    /// entries.
    #[inline(always)]
    fn skip_run(&mut self, end: usize) {
        let position = self.position;
        let word = |at: usize| &self.data[position + at..position + at + 8];
        if position + 2 * RING > end || word(0) != word(1) {
            return;
        }
        let longest = HASH_LENGTHS[CLASSES - 1];
        let run = match_length(self.data, position, position + 1, end - position + longest - 1);
        let skipped = (run + 1).saturating_sub(longest).min(end - 1 - position);
        if skipped > RING {
            self.position += skipped;
            for position in self.position..self.length.min(self.position + PREFETCH_DISTANCE) {
                self.prepare(position);
            }
        }
    }

    #[inline(always)]
    fn advance(&mut self) -> usize {
        let position = self.position;
        self.position += 1;
        if position + PREFETCH_DISTANCE < self.length {
            self.prepare(position + PREFETCH_DISTANCE);
        }
        let near = position + PREFETCH_DISTANCE / 2;
        if self.prefetches && near < self.length {
            for hash in self.hashes[near % RING] {
                let candidate = (self.tables[hash.index as usize] ^ hash.check) as usize;
                prefetch(self.data, candidate.min(near));
            }
        }
        position
    }

    /// Computes the hashes of a position and prefetches their entries.
    #[inline(always)]
    fn prepare(&mut self, position: usize) {
        let word = |at: usize| {
            let bytes = self.data[position + at..position + at + 8].try_into();
            u64::from_le_bytes(bytes.expect("eight bytes are eight bytes"))
        };
        let (first, second) = (word(0), word(8));
        let sixteen = mix(first, second);
        let thirty_two = mix(sixteen, mix(word(16), word(24)));
        let mixed = [
            (first << 48).wrapping_mul(FACTOR),
            (first << 40).wrapping_mul(FACTOR),
            (first << 32).wrapping_mul(FACTOR),
            (first << 16).wrapping_mul(FACTOR),
            first.wrapping_mul(FACTOR),
            mix(first, second << 32),
            sixteen,
            thirty_two,
        ];
        let mut hashes = [Hash::default(); CLASSES];
        for class in 0..FIRST_PAIR {
            hashes[class] = Hash::new(self.offsets[class], mixed[class], self.bits[class]);
        }
        for class in (FIRST_PAIR..CLASSES).step_by(2) {
            let bits = self.bits[class] - HALF_PAGE_BITS;
            let page = self.offsets[class] + ((mixed[class] >> (64 - bits)) << (HALF_PAGE_BITS + 1)) as usize;
            hashes[class] = Hash::new(page, mixed[class] << bits, HALF_PAGE_BITS);
            hashes[class + 1] = Hash::new(page + (1 << HALF_PAGE_BITS), mixed[class + 1], HALF_PAGE_BITS);
        }
        if self.prefetches {
            for hash in hashes {
                prefetch(self.tables, hash.index as usize);
            }
        }
        self.hashes[position % RING] = hashes;
    }
}

/// The sizes of the tables for an input of `length` bytes, in bits.
fn bits(length: usize) -> [u32; CLASSES] {
    let most = (usize::BITS - length.leading_zeros()).clamp(HALF_PAGE_BITS + 1, MAX_TABLE_BITS);
    TABLE_BITS.map(|bits| bits.min(most))
}

/// The memory of the hash tables.
pub(crate) enum Tables {
    Small(Vec<u32>),
    /// In huge pages where the system has them: tables are read at random, which costs a TLB miss for each small page.
    Large(MmapMut),
}

impl Tables {
    /// For an input of `length` bytes.
    pub(crate) fn new(length: usize) -> Self {
        let bytes = Self::memory(length);
        if bytes < HUGE_PAGE_BYTES {
            return Self::Small(vec![0; bytes / 4]);
        }
        match MmapMut::map_anon(bytes) {
            Ok(map) => {
                #[cfg(target_os = "linux")]
                // A system without huge pages refuses, and is only slower.
                let _ = map.advise(memmap2::Advice::HugePage);
                Self::Large(map)
            }
            Err(_) => Self::Small(vec![0; bytes / 4]),
        }
    }

    /// Bytes of the tables for an input of `length` bytes.
    pub(crate) fn memory(length: usize) -> usize {
        bits(length).iter().map(|&bits| 4usize << bits).sum()
    }

    fn entries(&mut self) -> &mut [u32] {
        match self {
            Self::Small(entries) => entries,
            Self::Large(map) => bytemuck::cast_slice_mut(map),
        }
    }
}

#[inline(always)]
fn mix(first: u64, second: u64) -> u64 {
    (first.wrapping_mul(FACTOR).rotate_left(29) ^ second).wrapping_mul(SECOND_FACTOR)
}

/// Number of equal bytes at `first` and `second`, up to `limit`.
#[inline(always)]
pub(crate) fn match_length(data: &[u8], first: usize, second: usize, limit: usize) -> usize {
    let (first, second) = (&data[first..], &data[second..second + limit + 8]);
    let mut length = 0;
    while length < limit {
        let word = |bytes: &[u8]| {
            let bytes = bytes[length..length + 8].try_into();
            u64::from_le_bytes(bytes.expect("eight bytes are eight bytes"))
        };
        let difference = word(first) ^ word(second);
        if difference != 0 {
            return limit.min(length + (difference.trailing_zeros() / 8) as usize);
        }
        length += 8;
    }
    limit
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(unsafe_code, reason = "the compiler has no safe prefetch")]
fn prefetch<T>(items: &[T], place: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch is a hint and faults at no address; nothing is read.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(items.as_ptr().wrapping_add(place).cast()) }
}

#[cfg(not(target_arch = "x86_64"))]
fn prefetch<T>(_items: &[T], _place: usize) {}

/// Bytes that follow the input, because hashes and comparisons read in words.
pub(crate) const PADDING: usize = 32 + 8;

const CLASSES: usize = 8;
/// Bytes that each class hashes.
const HASH_LENGTHS: [usize; CLASSES] = [2, 3, 4, 6, 8, 12, 16, 32];
/// The sizes of their tables for large inputs, in bits.
const TABLE_BITS: [u32; CLASSES] = [16, 18, 22, 22, 22, 22, 22, 22];
const MAX_TABLE_BITS: u32 = 22;
/// From this class on, two classes share a table.
const FIRST_PAIR: usize = 2;
/// Entries in half of a page, in bits: 2048 bytes.
const HALF_PAGE_BITS: u32 = 9;
/// The bits of an entry that hold the position, which is within a block.
const POSITION_MASK: u32 = crate::BLOCK_BYTES as u32 - 1;
/// Hashes are computed and table entries prefetched this number of positions ahead.
const PREFETCH_DISTANCE: usize = 15;
const RING: usize = 16;
/// Tables and data below this size are in the cache of a core.
const CACHE_BYTES: usize = 1 << 20;
/// From here on huge pages pay.
const HUGE_PAGE_BYTES: usize = 16 << 20;
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
const SECOND_FACTOR: u64 = 0xc2b2_ae3d_27d4_eb4f;

#[cfg(test)]
mod tests {
    use super::*;

    /// Skipping a run at once leaves the same tables as skipping position by position.
    #[test]
    fn skipping_a_run_at_once_leaves_the_same_tables() {
        for (before, run, after) in [(0, 64, 0), (1, 65, 40), (3, 300, 1), (50, 47, 50), (0, 5000, 31), (33, 79, 33)] {
            let other = |count: usize| (0..count).map(|place| (place * 7 + 1) as u8).collect::<Vec<u8>>();
            let data = [other(before), vec![9; run], other(after), vec![0; PADDING]].concat();
            let length = data.len() - PADDING;
            let skipped = |step: usize| {
                let mut tables = Tables::new(length);
                let mut match_finder = MatchFinder::new(&data, 1 << 16, &mut tables);
                while match_finder.position < length {
                    match_finder.skip(step.min(length - match_finder.position));
                }
                tables.entries().to_vec()
            };
            let expected = skipped(1);
            for step in [31, 32, 33, 63, 64, 272, 5000] {
                assert!(skipped(step) == expected, "{before}, {run}, {after} by {step}");
            }
        }
    }
}

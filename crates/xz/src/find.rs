//! Where bytes stood before: for each position the nearest earlier places that share so many bytes with it.
//!
//! For each of a few lengths there is a table from the hash of so many bytes to the last place that had them. A look into
//! each gives the matches worth knowing: the nearest of two bytes, the nearest of three, … Unlike in a tree there is no
//! step that waits for the one before, so the memory that will be needed is asked for ahead of time. Trees spend most of
//! their time waiting.
//!
//! The longer classes stand in pairs in a table, page by page: the hash of the shorter one tells the page, and one half of
//! it is for each. So a look into both waits for one translation of an address and not for two.

use memmap2::MmapMut;

use crate::model::LONGEST;

/// Bytes that stood before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) length: u32,
    /// Less one.
    pub(crate) distance: u32,
}

/// Where in the tables some bytes are, and the check bits that their entry begins with.
#[derive(Clone, Copy, Default)]
struct Hash {
    place: u32,
    check: u32,
}

impl Hash {
    /// In the `1 << bits` entries from `start` on, by the highest bits of what is `mixed`.
    #[inline(always)]
    fn new(start: usize, mixed: u64, bits: u32) -> Self {
        let place = start + (mixed >> (64 - bits)) as usize;
        Self { place: place as u32, check: ((mixed << bits) >> 32) as u32 & !POSITION }
    }
}

/// Finds matches from the first position to the last, each once.
pub(crate) struct Finder<'d> {
    /// With [`PADDING`] bytes more than there is to find.
    data: &'d [u8],
    length: usize,
    position: usize,
    /// The farthest that a match may be, in bytes.
    window: usize,
    bits: [u32; CLASSES],
    /// The last position with each hash, and above it seven bits more of the hash: what only looks alike is not looked
    /// at. For all classes, one after the other.
    tables: &'d mut [u32],
    offsets: [usize; CLASSES],
    /// Memory has to be asked for: data and tables are more than a cache holds.
    is_far: bool,
    /// For the positions from here to [`AHEAD`].
    hashes: [[Hash; CLASSES]; RING],
    found: [Match; CLASSES],
}

impl<'d> Finder<'d> {
    /// For all of `data` but its last [`PADDING`] bytes.
    pub(crate) fn new(data: &'d [u8], window: usize, tables: &'d mut Tables) -> Self {
        let length = data.len() - PADDING;
        let bits = bits(length);
        let mut offsets = [0; CLASSES];
        for class in 1..CLASSES {
            offsets[class] = offsets[class - 1] + (1usize << bits[class - 1]);
        }
        let tables = tables.entries();
        let hashes = [[Hash::default(); CLASSES]; RING];
        let mut finder = Self {
            data,
            length,
            position: 0,
            window,
            bits,
            tables,
            offsets,
            is_far: Tables::memory(length) > NEAR_BYTES,
            hashes,
            found: [Match::default(); CLASSES],
        };
        for position in 0..AHEAD.min(length) {
            finder.prepare(position);
        }
        finder
    }

    /// The matches at the next position, each longer and farther than the one before.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> &[Match] {
        let position = self.advance();
        let limit = (self.length - position).min(LONGEST as usize);
        let hashes = self.hashes[position % RING];
        let (mut candidates, mut nearest, mut classes) = ([0; CLASSES], position as u32, 0u32);
        for (class, hash) in hashes.into_iter().enumerate() {
            let entry = std::mem::replace(&mut self.tables[hash.place as usize], hash.check | position as u32);
            // What is nearer was longer than it had to be, and is known already. An empty table speaks of the beginning.
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
            if LENGTHS[class] > limit
                || best >= limit
                || position - candidate > self.window
                || self.data[candidate + best] != self.data[position + best]
            {
                continue;
            }
            let length = common(self.data, candidate, position, limit);
            if length > best {
                best = length;
                self.found[count] = Match { length: length as u32, distance: (position - candidate - 1) as u32 };
                count += 1;
            }
        }
        &self.found[..count]
    }

    /// Passes over `count` positions.
    pub(crate) fn skip(&mut self, count: usize) {
        let end = self.position + count;
        while self.position < end {
            self.pass_run(end);
            for _ in self.position..end.min(self.position + RING) {
                let position = self.advance();
                for hash in self.hashes[position % RING] {
                    self.tables[hash.place as usize] = hash.check | position as u32;
                }
            }
        }
    }

    /// Passes over what has the same entries as the position after it, for its bytes are all the same: that one writes them.
    #[inline(always)]
    fn pass_run(&mut self, end: usize) {
        let position = self.position;
        let word = |at: usize| &self.data[position + at..position + at + 8];
        if position + 2 * RING > end || word(0) != word(1) {
            return;
        }
        let longest = LENGTHS[CLASSES - 1];
        let run = common(self.data, position, position + 1, end - position + longest - 1);
        let passed = (run + 1).saturating_sub(longest).min(end - 1 - position);
        if passed > RING {
            self.position += passed;
            for position in self.position..self.length.min(self.position + AHEAD) {
                self.prepare(position);
            }
        }
    }

    #[inline(always)]
    fn advance(&mut self) -> usize {
        let position = self.position;
        self.position += 1;
        if position + AHEAD < self.length {
            self.prepare(position + AHEAD);
        }
        let near = position + AHEAD / 2;
        if self.is_far && near < self.length {
            for hash in self.hashes[near % RING] {
                let candidate = (self.tables[hash.place as usize] ^ hash.check) as usize;
                prefetch(self.data, candidate.min(near));
            }
        }
        position
    }

    /// Computes where the tables will be looked into for a position, and asks for that memory.
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
        for class in 0..PAIRS {
            hashes[class] = Hash::new(self.offsets[class], mixed[class], self.bits[class]);
        }
        for class in (PAIRS..CLASSES).step_by(2) {
            let bits = self.bits[class] - HALF_PAGE_BITS;
            let page = self.offsets[class] + ((mixed[class] >> (64 - bits)) << (HALF_PAGE_BITS + 1)) as usize;
            hashes[class] = Hash::new(page, mixed[class] << bits, HALF_PAGE_BITS);
            hashes[class + 1] = Hash::new(page + (1 << HALF_PAGE_BITS), mixed[class + 1], HALF_PAGE_BITS);
        }
        if self.is_far {
            for hash in hashes {
                prefetch(self.tables, hash.place as usize);
            }
        }
        self.hashes[position % RING] = hashes;
    }
}

/// The sizes of the tables for so many bytes, in bits.
fn bits(length: usize) -> [u32; CLASSES] {
    let most = (usize::BITS - length.leading_zeros()).clamp(HALF_PAGE_BITS + 1, MOST_BITS);
    BITS.map(|bits| bits.min(most))
}

/// The memory of a finder's tables.
pub(crate) enum Tables {
    Small(Vec<u32>),
    /// In huge pages where the system gives them: tables are read at random, and so many small pages are slow to find.
    Large(MmapMut),
}

impl Tables {
    /// For so many bytes.
    pub(crate) fn new(length: usize) -> Self {
        let bytes = Self::memory(length);
        if bytes < LARGE_BYTES {
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

    /// In bytes.
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

/// How many bytes at `first` and `second` are the same, `limit` at most.
#[inline(always)]
pub(crate) fn common(data: &[u8], first: usize, second: usize, limit: usize) -> usize {
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

/// What has to follow the data, so that nothing is read beyond it.
pub(crate) const PADDING: usize = 32 + 8;

const CLASSES: usize = 8;
/// The bytes that the classes look for.
const LENGTHS: [usize; CLASSES] = [2, 3, 4, 6, 8, 12, 16, 32];
/// The sizes of their tables, for large inputs.
const BITS: [u32; CLASSES] = [16, 18, 22, 22, 22, 22, 22, 22];
const MOST_BITS: u32 = 22;
/// From this class on two share a table.
const PAIRS: usize = 2;
/// Half of a page has so many entries.
const HALF_PAGE_BITS: u32 = 9;
/// The bits of an entry that are a position, which lies in a block.
const POSITION: u32 = crate::BLOCK_BYTES as u32 - 1;
/// So many positions ahead memory is asked for.
const AHEAD: usize = 15;
const RING: usize = 16;
/// What a processor has close by.
const NEAR_BYTES: usize = 1 << 20;
/// Some huge pages.
const LARGE_BYTES: usize = 16 << 20;
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
const SECOND_FACTOR: u64 = 0xc2b2_ae3d_27d4_eb4f;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is passed over at once leaves the same tables as what is passed over position by position.
    #[test]
    fn runs_are_passed_over_without_a_trace() {
        for (before, run, after) in [(0, 64, 0), (1, 65, 40), (3, 300, 1), (50, 47, 50), (0, 5000, 31), (33, 79, 33)] {
            let other = |count: usize| (0..count).map(|place| (place * 7 + 1) as u8).collect::<Vec<u8>>();
            let data = [other(before), vec![9; run], other(after), vec![0; PADDING]].concat();
            let length = data.len() - PADDING;
            let passed = |step: usize| {
                let mut tables = Tables::new(length);
                let mut finder = Finder::new(&data, 1 << 16, &mut tables);
                while finder.position < length {
                    finder.skip(step.min(length - finder.position));
                }
                tables.entries().to_vec()
            };
            let expected = passed(1);
            for step in [31, 32, 33, 63, 64, 272, 5000] {
                assert!(passed(step) == expected, "{before}, {run}, {after} by {step}");
            }
        }
    }
}

//! Every suffix of the base, sorted: finds the longest match of any bytes.
//!
//! ```text
//! array   i32 per byte of the base: where the suffixes start, in the order of their bytes
//! table   u32 per value of the first bits: where in the array the suffixes with these first bits begin
//! ```
//!
//! The table replaces the first twenty or so steps of a binary search, each of which is a cache miss.

use libsais::SuffixArrayConstruction;

use super::super::compare::equal_prefix;
use super::{Index, Match};
use crate::error::DiffError;

pub(in super::super) struct SuffixIndex<'o> {
    old: &'o [u8],
    array: Vec<i32>,
    table: Vec<u32>,
    table_bits: u32,
    filter: StringFilter,
}

impl<'o> SuffixIndex<'o> {
    /// Bytes of memory for a base of `old_size` bytes.
    pub(in super::super) fn memory(old_size: usize) -> u64 {
        old_size as u64 * 4 + (4 << table_bits(old_size)) + StringFilter::memory(old_size) + SORT_OVERHEAD
    }

    /// True if the positions of a base of `old_size` bytes fit the array.
    pub(in super::super) fn can_hold(old_size: usize) -> bool {
        i32::try_from(old_size).is_ok()
    }

    /// Sorts the suffixes of `old`, which [`can_hold`](Self::can_hold) allows.
    pub(in super::super) fn new(old: &'o [u8]) -> Result<Self, DiffError> {
        let failed = |_| DiffError::SuffixArray { old: old.len() as u64 };
        let array =
            SuffixArrayConstruction::for_text(old).in_owned_buffer32().single_threaded().run().map_err(failed)?;
        let table_bits = table_bits(old.len());
        let table = first_bits_table(old, table_bits);
        Ok(Self { old, array: array.into_vec(), table, table_bits, filter: StringFilter::new(old) })
    }

    /// The rank in the array and the length of the longest match of `wanted`, if it has [`MIN_MATCH`] bytes.
    fn longest(&self, wanted: &[u8]) -> Option<(usize, usize)> {
        let key = (first_bits(wanted) >> (32 - self.table_bits)) as usize;
        let (mut low, mut high) = (self.table[key] as usize, self.table[key + 1] as usize);
        if low == high {
            return None;
        }
        let (mut best_rank, mut best_len) = (low, 0);
        // Every suffix between `low` and `high` shares at least the smaller of the two with `wanted`.
        let (mut low_equal, mut high_equal) = (0, 0);
        while low < high {
            let middle = low + (high - low) / 2;
            let at = self.array[middle] as usize;
            let known = low_equal.min(high_equal);
            let suffix = &self.old[at..];
            let equal = known + equal_prefix(&suffix[known.min(suffix.len())..], &wanted[known..]);
            if equal > best_len {
                (best_rank, best_len) = (middle, equal);
            }
            if equal == wanted.len() {
                break;
            }
            if equal == suffix.len() || suffix[equal] < wanted[equal] {
                low = middle + 1;
                low_equal = equal;
            } else {
                high = middle;
                high_equal = equal;
            }
        }
        (best_len >= MIN_MATCH).then_some((best_rank, best_len))
    }
}

impl Index for SuffixIndex<'_> {
    fn find(&self, new: &[u8], at: usize, expected: isize) -> Option<Match> {
        // Half of all lookups find nothing, after a search that costs a dozen cache misses.
        if !self.filter.may_contain(new[at..].first_chunk()?) {
            return None;
        }
        let (rank, len) = self.longest(&new[at..])?;
        let wanted = &new[at..at + len];
        // Equally long matches are neighbours in the array.
        let same = |old: &&i32| self.old[**old as usize..].starts_with(wanted);
        let before = self.array[..rank].iter().rev().take(NEIGHBOURS).take_while(same);
        let after = self.array[rank + 1..].iter().take(NEIGHBOURS).take_while(same);
        let places = before.chain(after).chain([&self.array[rank]]).map(|old| *old as usize);
        let old = places.min_by_key(|old| (*old as isize).abs_diff(expected))?;
        Some(Match { new: at, old, len })
    }
}

/// Shorter matches never pay for a change of alignment.
const MIN_MATCH: usize = 8;
/// Number of equally long matches that are examined, to each side in the array.
const NEIGHBOURS: usize = 8;

/// The first four bytes as a number in the order of the bytes; a short end counts as followed by zeros.
fn first_bits(bytes: &[u8]) -> u32 {
    match bytes.first_chunk::<4>() {
        Some(first) => u32::from_be_bytes(*first),
        None => (0..4).fold(0, |bits, at| bits << 8 | u32::from(bytes.get(at).copied().unwrap_or(0))),
    }
}

fn first_bits_table(old: &[u8], bits: u32) -> Vec<u32> {
    let mut table = vec![0u32; (1 << bits) + 1];
    for at in 0..old.len() {
        table[(first_bits(&old[at..]) >> (32 - bits)) as usize + 1] += 1;
    }
    let mut sum = 0;
    for entry in &mut table {
        sum += *entry;
        *entry = sum;
    }
    table
}

/// A slot for every few bytes of the base, from 1 KiB of table to 16 MiB.
fn table_bits(old_size: usize) -> u32 {
    old_size.max(1).ilog2().clamp(8, 22)
}

/// A Bloom filter of the strings of [`MIN_MATCH`] bytes in the base: one bit for each hash.
struct StringFilter {
    bits: Vec<u64>,
    shift: u32,
}

impl StringFilter {
    fn new(old: &[u8]) -> Self {
        let log = Self::log(old.len());
        let mut filter = Self { bits: vec![0; 1 << (log - 6)], shift: 64 - log };
        for string in old.windows(MIN_MATCH).filter_map(<[u8]>::first_chunk) {
            let bit = filter.bit(string);
            filter.bits[bit / 64] |= 1 << (bit % 64);
        }
        filter
    }

    fn may_contain(&self, string: &[u8; MIN_MATCH]) -> bool {
        let bit = self.bit(string);
        self.bits[bit / 64] >> (bit % 64) & 1 == 1
    }

    fn bit(&self, string: &[u8; MIN_MATCH]) -> usize {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        (u64::from_le_bytes(*string).wrapping_mul(ODD) >> self.shift) as usize
    }

    /// Eight to sixteen bits for each byte, up to the size of a cache.
    fn log(old_size: usize) -> u32 {
        (old_size.max(1).ilog2() + 4).clamp(10, 25)
    }

    fn memory(old_size: usize) -> u64 {
        1 << (Self::log(old_size) - 3)
    }
}

/// Memory of libsais without the array.
const SORT_OVERHEAD: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_a_plain_search_finds(old in proptest::collection::vec(0u8..3, 1..300), wanted in proptest::collection::vec(0u8..3, 4..40)) {
            let index = SuffixIndex::new(&old).unwrap();
            let longest = (0..old.len()).map(|at| equal_prefix(&old[at..], &wanted)).max().unwrap();
            match index.find(&wanted, 0, 7) {
                Some(found) => {
                    prop_assert_eq!(found.len, longest);
                    prop_assert_eq!(equal_prefix(&old[found.old..], &wanted), longest);
                }
                None => prop_assert!(longest < MIN_MATCH),
            }
        }
    }
}

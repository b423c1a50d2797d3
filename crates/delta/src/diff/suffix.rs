//! Every suffix of the base, sorted: finds the longest match of any bytes.
//!
//! ```text
//! array   i32 per byte of the base: where the suffixes start, in the order of their bytes
//! table   u32 per value of the first bits: where in the array the suffixes with these first bits begin
//! ```
//!
//! The table replaces the first twenty or so steps of a binary search, each of which is a miss of the cache.

use libsais::SuffixArrayConstruction;

use super::bytes::equal_prefix;
use super::scan::{Anchor, Index};
use crate::error::DiffError;

/// Largest base whose positions fit the array.
pub(super) const MAX_OLD_SIZE: usize = i32::MAX as usize;

pub(super) struct SuffixIndex<'o> {
    old: &'o [u8],
    array: Vec<i32>,
    table: Vec<u32>,
    table_bits: u32,
}

/// A longest match of some bytes in the base.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) old: usize,
    pub(super) len: usize,
    /// Its place in the array; the other matches of this length are next to it.
    rank: usize,
}

impl<'o> SuffixIndex<'o> {
    /// Bytes of memory an index over `old_size` bytes takes.
    pub(super) fn memory(old_size: usize) -> u64 {
        old_size as u64 * 4 + (4 << table_bits(old_size)) + SORT_OVERHEAD
    }

    pub(super) fn new(old: &'o [u8]) -> Result<Self, DiffError> {
        let failed = || DiffError::SuffixArray { old: old.len() as u64 };
        if old.len() > MAX_OLD_SIZE {
            return Err(failed());
        }
        let array =
            SuffixArrayConstruction::for_text(old).in_owned_buffer32().single_threaded().run().map_err(|_| failed())?;
        let table_bits = table_bits(old.len());
        Ok(Self { old, array: array.into_vec(), table: first_bits_table(old, table_bits), table_bits })
    }

    /// The longest match of the front of `wanted`, if it has at least the bytes the table tells apart.
    pub(super) fn longest_match(&self, wanted: &[u8]) -> Option<Found> {
        let key = (first_bits(wanted) >> (32 - self.table_bits)) as usize;
        let (mut low, mut high) = (self.table[key] as usize, self.table[key + 1] as usize);
        if low == high {
            return None;
        }
        let mut best = Found { old: 0, len: 0, rank: low };
        // What every suffix between `low` and `high` has in common with `wanted` is at least the smaller of the two.
        let (mut low_equal, mut high_equal) = (0, 0);
        while low < high {
            let middle = low + (high - low) / 2;
            let at = self.array[middle] as usize;
            let known = low_equal.min(high_equal);
            let suffix = &self.old[at..];
            let equal = known + equal_prefix(&suffix[known.min(suffix.len())..], &wanted[known..]);
            if equal > best.len {
                best = Found { old: at, len: equal, rank: middle };
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
        (best.len > 0).then_some(best)
    }

    /// Other places where the same bytes match as long, nearest in the array first; at most `limit` to each side.
    pub(super) fn as_long_as<'a>(
        &'a self,
        found: Found,
        wanted: &'a [u8],
        limit: usize,
    ) -> impl Iterator<Item = usize> {
        let wanted = &wanted[..found.len];
        let matches = move |at: &i32| self.old[*at as usize..].starts_with(wanted);
        let place = |at: &i32| *at as usize;
        let before = self.array[..found.rank].iter().rev().take(limit).take_while(move |at| matches(at)).map(place);
        let after = self.array[found.rank + 1..].iter().take(limit).take_while(move |at| matches(at)).map(place);
        before.chain(after)
    }
}

impl Index for SuffixIndex<'_> {
    fn find(&self, new: &[u8], at: usize, alignment: isize) -> Option<Anchor> {
        let wanted = &new[at..];
        let found = self.longest_match(wanted).filter(|found| found.len >= MIN_MATCH)?;
        // Among equally long matches the one closest to where the walk is: neighbours of old times stay neighbours.
        let expected = at as isize + alignment;
        let old = self
            .as_long_as(found, wanted, RIVALS)
            .fold(found.old, |best, old| if near(old, expected) < near(best, expected) { old } else { best });
        Some(Anchor { new: at, old, len: found.len })
    }
}

fn near(old: usize, expected: isize) -> usize {
    (old as isize).abs_diff(expected)
}

/// Shorter matches never pay for a change of alignment.
const MIN_MATCH: usize = 8;
/// Equally long matches that are looked at, to each side in the array.
const RIVALS: usize = 8;

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

/// What libsais takes besides the array.
const SORT_OVERHEAD: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_a_plain_search_finds(old in proptest::collection::vec(0u8..4, 1..300), wanted in proptest::collection::vec(0u8..4, 4..40)) {
            let index = SuffixIndex::new(&old).unwrap();
            let longest = (0..old.len()).map(|at| equal_prefix(&old[at..], &wanted)).max().unwrap();
            match index.longest_match(&wanted) {
                Some(found) => {
                    prop_assert_eq!(found.len, equal_prefix(&old[found.old..], &wanted));
                    if longest >= 4 {
                        prop_assert_eq!(found.len, longest);
                    }
                    for other in index.as_long_as(found, &wanted, 5) {
                        prop_assert!(other != found.old && equal_prefix(&old[other..], &wanted) >= found.len);
                    }
                }
                None => prop_assert!(longest < 4),
            }
        }
    }
}

//! From matches to regions: how far each match is extended to both sides across bytes that differ (`lenf` and `lenb` of
//! bsdiff).
//!
//! ```text
//! new file    ..====A====------        -----====B====---..        = equal   - similar   (blank) new bytes
//!                        forward      backward
//! ```

use super::index::Match;
use super::scan::base_at;

/// A part of the new file, one control triple: `add` bytes of the diff block, then `insert` bytes of the extra block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) new: usize,
    pub(crate) old: usize,
    pub(crate) add: usize,
    pub(crate) insert: usize,
}

/// Regions that cover the new file from its first to its last byte.
pub(super) fn regions(old: &[u8], new: &[u8], changes: &[Match]) -> Vec<Region> {
    let mut regions = Vec::with_capacity(changes.len() + 1);
    // The first alignment is that of the beginning of both files, matched or not.
    let mut current = Match { new: 0, old: 0, len: 0 };
    for next in changes.iter().copied().chain([Match { new: new.len(), old: old.len(), len: 0 }]) {
        let gap = current.new_end()..next.new;
        let is_last = next.new == new.len();
        let ahead = &new[gap.clone()];
        let after = base_at(old, gap.start, current.alignment());
        let before = if is_last { &[] } else { &old[next.old.saturating_sub(ahead.len())..next.old] };
        let (forward, backward) = split_gap(ahead, after, before);
        let add = current.len + forward;
        regions.push(Region { new: current.new, old: current.old, add, insert: ahead.len() - forward - backward });
        current = Match { new: next.new - backward, old: next.old - backward, len: next.len + backward };
    }
    regions
}

/// How many bytes of the gap `ahead` extend the match to its left, whose base goes on as `after`, and the match to its
/// right, whose base ends as `before`. The bytes between are inserted.
fn split_gap(ahead: &[u8], after: &[u8], before: &[u8]) -> (usize, usize) {
    let forward = similar_length(ahead.iter().zip(after));
    let backward = similar_length(ahead.iter().rev().zip(before.iter().rev()));
    let taken_twice = ahead.len() - backward..forward;
    if taken_twice.is_empty() {
        return (forward, backward);
    }
    // Where the two overlap, they are cut at the position where the left match has most equal bytes more than the right
    // one.
    let from_right = &before[before.len() - backward..];
    let overlap = taken_twice.clone().zip(from_right).map(|(at, right)| (ahead[at], after[at], *right));
    let (mut lead, mut best_lead, mut cut) = (0i64, 0, taken_twice.start);
    for (count, (new, left, right)) in overlap.enumerate() {
        lead += i64::from(new == left) - i64::from(new == right);
        if lead > best_lead {
            best_lead = lead;
            cut = taken_twice.start + count + 1;
        }
    }
    (cut, ahead.len() - cut)
}

/// The length at which equal bytes exceed different ones by most.
fn similar_length<'a>(pairs: impl Iterator<Item = (&'a u8, &'a u8)>) -> usize {
    let (mut lead, mut best_lead, mut length) = (0i64, 0, 0);
    for (count, (new, old)) in pairs.enumerate() {
        lead += if new == old { 1 } else { -1 };
        if lead > best_lead {
            best_lead = lead;
            length = count + 1;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_match_is_extended_while_bytes_are_equal() {
        assert_eq!(split_gap(b"aaaaXXXXXXXbbb", b"aaaa..........", b"...........bbb"), (4, 3));
        assert_eq!(split_gap(b"abcdXefg", b"abcdYefg", b""), (8, 0));
        assert_eq!(split_gap(b"", b"abc", b"abc"), (0, 0));
    }

    #[test]
    fn overlapping_extensions_are_cut_where_it_fits_best() {
        assert_eq!(split_gap(b"aaaabbbb", b"aaaabb..", b"....bbbb"), (4, 4));
        assert_eq!(split_gap(b"abcdefgh", b"abcdefg.", b".b.defgh"), (3, 5));
        assert_eq!(split_gap(b"aaaaaaaa", b"aaaaaaaa", b"aaaaaaaa"), (0, 8));
    }
}

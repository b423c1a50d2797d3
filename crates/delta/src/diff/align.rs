//! From matches to regions: how far each part of the base is followed to both sides of its equal bytes.
//!
//! ```text
//! new file    ..====A====------        -----====B====---..        = equal   - similar   (blank) new bytes
//!                        forward      backward
//! ```

use super::index::Match;
use super::scan::followed;

/// A piece of the new file: `add` bytes taken from the base with differences, then `insert` bytes of its own.
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
    // The walk starts at the beginning of both files, matched or not.
    let mut current = Match { new: 0, old: 0, len: 0 };
    for next in changes.iter().copied().chain([Match { new: new.len(), old: old.len(), len: 0 }]) {
        let gap = current.new_end()..next.new;
        let is_last = next.new == new.len();
        let ahead = &new[gap.clone()];
        let after = followed(old, gap.start, current.alignment());
        let before = if is_last { &[] } else { &old[next.old.saturating_sub(ahead.len())..next.old] };
        let (forward, backward) = share(ahead, after, before);
        let add = current.len + forward;
        regions.push(Region { new: current.new, old: current.old, add, insert: ahead.len() - forward - backward });
        current = Match { new: next.new - backward, old: next.old - backward, len: next.len + backward };
    }
    regions
}

/// How many bytes of the gap `ahead` follow the base from the left, where `after` goes on, and from the right, where
/// `before` ends. What neither takes is inserted.
fn share(ahead: &[u8], after: &[u8], before: &[u8]) -> (usize, usize) {
    let forward = reach(ahead.iter().zip(after));
    let backward = reach(ahead.iter().rev().zip(before.iter().rev()));
    let taken_twice = ahead.len() - backward..forward;
    if taken_twice.is_empty() {
        return (forward, backward);
    }
    // Each byte both want goes to one of them: where to cut is where the left has gained most on the right.
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

/// For how many bytes to follow the base so that equal bytes outnumber the others by most.
fn reach<'a>(pairs: impl Iterator<Item = (&'a u8, &'a u8)>) -> usize {
    let (mut lead, mut best_lead, mut reach) = (0i64, 0, 0);
    for (count, (new, old)) in pairs.enumerate() {
        lead += if new == old { 1 } else { -1 };
        if lead > best_lead {
            best_lead = lead;
            reach = count + 1;
        }
    }
    reach
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_is_followed_as_long_as_it_fits() {
        assert_eq!(share(b"aaaaXXXXXXXbbb", b"aaaa..........", b"...........bbb"), (4, 3));
        assert_eq!(share(b"abcdXefg", b"abcdYefg", b""), (8, 0));
        assert_eq!(share(b"", b"abc", b"abc"), (0, 0));
    }

    #[test]
    fn what_both_sides_want_is_cut_where_it_fits_best() {
        assert_eq!(share(b"aaaabbbb", b"aaaabb..", b"....bbbb"), (4, 4));
        assert_eq!(share(b"abcdefgh", b"abcdefg.", b".b.defgh"), (3, 5));
        assert_eq!(share(b"aaaaaaaa", b"aaaaaaaa", b"aaaaaaaa"), (0, 8));
    }
}

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
        let forward = gains(ahead.iter().zip(followed(old, gap.start, current.alignment())));
        let backward = if is_last { vec![0] } else { gains(ahead.iter().rev().zip(old[..next.old].iter().rev())) };
        let (forward, backward) = best_split(&forward, &backward, ahead.len());
        let add = current.len + forward;
        regions.push(Region { new: current.new, old: current.old, add, insert: ahead.len() - forward - backward });
        current = Match { new: next.new - backward, old: next.old - backward, len: next.len + backward };
    }
    regions
}

/// What following the base for so many bytes gains over inserting them: `gains[k]` for `k` bytes.
fn gains<'a>(pairs: impl Iterator<Item = (&'a u8, &'a u8)>) -> Vec<i32> {
    let mut gains = vec![0];
    let mut gain = 0i32;
    for (new, old) in pairs {
        gain += if new == old { 1 } else { -1 };
        gains.push(gain);
    }
    gains
}

/// How many bytes to follow from the left and from the right, together at most `room`, for the most gain.
fn best_split(forward: &[i32], backward: &[i32], room: usize) -> (usize, usize) {
    // best_forward[k]: the best choice of at most k bytes.
    let mut best_forward = Vec::with_capacity(forward.len());
    let mut best = 0;
    for (count, gain) in forward.iter().enumerate() {
        if *gain > forward[best] {
            best = count;
        }
        best_forward.push(best);
    }
    let mut choice = (0, 0);
    let mut choice_gain = i32::MIN;
    for (count, gain) in backward.iter().enumerate() {
        let left = best_forward[(room - count).min(best_forward.len() - 1)];
        if gain + forward[left] > choice_gain {
            choice_gain = gain + forward[left];
            choice = (left, count);
        }
    }
    choice
}

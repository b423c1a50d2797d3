//! Where bytes of the new file occur in the base: two indexes.
//!
//! - [`BlockIndex`]: one entry per block of the base. Small, fast, finds all matches of two blocks and more, and some
//!   shorter ones.
//! - [`SuffixIndex`]: every position of the base, sorted. Four times the memory of the base; finds the longest match.

mod blocks;
mod suffix;

pub(super) use blocks::BlockIndex;
pub(super) use suffix::SuffixIndex;

/// Equal bytes: `new[new..new + len] == old[old..old + len]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) new: usize,
    pub(super) old: usize,
    pub(super) len: usize,
}

impl Match {
    pub(super) fn alignment(self) -> isize {
        self.old as isize - self.new as isize
    }

    pub(super) fn new_end(self) -> usize {
        self.new + self.len
    }
}

/// Finds where bytes of the new file occur in the base.
pub(super) trait Index: Sync {
    /// The longest match of the front of `new[at..]` that this index knows; of several, the one closest to `expected`
    /// in the base, because neighbours in the base are mostly neighbours in the new file.
    fn find(&self, new: &[u8], at: usize, expected: isize) -> Option<Match>;
}

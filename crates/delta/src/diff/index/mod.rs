//! Where bytes of the new file occur in the base: two ways to know.
//!
//! - [`BlockIndex`]: one entry per block of the base. Small, fast, finds matches of two blocks and more, by luck shorter ones.
//! - [`SuffixIndex`]: every position of the base, sorted. Four times the base's memory; finds the longest match there is.

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
    /// A long match of the front of `new[at..]`, the longest one this index knows of; of several the one closest to
    /// `expected` in the base, because what stood side by side there mostly stands side by side in the new file.
    fn find(&self, new: &[u8], at: usize, expected: isize) -> Option<Match>;
}

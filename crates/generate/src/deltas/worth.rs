//! What files and deltas take inside a pack, so that a delta is only taken where it makes the pack smaller.
//!
//! A file inside a solid stream takes less than its fullfile. How much less is measured where it is known already: a
//! bundle's pack for new installations against the fullfiles of what it holds. Above a few fixed bytes, each file is
//! taken to shrink by the same factor.

/// How much smaller files are inside the packs of a bundle than alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Solidity {
    thousandths: u64,
}

impl Solidity {
    /// Where nothing is known.
    pub(crate) const USUAL: Self = Self { thousandths: 900 };

    /// From a pack of `pack_bytes` and the sizes of the fullfiles of everything in it.
    pub(crate) fn measured(pack_bytes: u64, fullfiles: impl Iterator<Item = u64>) -> Self {
        let (mut fixed, mut alone) = (0, 0);
        for fullfile in fullfiles {
            fixed += MEMBER;
            alone += fullfile.saturating_sub(ARCHIVE);
        }
        if alone == 0 {
            return Self::USUAL;
        }
        Self { thousandths: (pack_bytes.saturating_sub(fixed) * 1000 / alone).clamp(300, 1000) }
    }

    /// About what a file takes inside a pack.
    pub(crate) const fn whole(self, fullfile_bytes: u64) -> u64 {
        MEMBER + fullfile_bytes.saturating_sub(ARCHIVE) * self.thousandths / 1000
    }
}

/// About what a delta takes inside a pack, from its compressed size.
pub(crate) const fn delta(compressed: u64) -> u64 {
    MEMBER + HASH + compressed
}

/// A member's header: its hash, which does not compress, and little else once others stand before it.
const MEMBER: u64 = 48;
/// The name of a delta holds a second hash.
const HASH: u64 = 32;
/// What a tar and its compressor take in a fullfile.
const ARCHIVE: u64 = 180;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_files_weigh_little_but_never_nothing() {
        let solidity = Solidity::measured(5_000 + 10 * MEMBER, std::iter::repeat_n(1_180, 10));
        assert_eq!(solidity, Solidity { thousandths: 500 });
        assert_eq!(solidity.whole(1_180), 500 + MEMBER);
        assert_eq!(solidity.whole(0), MEMBER);
        assert_eq!(Solidity::measured(5_000, std::iter::empty()), Solidity::USUAL);
        assert!(delta(100) > 100);
    }
}

//! How single files are compressed: several methods tried, the smallest kept.
//!
//! Mixer's `COMPRESSION` names the methods; ours are the same formats made in process. What is kept depends on the bytes
//! and on nothing else.

use clearwell_format::archive::Codec;

use crate::executable::is_x86;

/// A compression format for files (content layout 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// xz, with the x86 branch filter where it pays.
    Xz,
    /// gzip -9.
    Gzip,
    /// bzip2 -9.
    Bzip2,
    /// zstd -19.
    Zstd,
}

impl Method {
    /// What is used where nothing else is said.
    pub const DEFAULT: &[Self] = &[Self::Xz];

    /// Reads a name of mixer's `COMPRESSION`; `None` for names that mixer does not know either.
    pub fn from_mixer(name: &str) -> Option<Self> {
        match name {
            "external-xz" => Some(Self::Xz),
            "external-gzip" => Some(Self::Gzip),
            "external-bzip2" => Some(Self::Bzip2),
            "external-zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The codecs to try for a file of `size` bytes. `content` is all of it, or its beginning if it is large.
    pub(crate) fn codecs(self, content: &[u8], size: usize) -> &'static [Codec] {
        match self {
            Self::Xz if !is_x86(content) => &[XZ],
            Self::Xz if size <= TRY_BOTH_BYTES => &[XZ, XZ_X86],
            Self::Xz if x86_filter_pays(content) => &[XZ_X86],
            Self::Xz => &[XZ],
            Self::Gzip => &[Codec::Gzip { level: 9 }],
            Self::Bzip2 => &[Codec::Bzip2 { level: 9 }],
            Self::Zstd => &[Codec::Zstd { level: 19 }],
        }
    }
}

/// Guesses from samples whether the branch filter makes `content` smaller. Code often stands in the middle of a file, so
/// the samples are spread over it. A fast preset tells as well as a slow one which of the two is smaller.
pub(crate) fn x86_filter_pays(content: &[u8]) -> bool {
    let step = content.len() / (SAMPLES + 1);
    let sample: Vec<u8> = (1..=SAMPLES)
        .flat_map(|n| {
            let start = n * step;
            content[start..content.len().min(start + step.min(SAMPLE_BYTES))].iter().copied()
        })
        .collect();
    let size = |x86| Codec::Xz { preset: 1, x86 }.compress(&sample).map_or(usize::MAX, |bytes| bytes.len());
    size(true) < size(false)
}

/// For one file: the window of 8 MiB is what small clients can afford.
pub(crate) const XZ: Codec = Codec::OwnXz { window: 8 << 20, nice: 40, x86: false };
/// The same with the branch filter.
pub(crate) const XZ_X86: Codec = Codec::OwnXz { window: 8 << 20, nice: 40, x86: true };

/// With a window of 32 MiB: for packs, in which files stand side by side that are alike.
pub(crate) const XZ_WIDE: Codec = Codec::OwnXz { window: 32 << 20, nice: 40, x86: false };
/// The same with the branch filter.
pub(crate) const XZ_WIDE_X86: Codec = Codec::OwnXz { window: 32 << 20, nice: 40, x86: true };

/// For packs for updates: what they hold is much alike.
pub(crate) const XZ_SOLID: Codec = Codec::OwnXz { window: 32 << 20, nice: 128, x86: false };
/// The same with the branch filter.
pub(crate) const XZ_SOLID_X86: Codec = Codec::OwnXz { window: 32 << 20, nice: 128, x86: true };

/// For those in a hurry.
pub(crate) const BRISK_XZ: Codec = Codec::OwnXz { window: 8 << 20, nice: 20, x86: false };
/// The same with the branch filter.
pub(crate) const BRISK_XZ_X86: Codec = Codec::OwnXz { window: 8 << 20, nice: 20, x86: true };

/// Up to here trying both filters costs less than being wrong.
const TRY_BOTH_BYTES: usize = 32 << 10;
const SAMPLES: usize = 3;
const SAMPLE_BYTES: usize = 48 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_mixer_are_known() {
        assert_eq!(Method::from_mixer("external-xz"), Some(Method::Xz));
        assert_eq!(Method::from_mixer("external-zstd"), Some(Method::Zstd));
        assert_eq!(Method::from_mixer("xz"), None);
    }

    #[test]
    fn calls_to_one_function_profit_from_the_filter() {
        // E8 and a displacement relative to the next instruction: with the filter all the same bytes.
        let mut code = Vec::new();
        let mut state = 1u32;
        while code.len() < 200_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            code.extend(std::iter::repeat_n(0x90, (state >> 24) as usize % 9));
            let next = code.len() as u32 + 5;
            code.push(0xe8);
            code.extend(0x3000u32.wrapping_sub(next).to_le_bytes());
        }
        assert!(x86_filter_pays(&code));
        assert!(!x86_filter_pays(&vec![b'a'; 200_000]));
        assert!(!x86_filter_pays(&[]));
    }
}

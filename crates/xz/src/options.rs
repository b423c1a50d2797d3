//! Options of the encoder. Every value of these types makes a stream that decoders read.

use crate::model::Props;
use crate::stream::BLOCK_BYTES;

/// All that the bytes of a stream depend on, with the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Options {
    /// The largest distance of a match.
    pub dict_size: DictSize,
    /// Matches of this length are taken without looking further.
    pub nice_length: NiceLength,
    /// lc, lp and pb; `None` to choose them for each block.
    pub props: Option<Props>,
    /// Adds the x86 BCJ filter, which pays for machine code.
    pub x86: bool,
}

/// The dictionary size: a power of two from 4 KiB to [`BLOCK_BYTES`]. Decoders need that amount of memory, or the size
/// of the input if that is smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DictSize {
    log: u8,
}

impl DictSize {
    /// A dictionary of `bytes`; `None` for other sizes than above.
    pub const fn new(bytes: u32) -> Option<Self> {
        if !bytes.is_power_of_two() || bytes < Self::MIN.bytes() || bytes > Self::MAX.bytes() {
            return None;
        }
        Some(Self { log: bytes.trailing_zeros() as u8 })
    }

    /// The size in bytes.
    pub const fn bytes(self) -> u32 {
        1 << self.log
    }

    /// 4 KiB, the smallest of the format.
    pub const MIN: Self = Self { log: 12 };
    /// A block.
    pub const MAX: Self = Self { log: BLOCK_BYTES.trailing_zeros() as u8 };
    /// 8 MiB, as preset 6 of xz has it.
    pub const MIB_8: Self = Self { log: 23 };
}

/// The nice length, 8 to 273 bytes: the parser takes a match of that length without looking further. More is slower and
/// smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NiceLength(u16);

impl NiceLength {
    /// `None` outside 8 to 273.
    pub const fn new(length: u16) -> Option<Self> {
        if length < Self::MIN.0 || length > Self::MAX.0 {
            return None;
        }
        Some(Self(length))
    }

    /// In bytes.
    pub const fn length(self) -> u32 {
        self.0 as u32
    }

    /// 8.
    pub const MIN: Self = Self(8);
    /// The longest match of the format.
    pub const MAX: Self = Self(273);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_make_no_stream_cannot_be_constructed() {
        for bytes in [0, 1, 2048, 4095, 4097, 12 << 20, (32 << 20) + 1, 64 << 20, u32::MAX] {
            assert_eq!(DictSize::new(bytes), None, "{bytes}");
        }
        for log in 12..=25 {
            assert_eq!(DictSize::new(1 << log).unwrap().bytes(), 1 << log);
        }
        assert_eq!(DictSize::MAX.bytes() as usize, BLOCK_BYTES);
        for length in [0, 7, 274, u16::MAX] {
            assert_eq!(NiceLength::new(length), None, "{length}");
        }
        assert_eq!((NiceLength::new(8), NiceLength::new(273)), (Some(NiceLength::MIN), Some(NiceLength::MAX)));
    }
}

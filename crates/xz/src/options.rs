//! What decides on the bytes that come out. Every value of these types makes a stream that decoders read.

use crate::model::Contexts;
use crate::stream::BLOCK_BYTES;

/// What decides on the bytes that come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Options {
    /// The largest distance of a match.
    pub window: Window,
    /// Matches of this length are taken without looking further.
    pub nice: Nice,
    /// How probabilities are chosen; `None` for what suits each block.
    pub contexts: Option<Contexts>,
    /// With the x86 branch filter, which pays for machine code.
    pub x86: bool,
}

/// A window: a power of two from 4 KiB to [`BLOCK_BYTES`]. Decoders need as much memory, or as the input has, if that is
/// less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    log: u8,
}

impl Window {
    /// A window of `bytes`; `None` if there is none of that size.
    pub const fn new(bytes: u32) -> Option<Self> {
        if !bytes.is_power_of_two() || bytes < Self::SMALLEST.bytes() || bytes > Self::LARGEST.bytes() {
            return None;
        }
        Some(Self { log: bytes.trailing_zeros() as u8 })
    }

    /// Its size.
    pub const fn bytes(self) -> u32 {
        1 << self.log
    }

    /// 4 KiB, the smallest of the format.
    pub const SMALLEST: Self = Self { log: 12 };
    /// A block.
    pub const LARGEST: Self = Self { log: BLOCK_BYTES.trailing_zeros() as u8 };
    /// 8 MiB, as preset 6 of xz has it.
    pub const MIB_8: Self = Self { log: 23 };
}

/// The length of a match that is long enough, 8 to 273: the more, the slower and the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nice(u16);

impl Nice {
    /// A length in bytes; `None` if matches cannot have it, or are too short to be taken unseen.
    pub const fn new(length: u16) -> Option<Self> {
        if length < Self::LEAST.0 || length > Self::MOST.0 {
            return None;
        }
        Some(Self(length))
    }

    /// In bytes.
    pub const fn length(self) -> u32 {
        self.0 as u32
    }

    /// 8.
    pub const LEAST: Self = Self(8);
    /// The longest match of the format.
    pub const MOST: Self = Self(273);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_stream_has_no_value() {
        for bytes in [0, 1, 2048, 4095, 4097, 12 << 20, (32 << 20) + 1, 64 << 20, u32::MAX] {
            assert_eq!(Window::new(bytes), None, "{bytes}");
        }
        for log in 12..=25 {
            assert_eq!(Window::new(1 << log).unwrap().bytes(), 1 << log);
        }
        assert_eq!(Window::LARGEST.bytes() as usize, BLOCK_BYTES);
        for length in [0, 7, 274, u16::MAX] {
            assert_eq!(Nice::new(length), None, "{length}");
        }
        assert_eq!((Nice::new(8), Nice::new(273)), (Some(Nice::LEAST), Some(Nice::MOST)));
    }
}

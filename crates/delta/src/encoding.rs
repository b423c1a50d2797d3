//! The encodings of the blocks of a delta, and their header field.
//!
//! ```text
//! bit   0 none  1 bzip2  2 gzip  3 xz  4 unused                  control block
//! bit   5 none  6 bzip2  7 gzip  8 xz  9 zeros                   diff block
//! bit  10 none 11 bzip2 12 gzip 13 xz 14 zeros       15 unused   extra block
//! ```
//!
//! Written with exactly one bit per block; read as the reference reads it: the lowest set bit of a group wins, bits 4
//! and 15 mean nothing, a group without a bit is an error, even for an empty block (delta §1.3).

use std::fmt;

use crate::error::PatchError;

/// How the bytes of one block are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// The bytes themselves.
    None,
    /// One bzip2 stream.
    Bzip2,
    /// Gzip members; other bytes are read as they are.
    Gzip,
    /// One .xz stream with an integrity check.
    Xz,
    /// A count of zero bytes, as one 64-bit integer. Never the control block.
    Zeros,
}

impl Encoding {
    /// Every encoding, in the order of its bit inside a group.
    pub const ALL: [Self; 5] = [Self::None, Self::Bzip2, Self::Gzip, Self::Xz, Self::Zeros];

    /// The name `clearwell delta show` prints.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bzip2 => "bzip2",
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zeros => "zeros",
        }
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One of the three blocks of a delta, in the order in which they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Block {
    /// Triples of add, insert and seek.
    Control,
    /// Differences to old bytes.
    Diff,
    /// New bytes.
    Extra,
}

impl Block {
    /// The three blocks in stored order.
    pub const ALL: [Self; 3] = [Self::Control, Self::Diff, Self::Extra];

    fn group(self, field: u16) -> u16 {
        // The control group has no bit for zeros: that encoding cannot be asked for there.
        match self {
            Self::Control => field & 0b0_1111,
            Self::Diff => field >> 5 & 0b1_1111,
            Self::Extra => field >> 10 & 0b1_1111,
        }
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Control => "control",
            Self::Diff => "diff",
            Self::Extra => "extra",
        })
    }
}

/// The encodings of the three blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encodings {
    /// Of the control block; never [`Encoding::Zeros`].
    pub control: Encoding,
    /// Of the diff block.
    pub diff: Encoding,
    /// Of the extra block.
    pub extra: Encoding,
}

impl Encodings {
    pub(crate) fn parse(field: u16) -> Result<Self, PatchError> {
        let read = |block: Block| {
            let bits = block.group(field);
            Encoding::ALL
                .into_iter()
                .find(|encoding| bits & encoding.bit() != 0)
                .ok_or(PatchError::NoEncoding { block, field })
        };
        Ok(Self { control: read(Block::Control)?, diff: read(Block::Diff)?, extra: read(Block::Extra)? })
    }

    pub(crate) fn field(self) -> u16 {
        debug_assert_ne!(self.control, Encoding::Zeros, "the control block has no zeros encoding");
        self.control.bit() | self.diff.bit() << 5 | self.extra.bit() << 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_comes_back() {
        for control in [Encoding::None, Encoding::Bzip2, Encoding::Gzip, Encoding::Xz] {
            for diff in Encoding::ALL {
                for extra in Encoding::ALL {
                    let encodings = Encodings { control, diff, extra };
                    assert_eq!(Encodings::parse(encodings.field()).unwrap(), encodings);
                }
            }
        }
    }

    #[test]
    fn lowest_bit_wins_and_unused_bits_mean_nothing() {
        let encodings = Encodings::parse(0x8591).unwrap();
        assert_eq!(encodings, Encodings { control: Encoding::None, diff: Encoding::Gzip, extra: Encoding::None });
    }

    #[test]
    fn a_group_without_a_bit_is_refused() {
        for (field, block) in
            [(0x0000, Block::Control), (0x0010, Block::Control), (0x0401, Block::Diff), (0x8021, Block::Extra)]
        {
            match Encodings::parse(field) {
                Err(PatchError::NoEncoding { block: named, .. }) => assert_eq!(named, block),
                other => panic!("{field:#06x} gave {other:?}"),
            }
        }
    }
}

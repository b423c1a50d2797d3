//! The header of a delta: two layouts, little-endian, packed.
//!
//! ```text
//! BSDIFF4V, 32 bytes (v2.1)                      BSDIFF4U, 67 bytes (v2.0)
//!  0  8  magic                                    0  8  magic
//!  8  1  offset of the first block                8  1  offset of the first block
//!  9  1  control block length                     9  4  control block length
//! 10  2  diff block length                       13  8  diff block length
//! 12  2  extra block length                      21  8  extra block length
//! 14  2  old file size                           29  8  old file size
//! 16  2  new file size                           37  8  new file size
//!                                                45  8  mtime, unused
//! 18  4  mode                                    53  4  mode
//! 22  4  uid                                     57  4  uid
//! 26  4  gid                                     61  4  gid
//! 30  2  encodings                               65  2  encodings
//! ```
//!
//! Always true of a parsed [`Header`]: the blocks fill the delta exactly, each length is below 2^63, and the new size
//! is within [`MAX_NEW_SIZE`]. The offset may be larger than the header (a gap) or smaller (an overlap): clients take
//! both. Source: delta §1 and §4.

#![warn(clippy::arithmetic_side_effects)]

use crate::encoding::{Block, Encodings};
use crate::error::PatchError;

/// Largest new file a client makes from a delta, in bytes.
pub const MAX_NEW_SIZE: u64 = 512 << 20;

/// The whole content of a delta that says "use the full file".
pub const FULL_DOWNLOAD: &[u8; 8] = b"FULLV20U";

const MAGIC_V20: &[u8; 8] = b"BSDIFF4U";
const MAGIC_V21: &[u8; 8] = b"BSDIFF4V";
const MAGIC_DIRECTORY: &[u8; 8] = b"DIR_V20U";

/// Mode and owner of the new file: the client applies them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NewFile {
    /// The full `st_mode`; clients use its permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Which of the two layouts a header has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeaderVersion {
    /// `BSDIFF4U`: wide fields.
    V20,
    /// `BSDIFF4V`: for small files.
    V21,
}

impl HeaderVersion {
    /// Bytes of the header.
    pub const fn size(self) -> usize {
        match self {
            Self::V20 => 67,
            Self::V21 => 32,
        }
    }

    /// The first eight bytes.
    pub const fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::V20 => MAGIC_V20,
            Self::V21 => MAGIC_V21,
        }
    }

    /// The smallest layout for these numbers.
    pub(crate) fn for_lengths(old_size: u64, new_size: u64, control: u64, diff: u64, extra: u64) -> Self {
        let small = old_size < 1 << 16 && new_size < 1 << 16 && control < 1 << 8 && diff < 1 << 16 && extra < 1 << 16;
        if small { Self::V21 } else { Self::V20 }
    }
}

/// The header of a delta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Layout it was read from.
    pub version: HeaderVersion,
    /// Offset of the control block.
    pub first_block: u8,
    /// Stored bytes of the control block.
    pub control_len: u64,
    /// Stored bytes of the diff block.
    pub diff_len: u64,
    /// Stored bytes of the extra block.
    pub extra_len: u64,
    /// Size of the base.
    pub old_size: u64,
    /// Size of the result.
    pub new_size: u64,
    /// Mode and owner of the result.
    pub new_file: NewFile,
    /// How the blocks are stored.
    pub encodings: Encodings,
}

impl Header {
    /// Reads the header and checks it against the length of `delta`.
    pub(crate) fn parse(delta: &[u8]) -> Result<Self, PatchError> {
        let Some(magic) = delta.first_chunk::<8>() else {
            return Err(PatchError::TooShort { length: delta.len() });
        };
        let version = match magic {
            MAGIC_V20 => HeaderVersion::V20,
            MAGIC_V21 => HeaderVersion::V21,
            FULL_DOWNLOAD => return Err(PatchError::FullDownload),
            MAGIC_DIRECTORY => return Err(PatchError::Directory),
            _ => return Err(PatchError::UnknownMagic { magic: magic.escape_ascii().to_string() }),
        };
        let Some((bytes, _)) = delta.split_at_checked(version.size()) else {
            return Err(PatchError::ShortHeader { length: delta.len(), needed: version.size() });
        };
        let header = Self::fields(version, bytes)?;
        header.check(delta.len() as u64)?;
        Ok(header)
    }

    fn fields(version: HeaderVersion, bytes: &[u8]) -> Result<Self, PatchError> {
        let mut rest = &bytes[8..];
        let mut next = |width: usize| {
            let (field, tail) = rest.split_at(width);
            rest = tail;
            field.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte))
        };
        let wide = version == HeaderVersion::V20;
        let first_block = next(1) as u8;
        let control_len = next(if wide { 4 } else { 1 });
        let [diff_len, extra_len, old_size, new_size] = [(); 4].map(|()| next(if wide { 8 } else { 2 }));
        if wide {
            next(8); // mtime: written as 0, ignored by every reader
        }
        let [mode, uid, gid] = [(); 3].map(|()| next(4) as u32);
        let encodings = Encodings::parse(next(2) as u16)?;
        let new_file = NewFile { mode, uid, gid };
        Ok(Self { version, first_block, control_len, diff_len, extra_len, old_size, new_size, new_file, encodings })
    }

    fn check(&self, delta_size: u64) -> Result<(), PatchError> {
        let lengths = [
            ("diff block length", self.diff_len),
            ("extra block length", self.extra_len),
            ("old file size", self.old_size),
            ("new file size", self.new_size),
        ];
        if let Some((field, value)) = lengths.into_iter().find(|(_, value)| i64::try_from(*value).is_err()) {
            return Err(PatchError::LengthOutOfRange { field, value });
        }
        let declared = [u64::from(self.first_block), self.control_len, self.diff_len, self.extra_len]
            .into_iter()
            .map(u128::from)
            .sum::<u128>();
        if declared != u128::from(delta_size) {
            return Err(PatchError::WrongSize { declared, actual: delta_size });
        }
        if self.new_size > MAX_NEW_SIZE {
            return Err(PatchError::NewTooLarge { declared: self.new_size, limit: MAX_NEW_SIZE });
        }
        Ok(())
    }

    /// Where a block starts in the delta. Lies within the delta, because the lengths add up to its size.
    pub(crate) fn start_of(&self, block: Block) -> usize {
        let before = match block {
            Block::Control => 0,
            Block::Diff => self.control_len,
            Block::Extra => self.control_len.saturating_add(self.diff_len),
        };
        u64::from(self.first_block).saturating_add(before) as usize
    }

    /// The bytes of the header. The numbers fit, because [`HeaderVersion::for_lengths`] chose the layout.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.version.size());
        let mut put = |value: u64, width: usize| bytes.extend_from_slice(&value.to_le_bytes()[..width]);
        let wide = self.version == HeaderVersion::V20;
        put(u64::from_le_bytes(*self.version.magic()), 8);
        put(u64::from(self.first_block), 1);
        put(self.control_len, if wide { 4 } else { 1 });
        for value in [self.diff_len, self.extra_len, self.old_size, self.new_size] {
            put(value, if wide { 8 } else { 2 });
        }
        if wide {
            put(0, 8);
        }
        for value in [self.new_file.mode, self.new_file.uid, self.new_file.gid] {
            put(u64::from(value), 4);
        }
        put(u64::from(self.encodings.field()), 2);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::Encoding;

    fn sample(version: HeaderVersion) -> Header {
        Header {
            version,
            first_block: version.size() as u8,
            control_len: 24,
            diff_len: 300,
            extra_len: 5,
            old_size: 1000,
            new_size: 1005,
            new_file: NewFile { mode: 0o104755, uid: 12, gid: 34 },
            encodings: Encodings { control: Encoding::None, diff: Encoding::Xz, extra: Encoding::Gzip },
        }
    }

    #[test]
    fn both_layouts_come_back() {
        for version in [HeaderVersion::V20, HeaderVersion::V21] {
            let header = sample(version);
            let mut delta = header.to_bytes();
            assert_eq!(delta.len(), version.size());
            delta.resize(version.size() + 24 + 300 + 5, 0);
            assert_eq!(Header::parse(&delta).unwrap(), header);
        }
    }

    #[test]
    fn sizes_beyond_a_file_are_refused() {
        for (at, field) in
            [(13, "diff block length"), (21, "extra block length"), (29, "old file size"), (37, "new file size")]
        {
            let mut delta = sample(HeaderVersion::V20).to_bytes();
            delta[at + 7] = 0x80;
            match Header::parse(&delta) {
                Err(PatchError::LengthOutOfRange { field: named, .. }) => assert_eq!(named, field),
                other => panic!("{field} gave {other:?}"),
            }
        }
    }

    #[test]
    fn a_new_file_over_the_limit_is_refused() {
        let mut header = sample(HeaderVersion::V20);
        header.new_size = MAX_NEW_SIZE + 1;
        let mut delta = header.to_bytes();
        delta.resize(67 + 24 + 300 + 5, 0);
        assert!(matches!(Header::parse(&delta), Err(PatchError::NewTooLarge { .. })));
    }
}

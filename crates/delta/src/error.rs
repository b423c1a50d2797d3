//! What can go wrong with a delta, from either side.

use crate::encoding::Block;

/// Why a delta was not applied. Nothing was produced.
///
/// The rules are those of the stock client's decoder (delta §4).
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// The delta says so itself: its whole content is the marker for it.
    #[error("the delta is only the marker `FULLV20U`; use the full file")]
    FullDownload,
    /// Not even a magic.
    #[error("the delta has {length} bytes, fewer than the 8 of its magic; fetch it again or use the full file")]
    TooShort {
        /// Bytes there are.
        length: usize,
    },
    /// A delta of a directory: reserved by the format, never made, refused by clients.
    #[error("the delta is for a directory (`DIR_V20U`), which no client applies; use the full file")]
    Directory,
    /// Some other file.
    #[error("not a swupd delta: it starts with {magic:?}, not with `BSDIFF4U` or `BSDIFF4V`")]
    UnknownMagic {
        /// The first eight bytes, as text where they are text.
        magic: String,
    },
    /// The file ends inside its header.
    #[error("the delta has {length} bytes, fewer than the {needed} of its header; fetch it again or use the full file")]
    ShortHeader {
        /// Bytes there are.
        length: usize,
        /// Bytes of a header with this magic.
        needed: usize,
    },
    /// A length that no file can have.
    #[error("the {field} in the delta's header is {value}, beyond what a file can have; the delta is damaged")]
    LengthOutOfRange {
        /// Which field of the header.
        field: &'static str,
        /// What it says.
        value: u64,
    },
    /// The blocks do not fill the file exactly.
    #[error(
        "the delta has {actual} bytes, but its header accounts for {declared}; fetch it again or use the full file"
    )]
    WrongSize {
        /// Offset of the first block and the three lengths, added up.
        declared: u128,
        /// Bytes there are.
        actual: u64,
    },
    /// A group of the encodings field has no bit set.
    #[error("the delta's header names no encoding for the {block} block (field {field:#06x}); the delta is damaged")]
    NoEncoding {
        /// The block without an encoding.
        block: Block,
        /// The whole field.
        field: u16,
    },
    /// The base is another file than the one the delta was made from.
    #[error("the delta is for a base of {declared} bytes, the given one has {actual}; use the file it was made from")]
    OldSize {
        /// Size in the header.
        declared: u64,
        /// Size of the base.
        actual: u64,
    },
    /// Clients apply no delta to an empty file.
    #[error("the base is empty, and no delta applies to an empty file; use the full file")]
    OldEmpty,
    /// Above the limit of the client, or of the caller.
    #[error("the new file would have {declared} bytes, over the limit of {limit}; use the full file")]
    NewTooLarge {
        /// Size in the header.
        declared: u64,
        /// [`crate::MAX_NEW_SIZE`], or what the caller allows.
        limit: u64,
    },
    /// A control triple with a negative count, or one that runs past the end of the new file.
    #[error("control triple {index} (add {add}, insert {insert}) does not fit the new file; the delta is damaged")]
    TripleOutOfRange {
        /// Which triple, from zero.
        index: u64,
        /// Bytes to add.
        add: i64,
        /// Bytes to insert.
        insert: i64,
    },
    /// A control triple that leaves the base.
    #[error("control triple {index} (add {add}, seek {seek}) leaves the base; the delta is damaged")]
    SeekOutOfRange {
        /// Which triple, from zero.
        index: u64,
        /// Bytes to add.
        add: i64,
        /// Where to go after it.
        seek: i64,
    },
    /// More triples without effect than any encoder writes.
    #[error("the control block has over {limit} triples without effect; the delta is made to waste time")]
    IdleTriples {
        /// The most that are accepted.
        limit: u64,
    },
    /// A block is shorter than the control block asks for.
    #[error("the {block} block ends early; the delta is damaged")]
    BlockEnds {
        /// The block that ended.
        block: Block,
    },
    /// The bytes of a block are not what their encoding says.
    #[error("the {block} block cannot be decoded")]
    Decode {
        /// The block that failed.
        block: Block,
        /// The codec's reason.
        source: std::io::Error,
    },
    /// The new file does not fit in memory.
    #[error("no memory for the new file of {size} bytes")]
    OutOfMemory {
        /// Size in the header.
        size: u64,
    },
}

impl PatchError {
    /// Whether the stock tool reports this as "use the full file" (exit 254) and not as a failure (exit 255).
    pub fn means_full_download(&self) -> bool {
        matches!(self, Self::FullDownload | Self::TooShort { .. })
    }
}

/// Why no delta could be made. A delta that does not pay is not an error: see [`crate::Delta::FullDownload`].
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// The bytes given to [`crate::encode()`] are not a delta.
    #[error("the bytes to encode are not a delta")]
    NotADelta(#[source] PatchError),
    /// The budget does not even hold the two files and the smallest tables.
    #[error(
        "a delta from {old} to {new} bytes takes at least {needed} bytes of memory, the budget has {budget}; raise it or use the full file"
    )]
    MemoryBudget {
        /// Size of the base.
        old: u64,
        /// Size of the new file.
        new: u64,
        /// The smallest possible need.
        needed: u64,
        /// What was allowed.
        budget: u64,
    },
    /// A codec failed, which only lack of memory explains.
    #[error("failed to encode the {block} block")]
    Encode {
        /// The block that failed.
        block: Block,
        /// The codec's reason.
        source: std::io::Error,
    },
    /// The suffix array could not be made, which only lack of memory explains.
    #[error(
        "failed to sort the suffixes of the {old} bytes of the base; raise the memory budget or lower the number of jobs"
    )]
    SuffixArray {
        /// Size of the base.
        old: u64,
    },
}

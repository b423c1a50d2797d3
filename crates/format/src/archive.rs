//! Tar archives and their compression, as stock clients read them (content layout §3 to §5).
//!
//! Written: ustar headers with numeric owners only (a client maps names first, and a name it knows under another
//! number breaks the hash), GNU records for long names and link targets (a PAX target with bytes outside ASCII fails
//! in the C locale), two zero blocks at the end. Read: every dialect and filter of the reference, found by content.
//!
//! Owners, modes and times come from the caller, so the same input makes the same bytes.

mod codec;
mod read;
mod shape;
mod tar;
mod write;

pub use clearwell_xz::{DictSize, NiceLength};
pub use codec::{Codec, CodecError, Encoder, decoder};
pub use read::{ArchiveError, Member, MemberBody, MemberHeader, read_members, single_member};
pub use shape::{
    DEAD_SHARE, LARGEST_MANIFEST, LARGEST_MOM, MemberError, PackRule, Shape, Slot, WHOLE_PACK_BYTES, archive_limit,
    content_limit, read_shaped,
};
pub use write::TarWriter;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;

//! swupd's binary deltas: bytes in, bytes out.
//!
//! ```text
//! header | control block | diff block | extra block        each block stored raw, bzip2, gzip, xz or as a count of zeros
//! FULLV20U                                                 no delta: use the full file
//! ```
//!
//! [`patch`] applies a delta exactly as the stock client does, [`diff`] makes one, [`header`] shows what one says about
//! itself. The crate sees slices and options only: no files, no network, no clock.

mod control;
mod decode;
mod diff;
mod encode;
mod encoding;
mod error;
mod header;
mod patch;

pub use decode::XZ_MEMORY_LIMIT;
pub use diff::{Delta, DiffOptions, FullDownloadReason, MIN_NEW_SIZE, diff};
pub use encode::AllowedEncodings;
pub use encoding::{Block, Encoding, Encodings};
pub use error::{DiffError, PatchError};
pub use header::{FULL_DOWNLOAD, Header, HeaderVersion, MAX_NEW_SIZE, NewFile};
pub use patch::{Patched, header, patch};

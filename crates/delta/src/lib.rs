//! swupd's binary deltas: bytes in, bytes out.
//!
//! ```text
//! header | control block | diff block | extra block        each block stored raw, bzip2, gzip, xz or as a count of zeros
//! FULLV20U                                                 no delta: use the full file
//! ```
//!
//! [`patch`] applies a delta exactly as the stock client does, [`diff`] makes one, [`header`] reads its header. The
//! crate takes slices and options only: no files, no network, no clock.
//!
//! ```
//! use clearwell_delta::{Delta, DiffOptions, NewFile, diff, patch};
//!
//! let old = b"the content of the release before, ".repeat(100);
//! let new = [&old[34..], b"and what is new"].concat();
//! let meta = NewFile { mode: 0o100_644, uid: 0, gid: 0 };
//! match diff(&old, &new, meta, &DiffOptions::default())? {
//!     Delta::Bytes(delta) => assert_eq!(patch(&old, &delta)?.bytes, new),
//!     Delta::FullDownload(reason) => panic!("{reason:?}"),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod control;
mod decode;
mod diff;
mod encode;
mod encoding;
mod error;
mod header;
mod patch;

pub use decode::XZ_MEMORY_LIMIT;
pub use diff::{Delta, DiffOptions, FullDownloadReason, MIN_NEW_SIZE, diff, encode};
pub use encode::AllowedEncodings;
pub use encoding::{Block, Encoding, Encodings};
pub use error::{DiffError, PatchError};
pub use header::{FULL_DOWNLOAD, Header, HeaderVersion, MAX_NEW_SIZE, NewFile};
pub use patch::{Patched, header, patch, patch_within};

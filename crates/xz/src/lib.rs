//! An encoder of xz streams for inputs that lie in memory as a whole.
//!
//! ```text
//! stream header     FD 37 7A 58 5A 00, checks are CRC64
//! block …           one for each 32 MiB: header with its filters, LZMA2 chunks, check
//! index             sizes of all blocks
//! stream footer
//! ```
//!
//! Any decoder of xz reads it. It takes half the time that liblzma takes for as few bytes, or less: matches are found in tables
//! whose memory is asked for ahead of time, where liblzma waits for the nodes of a tree one after the other.
//!
//! Always true: the same input and options give the same bytes, on every machine.

mod branch;
mod chunk;
mod find;
mod model;
mod options;
mod parse;
mod price;
mod range;
mod stream;
mod tariff;
mod way;

pub use model::Contexts;
pub use options::{Nice, Options, Window};
pub use stream::{BLOCK_BYTES, Encoder, encode};

//! An xz encoder for inputs that are in memory as a whole.
//!
//! ```text
//! stream header     FD 37 7A 58 5A 00, checks are CRC64
//! block …           one for each 32 MiB of input: header with its filters, LZMA2 chunks, check
//! index             sizes of all blocks
//! stream footer
//! ```
//!
//! From the input to the stream:
//!
//! ```text
//! stream ── bcj_x86 ── lzma2 ──┬── optimum ──┬── match_finder     matches at each position, from hash tables
//!  blocks    optional   chunks │   operations └── price_table      prices of lengths and distances, from price and model
//!                              └── model ─────── range_encoder    operations to bits, bits to bytes
//! ```
//!
//! | File | Here | In xz and the LZMA SDK |
//! |---|---|---|
//! | `match_finder` | hash tables for eight lengths, prefetched | `lz_encoder_mf.c` (hc4, bt4), `LzFind.c` |
//! | `optimum`, `node` | cheapest path of operations through a segment | `lzma_encoder_optimum_normal.c`, `GetOptimum` |
//! | `price`, `price_table` | prices in sixteenths of a bit | `price.h`, `FillDistancesPrices` |
//! | `model` | state, rep0 to rep3, probabilities | `lzma_encoder_private.h` |
//! | `range_encoder` | the range coder | `range_encoder.h` |
//! | `lzma2`, `stream` | chunks; blocks, index and footer | `lzma2_encoder.c`, `stream_encoder.c` |
//! | `bcj_x86` | the x86 filter | `simple/x86.c` |
//!
//! All xz decoders read its streams. It takes half the time of liblzma or less, for nearly as few bytes: the memory of
//! hash tables can be prefetched, while liblzma's binary tree waits for one node after the other.
//!
//! Always true: the same input and options give the same bytes, on every machine.

mod bcj_x86;
mod lzma2;
mod match_finder;
mod model;
mod node;
mod optimum;
mod options;
mod price;
mod price_table;
mod range_encoder;
mod stream;

pub use model::Props;
pub use options::{DictSize, NiceLength, Options};
pub use stream::{BLOCK_BYTES, Encoder, encode};

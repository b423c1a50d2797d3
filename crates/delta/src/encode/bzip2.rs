//! One bzip2 stream.

use std::io::{self, Write};

use ::bzip2::Compression;
use ::bzip2::write::BzEncoder;

pub(super) fn compress(raw: &[u8]) -> io::Result<Vec<u8>> {
    // The level is the size of a bzip2 block in 100,000 bytes; more than there is to sort changes nothing but memory.
    let level = raw.len().div_ceil(90_000).clamp(1, 9) as u32;
    let mut writer = BzEncoder::new(Vec::new(), Compression::new(level));
    writer.write_all(raw)?;
    writer.finish()
}

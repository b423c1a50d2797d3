//! One gzip member at the highest level, without name and time, so that its bytes do not depend on machine or time.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

pub(super) fn compress(raw: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::best());
    writer.write_all(raw)?;
    writer.finish()
}

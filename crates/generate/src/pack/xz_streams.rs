//! Where the streams of an xz file are, read from their indexes (xz file format 2 to 4).
//!
//! ```text
//! stream     header (12)   blocks …   index   footer (12): CRC32, size of the index in words less one, flags, "YZ"
//! index      00   number of blocks   (size of a block without padding, size of its content) …   padding   CRC32
//! ```
//!
//! Nothing is decompressed and no checksum is compared: callers verify the content before they use it.

use std::ops::Range;

/// One of several concatenated streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct XzStream {
    /// Its bytes in the file.
    pub(super) range: Range<usize>,
    /// Number of bytes that it decompresses to.
    pub(super) content: u64,
}

/// The streams of an xz file, in their order; `None` if it is anything else or has padding between streams.
pub(super) fn xz_streams(file: &[u8]) -> Option<Vec<XzStream>> {
    let mut streams = Vec::new();
    let mut end = file.len();
    while end > 0 {
        let stream = last_stream(&file[..end])?;
        end = stream.range.start;
        streams.push(stream);
    }
    streams.reverse();
    Some(streams)
}

fn last_stream(file: &[u8]) -> Option<XzStream> {
    let (rest, footer) = file.split_at_checked(file.len().checked_sub(HEADER)?)?;
    if !footer.ends_with(b"YZ") {
        return None;
    }
    let words = u32::from_le_bytes(footer[4..8].try_into().ok()?) as usize + 1;
    let (rest, index) = rest.split_at_checked(rest.len().checked_sub(words * 4)?)?;
    let mut records = index.strip_prefix(&[0])?;
    let (mut blocks, mut content) = (0u64, 0u64);
    for _ in 0..number(&mut records)? {
        blocks = blocks.checked_add(number(&mut records)?.checked_next_multiple_of(4)?)?;
        content = content.checked_add(number(&mut records)?)?;
    }
    let blocks = usize::try_from(blocks).ok()?;
    let start = rest.len().checked_sub(blocks)?.checked_sub(HEADER)?;
    rest[start..].starts_with(b"\xfd7zXZ\0").then_some(XzStream { range: start..file.len(), content })
}

/// A number of seven bits a byte, the lowest first.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Bytes of a stream's header, and of its footer.
const HEADER: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compression::{XZ, XZ_WIDE_WINDOW};

    #[test]
    fn streams_are_found_and_other_bytes_are_refused() {
        let contents = [vec![7; 512], (0..200_000u32).flat_map(u32::to_le_bytes).collect(), Vec::new()];
        let streams = [XZ, XZ_WIDE_WINDOW.filtered, XZ]
            .iter()
            .zip(&contents)
            .map(|(codec, bytes)| codec.compress(bytes).unwrap());
        let streams: Vec<Vec<u8>> = streams.collect();
        let file = streams.concat();
        let found = xz_streams(&file).unwrap();
        assert_eq!(found.iter().map(|stream| stream.content).collect::<Vec<_>>(), [512, 800_000, 0]);
        for (stream, bytes) in found.iter().zip(&streams) {
            assert_eq!(&file[stream.range.clone()], bytes);
        }
        for cut in 0..file.len() {
            assert!(xz_streams(&file[..cut]).is_none_or(|found| found.len() < 3));
            let mut damaged = file.clone();
            damaged[cut] ^= 0x81;
            let _ = xz_streams(&damaged);
        }
        assert_eq!(xz_streams(b"not an xz file, but long enough for one"), None);
    }
}

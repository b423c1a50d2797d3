//! The container: header, blocks, index, footer (the .xz file format, version 1.2).

use std::io::{self, Write};

use crate::bcj_x86::encode_x86;
use crate::lzma2;
use crate::match_finder::{PADDING, Tables};
use crate::model::Props;
use crate::options::{DictSize, Options};

/// Most bytes of input in a block.
pub const BLOCK_BYTES: usize = 32 << 20;

/// Compresses `data` to a stream.
pub fn encode(data: &[u8], options: Options) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new(), options);
    encoder.write_all(data).and_then(|()| encoder.finish()).expect("a vector takes all bytes")
}

/// Compresses what is written to it. Without [`Encoder::finish`] the stream is truncated.
pub struct Encoder<W: Write> {
    options: Options,
    out: W,
    block: Vec<u8>,
    /// Of each block: its size without padding, and its uncompressed size.
    index: Vec<(u64, u64)>,
    is_begun: bool,
}

impl<W: Write> Encoder<W> {
    /// A stream into `out`.
    pub const fn new(out: W, options: Options) -> Self {
        Self { options, out, block: Vec::new(), index: Vec::new(), is_begun: false }
    }

    /// Approximate memory of an encoder for an input of `size` bytes.
    pub fn memory(size: u64) -> u64 {
        let size = usize::try_from(size).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
        (2 * size + Tables::memory(size) + (1 << 20)) as u64
    }

    /// Ends the stream and returns the writer.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        self.begin()?;
        let mut index = vec![0];
        vli(self.index.len() as u64, &mut index);
        for &(size, length) in &self.index {
            vli(size, &mut index);
            vli(length, &mut index);
        }
        pad(&mut index);
        index.extend_from_slice(&crc32fast::hash(&index).to_le_bytes());
        self.out.write_all(&index)?;
        let mut footer = (index.len() as u32 / 4 - 1).to_le_bytes().to_vec();
        footer.extend_from_slice(&STREAM_FLAGS);
        self.out.write_all(&crc32fast::hash(&footer).to_le_bytes())?;
        self.out.write_all(&footer)?;
        self.out.write_all(b"YZ")?;
        Ok(self.out)
    }

    fn begin(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.is_begun, true) {
            self.out.write_all(b"\xfd7zXZ\0")?;
            self.out.write_all(&STREAM_FLAGS)?;
            self.out.write_all(&crc32fast::hash(&STREAM_FLAGS).to_le_bytes())?;
        }
        Ok(())
    }

    fn end_block(&mut self) -> io::Result<()> {
        self.begin()?;
        let Options { dict_size, nice_length, props, x86 } = self.options;
        let length = self.block.len();
        let dict_size = length.next_power_of_two().clamp(DictSize::MIN.bytes() as usize, dict_size.bytes() as usize);
        let mut out = block_header(dict_size, x86);
        let mut check = crc64fast::Digest::new();
        check.write(&self.block);
        if x86 {
            encode_x86(&mut self.block);
        }
        // Exact: a full block would otherwise double its memory for the padding, above what `memory` says.
        self.block.reserve_exact(PADDING);
        self.block.resize(length + PADDING, 0);
        let props = props.unwrap_or_else(|| if x86 { Props::BINARY } else { Props::guess(&self.block[..length]) });
        lzma2::encode(&self.block, props, nice_length.length(), dict_size, &mut out);
        self.block.clear();
        let size = out.len() + CHECK;
        pad(&mut out);
        out.extend_from_slice(&check.sum64().to_le_bytes());
        self.index.push((size as u64, length as u64));
        self.out.write_all(&out)
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        if self.block.len() == BLOCK_BYTES {
            self.end_block()?;
        }
        Ok(taken)
    }

    /// Does nothing: a flush inside a stream would change the bytes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn block_header(dict_size: usize, x86: bool) -> Vec<u8> {
    // The format codes 2^12 as 0, 2^13 as 2, …
    let dict_size = 2 * (dict_size.trailing_zeros() as u8 - 12);
    let filters: &[u8] = if x86 { &[X86, 0, LZMA2, 1, dict_size] } else { &[LZMA2, 1, dict_size] };
    let mut header = vec![0, if x86 { 1 } else { 0 }];
    header.extend_from_slice(filters);
    pad(&mut header);
    header[0] = (header.len() / 4) as u8;
    header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
    header
}

/// A variable-length integer: seven bits per byte, the lowest first.
fn vli(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// Checks are CRC64.
const STREAM_FLAGS: [u8; 2] = [0, 4];
const CHECK: usize = 8;
/// Filter IDs.
const X86: u8 = 0x04;
const LZMA2: u8 = 0x21;

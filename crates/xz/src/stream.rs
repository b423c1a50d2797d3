//! The container: header, blocks, index, footer (the .xz file format, version 1.2).

use std::io::{self, Write};

use crate::branch::encode_x86;
use crate::chunk;
use crate::find::{PADDING, Tables};
use crate::model::Contexts;
use crate::options::{Options, Window};

/// What is compressed together at most.
pub const BLOCK_BYTES: usize = 32 << 20;

/// All of `data` as a stream.
pub fn encode(data: &[u8], options: Options) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new(), options);
    encoder.write_all(data).and_then(|()| encoder.finish()).expect("a vector takes all bytes")
}

/// Makes a stream of what is written to it. Without [`Encoder::finish`] the result is cut off.
pub struct Encoder<W: Write> {
    options: Options,
    out: W,
    block: Vec<u8>,
    /// Of each block: its size without padding, and what comes out of it.
    index: Vec<(u64, u64)>,
    is_begun: bool,
}

impl<W: Write> Encoder<W> {
    /// A stream into `out`.
    pub const fn new(out: W, options: Options) -> Self {
        Self { options, out, block: Vec::new(), index: Vec::new(), is_begun: false }
    }

    /// About how much memory an encoder takes for an input of `size` bytes.
    pub fn memory(size: u64) -> u64 {
        let size = usize::try_from(size).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
        (2 * size + Tables::memory(size) + (1 << 20)) as u64
    }

    /// Ends the stream and returns the writer behind it.
    ///
    /// # Errors
    /// The writer's own.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        self.begin()?;
        let mut index = vec![0];
        number(self.index.len() as u64, &mut index);
        for &(size, length) in &self.index {
            number(size, &mut index);
            number(length, &mut index);
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
        let Options { window, nice, contexts, x86 } = self.options;
        let length = self.block.len();
        let window = length.next_power_of_two().clamp(Window::SMALLEST.bytes() as usize, window.bytes() as usize);
        let mut out = block_header(window, x86);
        let mut check = crc64fast::Digest::new();
        check.write(&self.block);
        if x86 {
            encode_x86(&mut self.block);
        }
        // A full block has grown to just its size: doubled once more for the padding, it would not be what was reserved.
        self.block.reserve_exact(PADDING);
        self.block.resize(length + PADDING, 0);
        let contexts =
            contexts.unwrap_or_else(|| if x86 { Contexts::BINARY } else { Contexts::guess(&self.block[..length]) });
        chunk::encode(&self.block, contexts, nice.length(), window, &mut out);
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

fn block_header(window: usize, x86: bool) -> Vec<u8> {
    // Windows are powers of two: 2^12 is 0, 2^13 is 2, …
    let window = 2 * (window.trailing_zeros() as u8 - 12);
    let filters: &[u8] = if x86 { &[X86, 0, LZMA2, 1, window] } else { &[LZMA2, 1, window] };
    let mut header = vec![0, if x86 { 1 } else { 0 }];
    header.extend_from_slice(filters);
    pad(&mut header);
    header[0] = (header.len() / 4) as u8;
    header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
    header
}

/// Seven bits a byte, the lowest first.
fn number(mut value: u64, out: &mut Vec<u8>) {
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
/// Identifiers of filters.
const X86: u8 = 0x04;
const LZMA2: u8 = 0x21;

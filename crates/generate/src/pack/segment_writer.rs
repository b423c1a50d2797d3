//! The compressor of one stream of a pack.
//!
//! Clients read concatenated streams of one compression as one, so a pack is a few solid streams, each with the filter
//! that makes it smallest. Up to [`SMALL_BYTES`] are collected to choose the filter by.

use std::io::{self, Write};

use clearwell_format::archive::{Encoder, TarWriter};

use crate::compression::CodecPair;
use crate::member::MemberError;
use crate::profile::Family;

/// Compresses what is written to it with the codec that is better for its beginning. Memory does not grow with its size.
pub(super) struct SegmentWriter<W: Write> {
    codecs: CodecPair,
    state: State<W>,
}

enum State<W: Write> {
    Small {
        bytes: Vec<u8>,
        out: W,
    },
    Large(Box<Encoder<W>>),
    /// After an error, and for the moment between the two.
    Failed,
}

impl<W: Write> SegmentWriter<W> {
    /// Begins a segment.
    pub(super) const fn new(codecs: CodecPair, out: W) -> Self {
        Self { codecs, state: State::Small { bytes: Vec::new(), out } }
    }

    /// Ends the segment and returns the writer behind it.
    ///
    /// # Errors
    /// Those of the writer behind it, and of the compressor.
    pub(super) fn finish(self) -> io::Result<W> {
        match self.state {
            State::Small { bytes, mut out } => {
                out.write_all(&self.codecs.codec_for_code(&bytes).compress(&bytes)?)?;
                Ok(out)
            }
            State::Large(encoder) => encoder.finish(),
            State::Failed => Err(failed()),
        }
    }
}

impl<W: Write> Write for SegmentWriter<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if let State::Small { bytes, .. } = &mut self.state
            && (bytes.len() < SMALL_BYTES || piece.is_empty())
        {
            // Filled completely, so that the choice of the codec does not depend on the pieces.
            let taken = piece.len().min(SMALL_BYTES - bytes.len());
            bytes.extend_from_slice(&piece[..taken]);
            return Ok(taken);
        }
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Small { bytes, out } => {
                let mut encoder = self.codecs.codec_for_code(&bytes).encoder(out, None)?;
                encoder.write_all(&bytes)?;
                self.state = State::Large(Box::new(encoder));
            }
            other => self.state = other,
        }
        match &mut self.state {
            State::Large(encoder) => encoder.write(piece),
            State::Small { .. } | State::Failed => Err(failed()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `write` writes, as one compressed stream in memory.
pub(super) fn compressed(
    codecs: CodecPair,
    write: impl FnOnce(&mut TarWriter<&mut SegmentWriter<Vec<u8>>>) -> Result<(), MemberError>,
) -> Result<Vec<u8>, MemberError> {
    let mut segment = SegmentWriter::new(codecs, Vec::new());
    write(&mut TarWriter::new(&mut segment))?;
    segment.finish().map_err(MemberError::Write)
}

/// The zero blocks that end a tar, compressed.
pub(super) fn tar_end(family: Family) -> io::Result<Vec<u8>> {
    family.head.compress(&TarWriter::new(Vec::new()).finish()?)
}

fn failed() -> io::Error {
    io::Error::other("this stream failed to compress earlier")
}

/// Bytes that are collected in memory before the codec is chosen.
pub(super) const SMALL_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use std::io::Read;

    use clearwell_format::archive::decoder;

    use super::*;
    use crate::compression::XZ_FILE;

    #[test]
    fn small_and_large_segments_follow_each_other_and_come_back() {
        let small = b"small ".repeat(100);
        let large: Vec<u8> = (0..SMALL_BYTES as u32 / 2).flat_map(|n| (n / 100).to_le_bytes()).collect();
        let mut out = Vec::new();
        for bytes in [&small, &large, &small] {
            let mut segment = SegmentWriter::new(XZ_FILE, &mut out);
            for piece in bytes.chunks(70_000) {
                segment.write_all(piece).unwrap();
            }
            segment.finish().unwrap();
        }
        let mut back = Vec::new();
        decoder(&out[..]).unwrap().read_to_end(&mut back).unwrap();
        assert!(back == [&small[..], &large, &small].concat());
    }
}

//! A piece of a pack that is compressed by itself.
//!
//! Clients read concatenated streams of one compression as one, so a pack is made of a few solid pieces, each with the
//! filter that suits it.

use std::io::{self, Write};

use clearwell_format::archive::{Codec, Encoder, TarWriter};

use crate::member::MemberError;
use crate::profile::Family;

/// Compresses what is written to it. A tiny segment is tried with each codec and the smallest result is kept. Of others a
/// sample tells which codec suits them; a large one never lies in memory.
pub(crate) struct Segment<W: Write> {
    codecs: &'static [Codec],
    state: State<W>,
}

enum State<W: Write> {
    Small {
        bytes: Vec<u8>,
        out: W,
    },
    Large(Box<Encoder<W>>),
    /// Only between the two, and after an error.
    Broken,
}

impl<W: Write> Segment<W> {
    /// Begins a segment. `codecs` has at least one.
    pub(crate) const fn new(codecs: &'static [Codec], out: W) -> Self {
        Self { codecs, state: State::Small { bytes: Vec::new(), out } }
    }

    /// Ends the segment and returns the writer behind it.
    ///
    /// # Errors
    /// The writer's own.
    pub(crate) fn finish(self) -> io::Result<W> {
        match self.state {
            State::Small { bytes, mut out } => {
                let guess = [best_guess(self.codecs, &bytes)?];
                let codecs = if bytes.len() <= TRY_ALL_BYTES { self.codecs } else { &guess };
                let mut best: Option<Vec<u8>> = None;
                for codec in codecs {
                    let compressed = codec.compress(&bytes)?;
                    if best.as_ref().is_none_or(|best| compressed.len() < best.len()) {
                        best = Some(compressed);
                    }
                }
                out.write_all(&best.unwrap_or(bytes))?;
                Ok(out)
            }
            State::Large(encoder) => encoder.finish(),
            State::Broken => Err(broken()),
        }
    }
}

impl<W: Write> Write for Segment<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if let State::Small { bytes, .. } = &mut self.state {
            if bytes.len() + piece.len() <= SMALL_BYTES {
                bytes.extend_from_slice(piece);
                return Ok(piece.len());
            }
            if let State::Small { bytes, out } = std::mem::replace(&mut self.state, State::Broken) {
                let mut encoder = best_guess(self.codecs, &bytes)?.encoder(out, None)?;
                encoder.write_all(&bytes)?;
                self.state = State::Large(Box::new(encoder));
            }
        }
        match &mut self.state {
            State::Large(encoder) => encoder.write(piece),
            State::Small { .. } | State::Broken => Err(broken()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `write` writes as one segment in memory.
pub(crate) fn stream(
    codecs: &'static [Codec],
    write: impl FnOnce(&mut TarWriter<&mut Segment<Vec<u8>>>) -> Result<(), MemberError>,
) -> Result<Vec<u8>, MemberError> {
    let mut segment = Segment::new(codecs, Vec::new());
    write(&mut TarWriter::new(&mut segment))?;
    segment.finish().map_err(MemberError::Write)
}

/// The zero blocks that end a tar, compressed.
pub(crate) fn tar_end(family: &Family) -> io::Result<Vec<u8>> {
    family.plain.compress(&TarWriter::new(Vec::new()).finish()?)
}

/// The codec that makes `bytes` smallest, as far as a sample and a fast preset tell.
fn best_guess(codecs: &[Codec], bytes: &[u8]) -> io::Result<Codec> {
    let (mut best, mut smallest) = (codecs[0], usize::MAX);
    let middle = bytes.len().saturating_sub(SAMPLE_BYTES) / 2;
    let sample = &bytes[middle..bytes.len().min(middle + SAMPLE_BYTES)];
    let fast = |codec| match codec {
        Codec::Xz { x86, .. } | Codec::OwnXz { x86, .. } => Codec::Xz { preset: 1, x86 },
        other => other,
    };
    if codecs.iter().all(|&codec| fast(codec) == fast(best)) {
        return Ok(best);
    }
    for &codec in codecs {
        let size = fast(codec).compress(sample)?.len();
        if size < smallest {
            (best, smallest) = (codec, size);
        }
    }
    Ok(best)
}

fn broken() -> io::Error {
    io::Error::other("the segment failed before")
}

/// What is held in memory.
pub(crate) const SMALL_BYTES: usize = 4 << 20;
/// Up to here trying a second codec costs less than being wrong.
const TRY_ALL_BYTES: usize = 256 << 10;
const SAMPLE_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::io::Read;

    use clearwell_format::archive::decoder;

    use super::*;
    use crate::compression::{XZ, XZ_X86};

    #[test]
    fn small_and_large_segments_follow_each_other_and_come_back() {
        let small = b"small ".repeat(100);
        let large: Vec<u8> = (0..SMALL_BYTES as u32 / 2).flat_map(|n| (n / 100).to_le_bytes()).collect();
        let mut out = Vec::new();
        for bytes in [&small, &large, &small] {
            let mut segment = Segment::new(&[XZ_X86, XZ], &mut out);
            for piece in bytes.chunks(70_000) {
                segment.write_all(piece).unwrap();
            }
            segment.finish().unwrap();
        }
        let mut back = Vec::new();
        decoder(&out[..]).unwrap().read_to_end(&mut back).unwrap();
        assert!(back == [&small[..], &large, &small].concat());
    }

    #[test]
    fn the_smaller_codec_wins_whatever_the_order() {
        static STORED_FIRST: [Codec; 2] = [Codec::None, XZ];
        let mut segment = Segment::new(&STORED_FIRST, Vec::new());
        segment.write_all(&[7; 10_000]).unwrap();
        assert_eq!(segment.finish().unwrap(), XZ.compress(&[7; 10_000]).unwrap());
        let mut segment = Segment::new(&STORED_FIRST, Vec::new());
        segment.write_all(b"x").unwrap();
        assert_eq!(segment.finish().unwrap(), b"x");
    }
}

//! A piece of a pack that is compressed by itself.
//!
//! Clients read concatenated streams of one compression as one, so a pack is made of a few solid pieces, each with the
//! filter that suits it.

use std::io::{self, Write};

use clearwell_format::archive::{Encoder, TarWriter};

use crate::compression::Suit;
use crate::member::MemberError;
use crate::profile::Family;

/// Compresses what is written to it with the codec that suits its beginning. A large one never lies in memory.
pub(crate) struct Segment<W: Write> {
    suit: Suit,
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
    /// Begins a segment.
    pub(crate) const fn new(suit: Suit, out: W) -> Self {
        Self { suit, state: State::Small { bytes: Vec::new(), out } }
    }

    /// Ends the segment and returns the writer behind it.
    ///
    /// # Errors
    /// The writer's own.
    pub(crate) fn finish(self) -> io::Result<W> {
        match self.state {
            State::Small { bytes, mut out } => {
                out.write_all(&self.suit.codec_for_code(&bytes).compress(&bytes)?)?;
                Ok(out)
            }
            State::Large(encoder) => encoder.finish(),
            State::Broken => Err(broken()),
        }
    }
}

impl<W: Write> Write for Segment<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if let State::Small { bytes, .. } = &mut self.state
            && (bytes.len() < SMALL_BYTES || piece.is_empty())
        {
            // Filled to the brim, so that the choice of the codec does not depend on the pieces.
            let taken = piece.len().min(SMALL_BYTES - bytes.len());
            bytes.extend_from_slice(&piece[..taken]);
            return Ok(taken);
        }
        match std::mem::replace(&mut self.state, State::Broken) {
            State::Small { bytes, out } => {
                let mut encoder = self.suit.codec_for_code(&bytes).encoder(out, None)?;
                encoder.write_all(&bytes)?;
                self.state = State::Large(Box::new(encoder));
            }
            other => self.state = other,
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
    suit: Suit,
    write: impl FnOnce(&mut TarWriter<&mut Segment<Vec<u8>>>) -> Result<(), MemberError>,
) -> Result<Vec<u8>, MemberError> {
    let mut segment = Segment::new(suit, Vec::new());
    write(&mut TarWriter::new(&mut segment))?;
    segment.finish().map_err(MemberError::Write)
}

/// The zero blocks that end a tar, compressed.
pub(crate) fn tar_end(family: Family) -> io::Result<Vec<u8>> {
    family.head.compress(&TarWriter::new(Vec::new()).finish()?)
}

fn broken() -> io::Error {
    io::Error::other("the segment failed before")
}

/// What is held in memory.
pub(crate) const SMALL_BYTES: usize = 4 << 20;

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
            let mut segment = Segment::new(XZ_FILE, &mut out);
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

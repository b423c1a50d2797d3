//! One bzip2 stream; data after it is ignored.

use std::io;

use ::bzip2::{Decompress, Status};

use super::invalid;

pub(super) struct Reader<'d> {
    rest: &'d [u8],
    stream: Decompress,
    ended: bool,
}

impl<'d> Reader<'d> {
    pub(super) fn new(stored: &'d [u8]) -> Self {
        Self { rest: stored, stream: Decompress::new(false), ended: false }
    }

    /// Reads up to `out.len()` bytes; fewer only at the end of the stream or of its input.
    pub(super) fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < out.len() && !self.ended {
            let (in_before, out_before) = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.decompress(self.rest, &mut out[filled..]).map_err(invalid)?;
            let consumed = (self.stream.total_in() - in_before) as usize;
            let produced = (self.stream.total_out() - out_before) as usize;
            self.rest = &self.rest[consumed..];
            filled += produced;
            match status {
                Status::StreamEnd => self.ended = true,
                Status::MemNeeded => return Err(io::ErrorKind::OutOfMemory.into()),
                _ if consumed == 0 && produced == 0 => break,
                _ => {}
            }
        }
        Ok(filled)
    }
}

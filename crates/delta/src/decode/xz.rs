//! One .xz stream with an integrity check that this build supports; data after it is ignored.

use std::io;

use liblzma::stream::{Action, Status, Stream, TELL_NO_CHECK, TELL_UNSUPPORTED_CHECK};

use super::XZ_MEMORY_LIMIT;

pub(super) struct Reader<'d> {
    rest: &'d [u8],
    stream: Stream,
    ended: bool,
}

impl<'d> Reader<'d> {
    pub(super) fn new(stored: &'d [u8]) -> io::Result<Self> {
        let stream = Stream::new_stream_decoder(XZ_MEMORY_LIMIT, TELL_NO_CHECK | TELL_UNSUPPORTED_CHECK)?;
        Ok(Self { rest: stored, stream, ended: false })
    }

    /// Reads up to `out.len()` bytes; fewer only at the end of the stream or of its input.
    pub(super) fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < out.len() && !self.ended {
            let (in_before, out_before) = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.process(self.rest, &mut out[filled..], Action::Run)?;
            let consumed = (self.stream.total_in() - in_before) as usize;
            let produced = (self.stream.total_out() - out_before) as usize;
            self.rest = &self.rest[consumed..];
            filled += produced;
            match status {
                Status::StreamEnd => self.ended = true,
                _ if consumed == 0 && produced == 0 => break,
                _ => {}
            }
        }
        Ok(filled)
    }
}

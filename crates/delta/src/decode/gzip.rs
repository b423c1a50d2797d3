//! Gzip with the rules of zlib's file reader (`gzread`), which endpoints use.
//!
//! Bytes that do not start with the gzip magic are passed on as they are. Members follow each other; what follows the
//! last one is ignored. An end of the input is only noticed when bytes are missing, so a member without its trailer is
//! fine if it has enough bytes. Whether a wrong checksum is noticed depends on how far ahead the reader decodes: small
//! reads go through a buffer of [`AHEAD`] bytes, reads of that size or more do not.

use std::io;

use flate2::{Decompress, FlushDecompress, Status};

use super::{invalid, take};

/// Bytes decoded ahead of a small read.
const AHEAD: usize = 16 << 10;
/// Bytes of input the decoder sees at a time.
const INPUT: usize = 8 << 10;
const WINDOW_BITS: u8 = 15;
const MAGIC: [u8; 2] = [0x1f, 0x8b];

pub(super) struct Reader<'d> {
    rest: &'d [u8],
    /// How much of `rest` the decoder may see before it has to ask again.
    window: usize,
    state: State,
    stream: Decompress,
    ahead: Vec<u8>,
    ahead_used: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    First,
    Plain,
    Member,
    BetweenMembers,
    Ended,
}

impl<'d> Reader<'d> {
    pub(super) fn new(stored: &'d [u8]) -> Self {
        Self {
            rest: stored,
            window: 0,
            state: State::First,
            stream: Decompress::new_gzip(WINDOW_BITS),
            ahead: Vec::new(),
            ahead_used: 0,
        }
    }

    /// Reads up to `out.len()` bytes; fewer only at the end of the members or of the input.
    pub(super) fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < out.len() {
            let mut ahead = &self.ahead[self.ahead_used..];
            if !ahead.is_empty() {
                let count = take(&mut ahead, &mut out[filled..]);
                self.ahead_used += count;
                filled += count;
                continue;
            }
            match self.state {
                State::First | State::BetweenMembers => self.look(),
                State::Plain => return Ok(filled + take(&mut self.rest, &mut out[filled..])),
                State::Member if out.len() - filled >= AHEAD => filled += self.inflate(&mut out[filled..])?,
                State::Member => {
                    let mut ahead = std::mem::take(&mut self.ahead);
                    ahead.resize(AHEAD, 0);
                    let count = self.inflate(&mut ahead)?;
                    ahead.truncate(count);
                    self.ahead = ahead;
                    self.ahead_used = 0;
                }
                State::Ended => break,
            }
        }
        Ok(filled)
    }

    fn look(&mut self) {
        self.state = if self.rest.starts_with(&MAGIC) {
            self.stream = Decompress::new_gzip(WINDOW_BITS);
            State::Member
        } else if self.state == State::First {
            State::Plain
        } else {
            State::Ended
        };
    }

    /// Decodes until `out` is full, the member ends or the input does.
    fn inflate(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < out.len() {
            if self.window == 0 {
                self.window = self.rest.len().min(INPUT);
            }
            if self.window == 0 {
                self.state = State::Ended;
                break;
            }
            let (in_before, out_before) = (self.stream.total_in(), self.stream.total_out());
            let status = self
                .stream
                .decompress(&self.rest[..self.window], &mut out[filled..], FlushDecompress::None)
                .map_err(invalid)?;
            let consumed = (self.stream.total_in() - in_before) as usize;
            let produced = (self.stream.total_out() - out_before) as usize;
            self.rest = &self.rest[consumed..];
            self.window -= consumed;
            filled += produced;
            if status == Status::StreamEnd {
                self.state = State::BetweenMembers;
                break;
            }
            if consumed == 0 && produced == 0 {
                return Err(invalid("the gzip decoder makes no progress"));
            }
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn member(bytes: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn read(stored: &[u8], wanted: usize) -> io::Result<Vec<u8>> {
        let mut out = vec![0; wanted];
        let count = Reader::new(stored).read(&mut out)?;
        out.truncate(count);
        Ok(out)
    }

    #[test]
    fn small_and_large_reads_agree() {
        let bytes: Vec<u8> = (0..100_000u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect();
        let stored = member(&bytes);
        assert_eq!(read(&stored, bytes.len()).unwrap(), bytes);
        let mut reader = Reader::new(&stored);
        let mut out = vec![0; bytes.len()];
        for chunk in out.chunks_mut(77) {
            assert_eq!(reader.read(chunk).unwrap(), chunk.len());
        }
        assert_eq!(out, bytes);
    }

    #[test]
    fn members_follow_each_other_and_the_rest_is_ignored() {
        let mut stored = member(b"one ");
        stored.extend(member(b"two"));
        stored.extend(b"whatever");
        assert_eq!(read(&stored, 100).unwrap(), b"one two");
    }

    #[test]
    fn plain_bytes_pass() {
        assert_eq!(read(b"not compressed", 100).unwrap(), b"not compressed");
    }

    #[test]
    fn a_missing_trailer_is_only_noticed_when_bytes_are_missing() {
        let stored = member(b"enough");
        assert_eq!(read(&stored[..stored.len() - 8], 6).unwrap(), b"enough");
        assert_eq!(read(&stored[..stored.len() - 8], 7).unwrap(), b"enough");
    }

    #[test]
    fn a_wrong_check_sum_is_refused() {
        let mut stored = member(b"enough");
        let at = stored.len() - 8;
        stored[at] ^= 1;
        read(&stored, 6).unwrap_err();
    }
}

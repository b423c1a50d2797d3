//! The file of the access log, or a pipe.
//!
//! Always true: a file has complete lines only, and every line is either in it or counted as lost.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

/// Delay before a write to a full pipe is retried,
const PAUSE: Duration = Duration::from_millis(10);
/// and the number of retries before its lines are lost: a stalled reader must not block the log indefinitely.
const TRIES: u32 = 100;

/// Writes lines.
#[derive(Debug)]
pub(super) struct LogFile<W = File> {
    out: W,
    /// The rest of a line that a pipe accepted in part.
    rest: Vec<u8>,
    /// A partial line could not be removed from the file: the next one starts on a new line.
    is_torn: bool,
}

/// The output: from a file, the last bytes can be removed again.
pub(super) trait Output: Write {
    /// Removes the last `length` bytes; false if that is not possible here.
    fn take_back(&mut self, length: usize) -> bool;
}

impl Output for File {
    fn take_back(&mut self, length: usize) -> bool {
        let remove = |file: &Self| {
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Err(io::Error::from(ErrorKind::NotSeekable));
            }
            file.set_len(metadata.len().saturating_sub(length as u64))
        };
        remove(self).is_ok()
    }
}

/// Lost lines, and why.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) lines: u64,
    pub(super) error: io::Error,
}

impl LogFile {
    /// Opens the log for appending. A pipe without a reader is refused instead of waited for.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = rustix::fs::OFlags::NONBLOCK.bits();
        let flags = i32::try_from(flags).expect("flags of the system fit into its integer");
        Ok(Self::over(OpenOptions::new().append(true).create(true).custom_flags(flags).open(path)?))
    }
}

impl<W: Output> LogFile<W> {
    pub(super) const fn over(out: W) -> Self {
        Self { out, rest: Vec::new(), is_torn: false }
    }

    /// Writes `lines`, each with its line feed.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), Lost> {
        let rest = std::mem::take(&mut self.rest);
        if let Err((written, error)) = self.write_bytes(&rest) {
            let mut lost = count(lines);
            if error.kind() == ErrorKind::WouldBlock {
                self.rest = rest[written..].to_vec();
            } else {
                // It was not counted yet; the next line must not follow a partial one.
                self.is_torn = true;
                lost += 1;
            }
            return Err(Lost { lines: lost, error });
        }
        if self.is_torn && !lines.is_empty() {
            if let Err((_, error)) = self.write_bytes(b"\n") {
                return Err(Lost { lines: count(lines), error });
            }
            self.is_torn = false;
        }
        let Err((written, error)) = self.write_bytes(lines) else { return Ok(()) };
        let whole = lines[..written].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut lost = count(&lines[whole..]);
        if written > whole && !self.out.take_back(written - whole) {
            if error.kind() == ErrorKind::WouldBlock {
                let end =
                    lines[whole..].iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| whole + end + 1);
                self.rest = lines[written..end].to_vec();
                lost -= 1;
            } else {
                self.is_torn = true;
                // Only its line feed is missing, which is written before the next line.
                lost -= u64::from(lines[written] == b'\n');
            }
        }
        Err(Lost { lines: lost, error })
    }

    /// Writes all bytes; on failure returns the number of written bytes and the error.
    fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let (mut written, mut tries) = (0, 0);
        while written < bytes.len() {
            match self.out.write(&bytes[written..]) {
                Ok(0) => return Err((written, ErrorKind::WriteZero.into())),
                Ok(length) => (written, tries) = (written + length, 0),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && tries < TRIES => {
                    tries += 1;
                    std::thread::sleep(PAUSE);
                }
                Err(error) => return Err((written, error)),
            }
        }
        Ok(())
    }
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts this number of bytes, then fails until it gets more room.
    struct Small {
        bytes: Vec<u8>,
        room: usize,
        error: ErrorKind,
        can_take_back: bool,
    }

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let length = bytes.len().min(self.room - self.bytes.len()).min(7);
            if length == 0 {
                return Err(self.error.into());
            }
            self.bytes.extend_from_slice(&bytes[..length]);
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Output for Small {
        fn take_back(&mut self, length: usize) -> bool {
            if self.can_take_back {
                self.bytes.truncate(self.bytes.len() - length);
            }
            self.can_take_back
        }
    }

    /// Writes three batches of ten lines into `room`, which then grows, and a fourth. What is there, and what was lost.
    fn run(room: usize, error: ErrorKind, can_take_back: bool) -> (String, u64) {
        let mut log = LogFile::over(Small { bytes: Vec::new(), room, error, can_take_back });
        let mut lost = 0;
        for batch in 0..4 {
            if batch == 3 {
                log.out.room = 1 << 20;
            }
            let lines: String = (0..10).map(|line| format!("line {batch}.{line} {}\n", "x".repeat(line))).collect();
            lost += log.write(lines.as_bytes()).err().map_or(0, |lost| lost.lines);
        }
        (String::from_utf8(log.out.bytes).unwrap(), lost)
    }

    #[test]
    fn every_line_is_whole_and_there_or_counted() {
        for room in (0..450).step_by(3) {
            for (error, can_take_back) in
                [(ErrorKind::StorageFull, true), (ErrorKind::FileTooLarge, true), (ErrorKind::BrokenPipe, false)]
            {
                let (text, lost) = run(room, error, can_take_back);
                let is_whole = |line: &&str| {
                    let number = line.get(7..8).and_then(|number| number.parse::<usize>().ok());
                    number.is_some_and(|number| line.len() == 9 + number)
                };
                let (whole, all) = (text.lines().filter(is_whole).count() as u64, text.lines().count() as u64);
                assert_eq!(whole + lost, 40, "{room} {error}: {text}");
                // If it cannot be removed, a partial line may stay, on a separate line.
                assert!(all == whole || (!can_take_back && all <= whole + 1), "{room} {error}: {text}");
                assert!(text.ends_with("line 3.9 xxxxxxxxx\n"), "{room} {error}: {text}");
            }
        }
    }

    #[test]
    fn a_pipe_that_was_full_gets_the_rest_of_its_line_first() {
        let (text, lost) = run(25, ErrorKind::WouldBlock, false);
        assert_eq!(text.lines().count() as u64 + lost, 40, "{text}");
        assert!(text.starts_with("line 0.0 \nline 0.1 x\nline 0.2 xx\nline 3.0 \n"), "{text}");
    }

    #[test]
    fn a_real_pipe_is_not_waited_for() {
        use std::io::Read as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        assert!(LogFile::open(&path).is_err(), "the pipe has no reader");
        let mut reader = LogReader::open(&path);
        let mut log = LogFile::open(&path).unwrap();
        let lines: String = (0..20_000).map(|line| format!("line {line}\n")).collect();
        let lost = log.write(lines.as_bytes()).unwrap_err().lines;
        let mut text = reader.read();
        // The rest of a cut line, and another line.
        log.write(b"last\n").unwrap();
        text += &reader.read();
        assert_eq!(text.lines().count() as u64 + lost, 20_001);
        assert!(text.ends_with("\nlast\n"));
        assert!(
            text.lines()
                .all(|line| line == "last" || line.strip_prefix("line ").is_some_and(|n| n.parse::<u32>().is_ok()))
        );

        struct LogReader(File);
        impl LogReader {
            fn open(path: &Path) -> Self {
                let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
                Self(OpenOptions::new().read(true).custom_flags(flags).open(path).unwrap())
            }

            /// The content of the pipe.
            fn read(&mut self) -> String {
                let mut bytes = Vec::new();
                assert_eq!(self.0.read_to_end(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
                String::from_utf8(bytes).unwrap()
            }
        }
    }
}

//! The check of a large file while it is already served.
//!
//! Hashing a large pack takes longer than a client should wait for its first byte. So responses follow the check:
//!
//! - only bytes that the check has read are sent, and those are in the page cache;
//! - the last byte of a response waits for the result, so a damaged file never arrives complete.
//!
//! A file that is still [arriving](crate::origin::Download) is checked while it is written, in the same way.
//!
//! Whether a file is unchanged since its check is decided by [`VerifiedFile`](crate::verified::VerifiedFile).

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use clearwell_metrics::Metrics;
use clearwell_store::{Digest, Hasher};
use tokio::sync::watch;

use crate::origin::OriginError;

/// Read in one call.
const PIECE_BYTES: usize = 256 * 1024;

/// The progress of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// The number of bytes that were read.
    Bytes(u64),
    /// The file matches the index.
    Sound,
    /// It does not.
    Damaged,
}

/// Follows the check of one file.
#[derive(Clone, Debug)]
pub(crate) struct Check(Following);

#[derive(Clone, Debug)]
enum Following {
    /// The check has ended, and the file is sound: kept for many files, so without a channel.
    Sound,
    Run(watch::Receiver<Checked>),
}

/// Makes the check of one file. If it is dropped before the verdict, the file is not served.
#[derive(Debug)]
pub(crate) struct Checker(watch::Sender<Checked>);

/// Why a file is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsound {
    #[error("its content does not match the digest in the index")]
    Damaged,
    #[error("its verification ended without a result")]
    Abandoned,
}

impl From<Unsound> for io::Error {
    fn from(unsound: Unsound) -> Self {
        Self::new(io::ErrorKind::InvalidData, unsound)
    }
}

impl From<Unsound> for OriginError {
    fn from(unsound: Unsound) -> Self {
        match unsound {
            Unsound::Damaged => Self::Damaged(unsound.into()),
            Unsound::Abandoned => Self::Unreachable(unsound.into()),
        }
    }
}

/// A check that begins.
pub(crate) fn begin() -> (Checker, Check) {
    let (sender, receiver) = watch::channel(Checked::Bytes(0));
    (Checker(sender), Check(Following::Run(receiver)))
}

/// The digest of a whole file. `read` is called after each piece with the number of bytes that were read.
pub(crate) fn digest(file: &File, metrics: &Metrics, mut read: impl FnMut(u64)) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; PIECE_BYTES];
    let mut position = 0;
    loop {
        let length = file.read_at(&mut buffer, position)?;
        if length == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&buffer[..length]);
        metrics.objects.hashed_bytes.inc_by(length as u64);
        position += length as u64;
        read(position);
    }
}

impl Checker {
    /// Reads the file to its end and concludes whether its digest is `expected`; the digest that was found.
    pub(crate) fn run(self, file: &File, expected: Digest, metrics: &Metrics) -> io::Result<Digest> {
        let found = digest(file, metrics, |bytes| self.progressed(bytes))?;
        self.conclude(found == expected);
        Ok(found)
    }

    /// `bytes` of the file were read so far.
    pub(crate) fn progressed(&self, bytes: u64) {
        self.0.send_replace(Checked::Bytes(bytes));
    }

    /// The verdict.
    pub(crate) fn conclude(self, is_sound: bool) {
        self.0.send_replace(if is_sound { Checked::Sound } else { Checked::Damaged });
    }
}

impl Check {
    /// The check of a file that was compared before.
    pub(crate) fn sound() -> Self {
        Self(Following::Sound)
    }

    /// True if the file was found sound, or may still be.
    pub(crate) fn may_be_sound(&self) -> bool {
        self.allows(&(0..1)).is_ok()
    }

    /// Up to which position of `part` bytes may be sent now.
    pub(crate) fn allows(&self, part: &Range<u64>) -> Result<u64, Unsound> {
        let Following::Run(run) = &self.0 else { return Ok(part.end) };
        let now = *run.borrow();
        match now {
            Checked::Sound => Ok(part.end),
            Checked::Bytes(read) if run.has_changed().is_ok() => Ok(read.min(part.end.saturating_sub(1))),
            // The checker may have concluded between the two looks.
            Checked::Bytes(_) => match *run.borrow() {
                Checked::Sound => Ok(part.end),
                Checked::Damaged => Err(Unsound::Damaged),
                Checked::Bytes(_) => Err(Unsound::Abandoned),
            },
            Checked::Damaged => Err(Unsound::Damaged),
        }
    }

    /// Waits until bytes behind `part.start` may be sent, and returns up to which position.
    pub(crate) async fn wait(&self, part: &Range<u64>) -> Result<u64, Unsound> {
        let Following::Run(run) = &self.0 else { return Ok(part.end) };
        let mut run = run.clone();
        loop {
            let allowed = self.allows(part)?;
            if allowed > part.start {
                return Ok(allowed);
            }
            // An error means that the checker was dropped; `allows` then returns `Damaged`.
            let _ = run.changed().await;
        }
    }

    /// Waits for the verdict.
    pub(crate) async fn finished(&self) -> Result<(), Unsound> {
        // The last byte of a file of any size waits for it.
        self.wait(&(u64::MAX - 1..u64::MAX)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[tokio::test]
    async fn answers_follow_the_check_and_end_with_its_verdict() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 1000]).unwrap();
        for (expected, verdict) in [(Digest::of(&[7; 1000]), Ok(1000)), (Digest::of(b"other"), Err(Unsound::Damaged))] {
            let (checker, check) = begin();
            assert_eq!(check.allows(&(0..1000)), Ok(0));
            checker.0.send_replace(Checked::Bytes(500));
            assert_eq!(check.allows(&(0..1000)), Ok(500));
            assert_eq!(check.allows(&(0..500)), Ok(499), "the last byte waits");
            assert_eq!(check.wait(&(100..1000)).await, Ok(500));
            let waiting = check.clone();
            let waiter = tokio::spawn(async move { waiting.wait(&(999..1000)).await });
            assert_eq!(checker.run(&file, expected, &Metrics::new()).unwrap() == expected, verdict.is_ok());
            assert_eq!(waiter.await.unwrap(), verdict);
            assert_eq!(check.allows(&(0..1000)), verdict);
        }
    }

    #[tokio::test]
    async fn a_check_that_is_given_up_is_not_a_good_verdict() {
        let (checker, check) = begin();
        drop(checker);
        assert_eq!(check.wait(&(0..10)).await, Err(Unsound::Abandoned));
        assert_eq!(check.finished().await, Err(Unsound::Abandoned));
        assert_eq!(Check::sound().wait(&(0..10)).await, Ok(10));
    }
}

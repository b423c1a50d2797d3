//! Counting what many threads do in a phase.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Event, Phase, Progress};
use crate::StoreError;

/// A phase under way: counts what many threads do, and reports it in order.
pub struct Meter<'p> {
    pub(super) progress: &'p dyn Progress,
    phase: Phase,
    counts: Mutex<Counts>,
}

#[derive(Clone, Copy)]
pub(super) struct Counts {
    done: u64,
    pub(super) total: u64,
    bytes: u64,
    pub(super) total_bytes: u64,
    pub(super) told: Instant,
}

impl<'p> Meter<'p> {
    /// Begins a phase that does `total` things and reads `total_bytes`; 0 where that is not known.
    pub fn begin(progress: &'p dyn Progress, phase: Phase, total: u64, total_bytes: u64) -> Self {
        Self::begin_about(progress, phase, None, total, total_bytes)
    }

    /// Begins a phase that is about one of several objects.
    pub fn begin_about(
        progress: &'p dyn Progress,
        phase: Phase,
        object: Option<String>,
        total: u64,
        total_bytes: u64,
    ) -> Self {
        progress.event(Event::Started { phase, object, total, total_bytes });
        let counts = Counts { done: 0, total, bytes: 0, total_bytes, told: Instant::now() };
        Self { progress, phase, counts: Mutex::new(counts) }
    }

    /// There is more to do than was known.
    pub fn expect(&self, things: u64, bytes: u64) {
        let mut counts = self.counts();
        counts.total += things;
        counts.total_bytes += bytes;
    }

    /// More things are done, and more bytes read.
    pub fn advance(&self, things: u64, bytes: u64) {
        let mut counts = self.counts();
        counts.done += things;
        counts.bytes += bytes;
        if counts.told.elapsed() >= TELL_EVERY {
            counts.told = Instant::now();
            let Counts { done, total, bytes, total_bytes, .. } = *counts;
            // Reported under the lock, so in order.
            self.progress.event(Event::Advanced { phase: self.phase, done, total, bytes, total_bytes });
        }
    }

    /// As [`Progress::go_on`].
    ///
    /// # Errors
    /// [`StoreError::Cancelled`].
    pub fn go_on(&self) -> Result<(), StoreError> {
        self.progress.go_on()
    }

    /// At least this many things are done, and bytes read.
    pub fn reach(&self, done: u64, bytes: u64) {
        let counts = *self.counts();
        self.advance(done.saturating_sub(counts.done), bytes.saturating_sub(counts.bytes));
    }

    /// One thing of `size` bytes, of which more than one piece will be read.
    pub fn item(&self, size: u64) -> Item<'_> {
        Item { meter: self, left: size }
    }

    /// The phase ends well.
    pub fn finish(self) {
        let Counts { done, bytes, .. } = *self.counts();
        self.progress.event(Event::Finished { phase: self.phase, done, bytes });
    }

    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Meter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Meter").field(&self.phase).finish()
    }
}

/// One thing of a phase. It is done when it is dropped; all of its bytes then count as read, whatever was.
#[derive(Debug)]
pub struct Item<'m> {
    meter: &'m Meter<'m>,
    left: u64,
}

impl Item<'_> {
    /// More bytes of it were read.
    pub fn read(&mut self, bytes: u64) {
        let bytes = bytes.min(self.left);
        self.left -= bytes;
        self.meter.advance(0, bytes);
    }
}

impl Drop for Item<'_> {
    fn drop(&mut self) {
        self.meter.advance(1, self.left);
    }
}

/// Often enough for a bar.
pub(super) const TELL_EVERY: Duration = Duration::from_millis(50);

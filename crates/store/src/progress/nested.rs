//! Phases inside another command: reported as one, or with the object that they are about.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::{Event, Meter, Phase, Progress};

/// Reports every phase that begins inside as one: their counts add up.
#[derive(Debug)]
pub struct Merged<'p> {
    pub(super) meter: Meter<'p>,
    running: Mutex<BTreeMap<Phase, PhaseCounts>>,
}

/// What was counted of one of the phases inside.
#[derive(Clone, Copy, Debug, Default)]
struct PhaseCounts {
    done: u64,
    total: u64,
    bytes: u64,
    total_bytes: u64,
}

impl<'p> Merged<'p> {
    /// Begins `phase`, in which others run.
    pub fn begin(progress: &'p dyn Progress, phase: Phase) -> Self {
        Self { meter: Meter::begin(progress, phase, 0, 0), running: Mutex::default() }
    }

    /// The phase ends well.
    pub fn finish(self) {
        self.meter.finish();
    }

    /// Counts what `phase` has done since its last event.
    fn count(&self, phase: Phase, now: PhaseCounts) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let last = running.insert(phase, now).unwrap_or_default();
        self.meter.expect(now.total - last.total, now.total_bytes - last.total_bytes);
        self.meter.advance(now.done - last.done, now.bytes - last.bytes);
    }
}

impl Progress for Merged<'_> {
    fn is_cancelled(&self) -> bool {
        self.meter.progress.is_cancelled()
    }

    fn event(&self, event: Event) {
        match event {
            Event::Started { phase, total, total_bytes, .. } => {
                self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&phase);
                self.count(phase, PhaseCounts { total, total_bytes, ..PhaseCounts::default() });
            }
            Event::Advanced { phase, done, total, bytes, total_bytes } => {
                self.count(phase, PhaseCounts { done, total, bytes, total_bytes });
            }
            Event::Finished { phase, done, bytes } => {
                let last = self.running.lock().unwrap_or_else(PoisonError::into_inner).get(&phase).copied();
                let last = last.unwrap_or_default();
                self.count(phase, PhaseCounts { done, bytes, ..last });
            }
            Event::Warning { .. } => self.meter.progress.event(event),
        }
    }
}

/// Names the object of every phase that begins inside.
pub struct About<'p> {
    progress: &'p dyn Progress,
    object: String,
}

impl<'p> About<'p> {
    /// What begins is about `object`.
    pub fn new(progress: &'p dyn Progress, object: impl fmt::Display) -> Self {
        Self { progress, object: object.to_string() }
    }
}

impl Progress for About<'_> {
    fn is_cancelled(&self) -> bool {
        self.progress.is_cancelled()
    }

    fn event(&self, event: Event) {
        self.progress.event(match event {
            Event::Started { phase, object: None, total, total_bytes } => {
                Event::Started { phase, object: Some(self.object.clone()), total, total_bytes }
            }
            event => event,
        });
    }
}

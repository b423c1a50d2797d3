//! How long each phase takes.

use std::fmt::Display;
use std::time::{Duration, Instant};

use clearwell_store::{OtherKeys, PhaseTime};

use crate::progress::{About, Meter, Phase, Progress};

/// Phases and their times, in the order they began. Times go into records and outcomes, never into content.
pub(super) struct Stopwatch<'p> {
    phases: Vec<PhaseTime>,
    progress: &'p dyn Progress,
}

impl<'p> Stopwatch<'p> {
    pub(super) fn new(phases: Vec<PhaseTime>, progress: &'p dyn Progress) -> Self {
        Self { phases, progress }
    }

    /// Times `work`, which reports its progress itself. A phase that runs again adds to its time.
    pub(super) fn time<R, E>(&mut self, phase: Phase, work: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
        let start = Instant::now();
        let result = work()?;
        self.add(phase, start.elapsed());
        Ok(result)
    }

    /// Times `work` and reports its begin and end.
    pub(super) fn phase<R, E>(&mut self, phase: Phase, work: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
        let meter = Meter::begin(self.progress, phase, 0, 0);
        let result = self.time(phase, work)?;
        meter.finish();
        Ok(result)
    }

    /// As [`Self::phase`], for a phase that runs once for each of several objects.
    pub(super) fn phase_of<R, E>(
        &mut self,
        object: impl Display,
        phase: Phase,
        work: impl FnOnce() -> Result<R, E>,
    ) -> Result<R, E> {
        let about = About::new(self.progress, object);
        let meter = Meter::begin(&about, phase, 0, 0);
        let result = self.time(phase, work)?;
        meter.finish();
        Ok(result)
    }

    pub(super) fn phases(&self) -> &[PhaseTime] {
        &self.phases
    }

    fn add(&mut self, phase: Phase, took: Duration) {
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match self.phases.iter_mut().find(|time| time.phase == phase.as_str()) {
            Some(time) => time.milliseconds += milliseconds,
            None => {
                self.phases.push(PhaseTime { phase: phase.as_str().to_owned(), milliseconds, other: OtherKeys::new() })
            }
        }
    }
}

//! The access log: some requests as lines, written by a thread of its own.
//!
//! Always true: a request never waits for its line. When the thread is behind, or cannot write, lines are lost and
//! counted: those that were written and those that were lost are all.

mod file;
mod line;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use clearwell_format::printable::chain;
use clearwell_metrics::{Metrics, StatusClass};
use jiff::tz::TimeZone;

use crate::access::file::{LogFile, Lost};
use crate::config::{self, LogFormat, ServeConfig};
use crate::error::ServeError;
use crate::line_limit::LineLimit;

pub(crate) use line::Line;

/// Lines that wait to be written.
const WAITING: usize = 4096;
/// Between few lines the thread rests, so that a line does not cost its request a wake-up. What comes meanwhile has room
/// up to 400,000 lines a second.
const REST: Duration = Duration::from_millis(10);
/// More lines at once are not few.
const FEW: usize = 256;
/// How long the end of a server waits for lines that are not written yet.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What the thread is sent.
#[derive(Debug)]
enum Entry {
    Line(Box<Line>),
    /// To be told once all before it is written.
    Flush(SyncSender<()>),
}

/// Takes lines.
#[derive(Debug)]
pub(crate) struct AccessLog {
    which: config::AccessLog,
    sample: NonZeroU32,
    seen: AtomicU32,
    writer: Option<SyncSender<Entry>>,
    metrics: Arc<Metrics>,
}

impl AccessLog {
    /// Opens the log.
    pub(crate) fn open(config: &ServeConfig, metrics: Arc<Metrics>) -> Result<Self, ServeError> {
        let writer = match config.access_log {
            config::AccessLog::Off => None,
            config::AccessLog::Sampled | config::AccessLog::Full => {
                let output = Output::open(config)?;
                let (sender, lines) = sync_channel(WAITING);
                std::thread::Builder::new()
                    .name("access-log".to_owned())
                    .spawn({
                        let metrics = Arc::clone(&metrics);
                        move || output.write_all(&lines, &metrics)
                    })
                    .map_err(ServeError::Thread)?;
                Some(sender)
            }
        };
        let (which, sample) = (config.access_log, config.access_log_sample);
        Ok(Self { which, sample, seen: AtomicU32::new(0), writer, metrics })
    }

    /// True if a request that ends so is to be logged.
    pub(crate) fn takes(&self, class: StatusClass) -> bool {
        match self.which {
            config::AccessLog::Off => false,
            config::AccessLog::Full => true,
            config::AccessLog::Sampled => {
                class == StatusClass::ServerError
                    || self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.sample.get())
            }
        }
    }

    /// Writes a line, soon.
    pub(crate) fn write(&self, line: Line) {
        let Some(writer) = &self.writer else { return };
        match writer.try_send(Entry::Line(Box::new(line))) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.metrics.http.log_lines_lost.inc();
            }
        }
    }

    /// Waits, for a second at most, until all lines so far are written.
    pub(crate) fn flush(&self) {
        let Some(writer) = &self.writer else { return };
        let (flushed, wait) = sync_channel(1);
        // As full as it can be, the thread is not resting, and has room soon.
        for _ in 0..100 {
            match writer.try_send(Entry::Flush(flushed.clone())) {
                Err(TrySendError::Full(_)) => std::thread::sleep(REST),
                Ok(()) | Err(TrySendError::Disconnected(_)) => break,
            }
        }
        drop(flushed);
        let _ = wait.recv_timeout(LAST_LINES);
    }
}

/// Where lines go.
enum Output {
    Process,
    File(LogFile, Form),
}

/// How lines of a file look.
#[derive(Clone, Copy)]
enum Form {
    Json,
    Combined,
}

impl Output {
    fn open(config: &ServeConfig) -> Result<Self, ServeError> {
        let file = |path: &Path, form| {
            let failed = |source| ServeError::AccessLog { path: path.to_owned(), source };
            Ok(Self::File(LogFile::open(path).map_err(failed)?, form))
        };
        let missing = ServeError::Missing { missing: "access-log-file", needed_by: "access-log-format" };
        match (config.access_log_format, &config.access_log_file) {
            (LogFormat::Process, None) => Ok(Self::Process),
            (LogFormat::Process | LogFormat::Json, Some(path)) => file(path, Form::Json),
            (LogFormat::Combined, Some(path)) => file(path, Form::Combined),
            (LogFormat::Json | LogFormat::Combined, None) => Err(missing),
        }
    }

    /// Writes until nobody sends any more. What waits is written together.
    fn write_all(mut self, entries: &Receiver<Entry>, metrics: &Metrics) {
        let (mut lines, complaints) = (Vec::new(), LineLimit::default());
        while let Ok(first) = entries.recv() {
            let (mut count, mut flushes) = (0, Vec::new());
            for entry in std::iter::once(first).chain(entries.try_iter().take(WAITING)) {
                match entry {
                    Entry::Line(line) => {
                        self.take(&line, &mut lines);
                        count += 1;
                    }
                    Entry::Flush(flushed) => flushes.push(flushed),
                }
            }
            if let Self::File(file, _) = &mut self
                && let Err(Lost { lines, error }) = file.write(&lines)
            {
                metrics.http.log_lines_lost.inc_by(lines);
                if let Some(unwritten) = complaints.take(Instant::now()) {
                    tracing::error!(lines, unwritten, error = chain(&error), "the access log cannot be written");
                }
            }
            lines.clear();
            for flushed in flushes {
                // Who has waited long enough does not hear it.
                let _ = flushed.try_send(());
            }
            if count < FEW {
                std::thread::sleep(REST);
            }
        }
    }

    /// Puts a line behind others, or into the log of the process.
    fn take(&self, line: &Line, lines: &mut Vec<u8>) {
        let rendered = match self {
            Self::Process => {
                line.trace_event();
                Ok(())
            }
            Self::File(_, Form::Json) => line.write_json(lines),
            Self::File(_, Form::Combined) => line.write_combined(&TimeZone::system(), lines),
        };
        rendered.expect("memory takes every line");
    }
}

#[cfg(test)]
mod tests {
    use super::line::tests::line;
    use super::*;

    #[test]
    fn a_sample_is_one_in_so_many_and_every_failure() {
        let taken = |which, class| {
            let config = ServeConfig {
                access_log: which,
                access_log_sample: NonZeroU32::new(3).unwrap(),
                ..ServeConfig::default()
            };
            let log = AccessLog::open(&config, Arc::new(Metrics::new())).unwrap();
            (0..9).filter(|_| log.takes(class)).count()
        };
        assert_eq!(taken(config::AccessLog::Sampled, StatusClass::Success), 3);
        assert_eq!(taken(config::AccessLog::Sampled, StatusClass::ClientError), 3);
        assert_eq!(taken(config::AccessLog::Sampled, StatusClass::ServerError), 9);
        assert_eq!(taken(config::AccessLog::Off, StatusClass::ServerError), 0);
        assert_eq!(taken(config::AccessLog::Full, StatusClass::Success), 9);
    }

    #[test]
    fn lines_go_to_the_file_and_are_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let config = ServeConfig {
            access_log: config::AccessLog::Full,
            access_log_format: LogFormat::Combined,
            access_log_file: Some(path.clone()),
            ..ServeConfig::default()
        };
        let metrics = Arc::new(Metrics::new());
        let log = AccessLog::open(&config, Arc::clone(&metrics)).unwrap();
        (0..20_000).for_each(|_| log.write(line()));
        log.flush();
        let lost = usize::try_from(metrics.http.log_lines_lost.get()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 20_000 - lost);
    }
}

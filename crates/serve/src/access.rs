//! The access log: requests as lines, all or a sample, written by a separate thread.
//!
//! Always true: a request never waits for its line. If the thread is behind or cannot write, lines are lost and counted:
//! written and lost lines together are all lines.
//!
//! Not taken from a crate: the non-blocking writers there wake their thread for each line, cut lines on a full disk, and do
//! not count each line that is lost.

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

/// Capacity of the queue of lines.
const WAITING: usize = 4096;
/// With few lines the thread sleeps in between, so that a request does not pay for a wake-up. The queue has room for the
/// lines of that time at up to 400,000 lines per second.
const REST: Duration = Duration::from_millis(10);
/// With more lines in one batch the thread does not sleep.
const FEW: usize = 256;
/// The longest wait for unwritten lines when the server ends.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A message to the thread.
#[derive(Debug)]
enum Entry {
    Line(Box<Line>),
    /// Answered once all lines before it are written.
    Flush(SyncSender<()>),
}

/// Queues lines.
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

    /// True if a request with this outcome is logged.
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

    /// Queues a line.
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
        // If the queue is full, the thread is not sleeping and makes room soon.
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

/// The destination of lines.
enum Output {
    Process,
    File(LogFile, Form),
}

/// The format of lines in a file.
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

    /// Writes until all senders are dropped. Queued lines are written in one batch.
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
                // The receiver may have timed out.
                let _ = flushed.try_send(());
            }
            if count < FEW {
                std::thread::sleep(REST);
            }
        }
    }

    /// Appends a line to the batch, or writes it to the log of the process.
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

//! Progress as bars on a terminal, or as lines.
//!
//! ```text
//! scan                  0.41 s  1204 files, 45.00 MiB      one line for each phase, when it has finished
//! make               [=====>      ] 12.00 MiB/45.00 MiB …  a bar while it runs, on a terminal with a movable cursor
//! ```

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clearwell_format::printable;
use clearwell_generate::progress::{Event, Phase};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::ui::{bytes_text, count, seconds_text};

/// One line for each finished phase.
#[derive(Default)]
pub(crate) struct Lines {
    running: Mutex<BTreeMap<Phase, (String, Instant)>>,
}

impl Lines {
    pub(crate) fn event(&self, event: &Event) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { phase, object, .. } => {
                running.insert(*phase, (name(*phase, object.as_deref()), Instant::now()));
            }
            Event::Finished { phase, done, bytes } => {
                if let Some((name, begun)) = running.remove(phase) {
                    let _ = writeln!(io::stderr(), "{}", line(&name, begun, *phase, *done, *bytes));
                }
            }
            Event::Advanced { .. } | Event::Warning { .. } => {}
        }
    }
}

/// One bar for each running phase, below the lines of the finished ones.
#[derive(Default)]
pub(crate) struct Bars {
    screen: MultiProgress,
    running: Mutex<BTreeMap<Phase, Running>>,
}

struct Running {
    name: String,
    begun: Instant,
    bar: ProgressBar,
    measure: Measure,
}

/// What a bar measures.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Measure {
    Bytes,
    Items,
    /// Neither has a known total: the bar spins and shows the elapsed time.
    Unknown,
}

impl Measure {
    const fn of(total: u64, total_bytes: u64) -> Self {
        match (total, total_bytes) {
            (_, 1..) => Self::Bytes,
            (1.., _) => Self::Items,
            _ => Self::Unknown,
        }
    }

    /// A narrow terminal gets no bar, only numbers.
    const fn template(self, columns: u16) -> &'static str {
        match (self, columns) {
            (Self::Bytes, WIDE..) => "{prefix:18} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            (Self::Bytes, _) => "{prefix} {percent}% {eta}",
            (Self::Items, WIDE..) => "{prefix:18} [{wide_bar}] {pos}/{len} {eta}",
            (Self::Items, _) => "{prefix} {pos}/{len}",
            (Self::Unknown, WIDE..) => "{prefix:18} {spinner} {elapsed} {msg}",
            (Self::Unknown, _) => "{prefix} {spinner} {elapsed}",
        }
    }
}

impl Bars {
    /// Prints a line above the bars.
    pub(crate) fn line(&self, text: &str) {
        self.screen.suspend(|| drop(writeln!(io::stderr(), "{text}")));
    }

    pub(crate) fn event(&self, event: &Event) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { phase, object, total, total_bytes } => {
                let measure = Measure::of(*total, *total_bytes);
                let name = name(*phase, object.as_deref());
                // The style first: the bar is drawn as soon as it is added.
                let bar = ProgressBar::hidden().with_prefix(name.clone());
                let mut started = Running { name, begun: Instant::now(), bar, measure };
                started.style();
                started.bar = self.screen.add(started.bar);
                started.bar.enable_steady_tick(TICK);
                started.show(*phase, 0, *total, 0, *total_bytes);
                running.insert(*phase, started);
            }
            Event::Advanced { phase, done, total, bytes, total_bytes } => {
                if let Some(running) = running.get_mut(phase) {
                    let measure = Measure::of(*total, *total_bytes);
                    if measure != running.measure {
                        running.measure = measure;
                        running.style();
                    }
                    running.show(*phase, *done, *total, *bytes, *total_bytes);
                }
            }
            Event::Finished { phase, done, bytes } => {
                if let Some(Running { name, begun, bar, .. }) = running.remove(phase) {
                    bar.finish_and_clear();
                    self.line(&line(&name, begun, *phase, *done, *bytes));
                }
            }
            Event::Warning { .. } => {}
        }
    }

    /// Removes the bars: what follows is not progress.
    pub(crate) fn close(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *running).into_values().for_each(|running| running.bar.finish_and_clear());
    }
}

impl Running {
    fn style(&self) {
        if let Ok(style) = ProgressStyle::with_template(self.measure.template(columns())) {
            self.bar.set_style(style.progress_chars("=> "));
        }
    }

    fn show(&self, phase: Phase, done: u64, total: u64, bytes: u64, total_bytes: u64) {
        let (position, length) = match self.measure {
            Measure::Bytes => (bytes, total_bytes),
            Measure::Items => (done, total),
            Measure::Unknown => {
                self.bar.set_message(counts(phase, done, bytes));
                return;
            }
        };
        self.bar.set_length(length.max(position));
        self.bar.set_position(position);
    }
}

/// The line of a finished phase.
fn line(name: &str, begun: Instant, phase: Phase, done: u64, bytes: u64) -> String {
    let time = seconds_text(begun.elapsed());
    format!("{name:18} {time:>9}  {}", counts(phase, done, bytes)).trim_end().to_owned()
}

/// `12 files, 4.00 MiB`; zeros are left out.
fn counts(phase: Phase, done: u64, bytes: u64) -> String {
    let done = (done > 0).then(|| count(done, item(phase)));
    let bytes = (bytes > 0).then(|| bytes_text(bytes));
    done.into_iter().chain(bytes).collect::<Vec<_>>().join(", ")
}

/// `update 10 to 20`.
fn name(phase: Phase, object: Option<&str>) -> String {
    match object {
        Some(object) => format!("{} {}", phase.as_str(), printable(object)),
        None => phase.as_str().to_owned(),
    }
}

/// What a phase counts, in the singular.
const fn item(phase: Phase) -> &'static str {
    match phase {
        Phase::Scan | Phase::Read | Phase::Store | Phase::Remove | Phase::Copy => "file",
        Phase::Plan | Phase::Manifests => "manifest",
        Phase::Make | Phase::Prepare => "object",
        Phase::Deltas => "pair",
        Phase::Packs => "part",
        Phase::Publish => "pointer",
        Phase::Guard | Phase::Sign | Phase::Release | Phase::Repair => "step",
        Phase::Pointers | Phase::Install | Phase::Signature | Phase::Update | Phase::Bundles | Phase::Fullfiles => {
            "download"
        }
    }
}

fn columns() -> u16 {
    rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col)
}

/// Narrower terminals have no room for a bar.
const WIDE: u16 = 60;
const TICK: Duration = Duration::from_millis(100);

//! Progress as bars on a terminal, or as lines.
//!
//! ```text
//! scan                  0.41 s  1204 files, 45.0 MiB       one line for each phase, when it has ended
//! make               [=====>      ] 12.0 MiB/45.0 MiB …    a bar while it runs, if the terminal can
//! ```

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clearwell_format::printable;
use clearwell_generate::progress::{Event, Phase};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::ui::{bytes_text, count};

/// One line for each phase that ended.
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

/// One bar for each phase that runs, below the lines of those that ended.
#[derive(Default)]
pub(crate) struct Bars {
    screen: MultiProgress,
    running: Mutex<BTreeMap<Phase, Running>>,
}

struct Running {
    name: String,
    begun: Instant,
    bar: ProgressBar,
    look: Look,
}

/// What a bar measures.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Bytes,
    Things,
    /// Nothing that has an end: it turns, and says how long it has.
    Spinner,
}

impl Look {
    const fn of(total: u64, total_bytes: u64) -> Self {
        match (total, total_bytes) {
            (_, 1..) => Self::Bytes,
            (1.., _) => Self::Things,
            _ => Self::Spinner,
        }
    }

    /// On a narrow terminal the bar itself gives way.
    const fn template(self, columns: u16) -> &'static str {
        match (self, columns) {
            (Self::Bytes, WIDE..) => "{prefix:18} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            (Self::Bytes, _) => "{prefix} {percent}% {eta}",
            (Self::Things, WIDE..) => "{prefix:18} [{wide_bar}] {pos}/{len} {eta}",
            (Self::Things, _) => "{prefix} {pos}/{len}",
            (Self::Spinner, WIDE..) => "{prefix:18} {spinner} {elapsed} {msg}",
            (Self::Spinner, _) => "{prefix} {spinner} {elapsed}",
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
                let look = Look::of(*total, *total_bytes);
                let name = name(*phase, object.as_deref());
                // Its looks first: it is drawn as soon as it is added.
                let bar = ProgressBar::hidden().with_prefix(name.clone());
                let mut started = Running { name, begun: Instant::now(), bar, look };
                started.style();
                started.bar = self.screen.add(started.bar);
                started.bar.enable_steady_tick(TICK);
                started.show(*phase, 0, *total, 0, *total_bytes);
                running.insert(*phase, started);
            }
            Event::Advanced { phase, done, total, bytes, total_bytes } => {
                if let Some(running) = running.get_mut(phase) {
                    let look = Look::of(*total, *total_bytes);
                    if look != running.look {
                        running.look = look;
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

    /// Takes the bars away: what follows is not progress.
    pub(crate) fn close(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *running).into_values().for_each(|running| running.bar.finish_and_clear());
    }
}

impl Running {
    fn style(&self) {
        if let Ok(style) = ProgressStyle::with_template(self.look.template(columns())) {
            self.bar.set_style(style.progress_chars("=> "));
        }
    }

    fn show(&self, phase: Phase, done: u64, total: u64, bytes: u64, total_bytes: u64) {
        let (position, length) = match self.look {
            Look::Bytes => (bytes, total_bytes),
            Look::Things => (done, total),
            Look::Spinner => {
                self.bar.set_message(counts(phase, done, bytes));
                return;
            }
        };
        self.bar.set_length(length.max(position));
        self.bar.set_position(position);
    }
}

/// The line of a phase that ended.
fn line(name: &str, begun: Instant, phase: Phase, done: u64, bytes: u64) -> String {
    let seconds = begun.elapsed().as_secs_f64();
    format!("{name:18} {seconds:7.2} s  {}", counts(phase, done, bytes)).trim_end().to_owned()
}

/// `12 files, 4.0 MiB`, as far as there is any.
fn counts(phase: Phase, done: u64, bytes: u64) -> String {
    let done = (done > 0).then(|| count(done, things(phase)));
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

/// What a phase counts: one of them.
const fn things(phase: Phase) -> &'static str {
    match phase {
        Phase::Scan | Phase::Read | Phase::Store | Phase::Remove => "file",
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

/// From this width on there is room for a bar.
const WIDE: u16 = 60;
const TICK: Duration = Duration::from_millis(100);

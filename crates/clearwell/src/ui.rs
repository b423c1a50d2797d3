//! What a person or a script sees: results on stdout, progress and errors on stderr.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::Instant;

use clearwell_generate::progress::{Event, Phase, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle as BarStyle};
use serde::Serialize;

use crate::cli::{Global, ProgressStyle};
use crate::error::CliError;
use crate::exit::Exit;

/// The terminal, or what stands in its place.
pub(crate) struct Ui {
    json: bool,
    display: Display,
}

enum Display {
    Bars(Bars),
    Plain(Mutex<BTreeMap<Phase, Instant>>),
    Json,
    None,
}

impl Ui {
    pub(crate) fn new(global: &Global) -> Self {
        let display = match global.progress {
            ProgressStyle::Auto if io::stderr().is_terminal() => Display::Bars(Bars::default()),
            ProgressStyle::Bar => Display::Bars(Bars::default()),
            ProgressStyle::Auto | ProgressStyle::Plain => Display::Plain(Mutex::default()),
            ProgressStyle::Json => Display::Json,
            ProgressStyle::None => Display::None,
        };
        Self { json: global.json, display }
    }

    /// Prints a result: `value` as JSON where that is asked for, else `text`.
    pub(crate) fn result(&self, value: &impl Serialize, text: &str) -> Result<(), CliError> {
        let text = match self.json {
            true => serde_json::to_string_pretty(value).map_err(|error| CliError::output(error.into()))?,
            false => text.trim_end().to_owned(),
        };
        print(format!("{text}\n").as_bytes())
    }

    /// Tells a person something beside the result.
    pub(crate) fn note(&self, text: &str) {
        self.line(text);
    }

    /// Warns a person.
    pub(crate) fn warn(&self, text: &str) {
        self.line(&format!("warning: {text}"));
    }

    /// True if a person sits at the terminal who can be asked.
    pub(crate) fn is_interactive(&self) -> bool {
        !self.json && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks a person, and returns the line that is typed; `None` if it is empty.
    pub(crate) fn ask(&self, question: &str) -> Option<String> {
        let _ = write!(io::stderr(), "{question}");
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).ok()?;
        Some(answer.trim().to_owned()).filter(|answer| !answer.is_empty())
    }

    /// Says why a command failed, with its causes, and returns its exit code.
    pub(crate) fn fail(&self, error: &CliError) -> Exit {
        let chain = chain(error);
        // Some parsers end their explanations with a line feed.
        let message = chain.trim_end();
        if self.json {
            let document = serde_json::json!({ "error": message, "exit": error.exit() as u8 });
            let _ = writeln!(io::stdout(), "{document}");
        }
        self.line(&format!("error: {message}"));
        error.exit()
    }

    /// stderr may be closed; nothing is lost with it.
    fn line(&self, text: &str) {
        match &self.display {
            Display::Bars(bars) => bars.line(text),
            _ => drop(writeln!(io::stderr(), "{text}")),
        }
    }
}

impl Progress for Ui {
    fn event(&self, event: Event) {
        if let Event::Warning { text } = &event
            && !matches!(self.display, Display::Json)
        {
            return self.warn(text);
        }
        match &self.display {
            Display::Bars(bars) => bars.event(&event),
            Display::Plain(begun) => plain(begun, &event),
            Display::Json => {
                if let Ok(line) = serde_json::to_string(&event) {
                    let _ = writeln!(io::stderr(), "{line}");
                }
            }
            Display::None => {}
        }
    }
}

fn plain(begun: &Mutex<BTreeMap<Phase, Instant>>, event: &Event) {
    let mut begun = begun.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match event {
        Event::Started { phase, .. } => {
            begun.insert(*phase, Instant::now());
        }
        Event::Finished { phase, done, bytes } => {
            let seconds = begun.remove(phase).map_or(0.0, |begun| begun.elapsed().as_secs_f64());
            let mut line = format!("{:8} {seconds:7.2} s", phase.as_str());
            if *done > 0 {
                let _ = write!(line, "  {done} done");
            }
            if *bytes > 0 {
                let _ = write!(line, ", {}", bytes_text(*bytes));
            }
            let _ = writeln!(io::stderr(), "{line}");
        }
        Event::Advanced { .. } | Event::Warning { .. } => {}
    }
}

/// One bar for each phase that runs.
#[derive(Default)]
struct Bars {
    screen: MultiProgress,
    running: Mutex<BTreeMap<Phase, ProgressBar>>,
}

impl Bars {
    fn line(&self, text: &str) {
        if self.screen.println(text).is_err() || self.screen.is_hidden() {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    fn event(&self, event: &Event) {
        let mut running = self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            Event::Started { phase, total, total_bytes } => {
                let (length, template) = match (total, total_bytes) {
                    (_, 1..) => (*total_bytes, "{prefix:8} [{bar:32}] {bytes}/{total_bytes} {bytes_per_sec} {eta}"),
                    (1.., _) => (*total, "{prefix:8} [{bar:32}] {pos}/{len} {eta}"),
                    _ => (0, "{prefix:8} {spinner} {elapsed}"),
                };
                let bar = self.screen.add(ProgressBar::new(length));
                if let Ok(style) = BarStyle::with_template(template) {
                    bar.set_style(style.progress_chars("=> "));
                }
                bar.set_prefix(phase.as_str());
                running.insert(*phase, bar);
            }
            Event::Advanced { phase, done, bytes } => {
                if let Some(bar) = running.get(phase) {
                    // Events of several workers may overtake each other.
                    let position = if *bytes > 0 { *bytes } else { *done };
                    bar.set_position(bar.position().max(position));
                }
            }
            Event::Finished { phase, .. } => {
                if let Some(bar) = running.remove(phase) {
                    bar.finish();
                }
            }
            Event::Warning { .. } => {}
        }
    }
}

/// Writes to stdout at once. A reader that has seen enough and closed it, such as `head`, is no failure.
pub(crate) fn print(bytes: &[u8]) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::output(error)),
        _ => Ok(()),
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// Bytes for people: `1.5 MiB`.
pub(crate) fn bytes_text(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_readable() {
        assert_eq!(bytes_text(0), "0 B");
        assert_eq!(bytes_text(1023), "1023 B");
        assert_eq!(bytes_text(1536), "1.5 KiB");
        assert_eq!(bytes_text(3 << 30), "3.0 GiB");
    }
}

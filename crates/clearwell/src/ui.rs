//! Output: results on stdout, progress, warnings and errors on stderr.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use clearwell_format::printable;
use clearwell_generate::progress::{Event, Progress};
use indicatif::HumanBytes;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Notify;

use crate::cli::{Global, ProgressStyle};
use crate::document::{self, Failure};
use crate::error::CliError;
use crate::exit::Exit;
use crate::page::Page;
use crate::progress::{Bars, Lines};

/// stdout and stderr, in the styles that the options choose.
pub(crate) struct Ui {
    json: bool,
    colours: bool,
    display: Display,
    is_stopped: AtomicBool,
    stopped: Notify,
}

enum Display {
    Bars(Bars),
    Lines(Lines),
    Json,
    None,
}

impl Ui {
    pub(crate) fn new(global: &Global) -> Self {
        let display = match global.progress {
            ProgressStyle::Auto if draws_bars() => Display::Bars(Bars::default()),
            ProgressStyle::Bar => Display::Bars(Bars::default()),
            ProgressStyle::Auto | ProgressStyle::Plain => Display::Lines(Lines::default()),
            ProgressStyle::Json => Display::Json,
            ProgressStyle::None => Display::None,
        };
        let colours = !global.json && takes_colours();
        Self { json: global.json, colours, display, is_stopped: AtomicBool::new(false), stopped: Notify::new() }
    }

    /// Asks long work to stop.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        self.stopped.notify_one();
    }

    /// Waits until long work is asked to stop.
    pub(crate) async fn stopped(&self) {
        self.stopped.notified().await;
    }

    /// Prints a result: `value`, a JSON object, with `--json`, else `page`.
    pub(crate) fn result(&self, value: &(impl Serialize + JsonSchema), page: &Page) -> Result<(), CliError> {
        self.close();
        match self.json {
            true => print(format!("{}\n", document::indented(value)?).as_bytes()),
            false => print(format!("{}\n", page.as_str().trim_end()).as_bytes()),
        }
    }

    /// Prints a remark.
    pub(crate) fn note(&self, text: &str) {
        self.line(&printable(text));
    }

    /// Prints a warning.
    pub(crate) fn warn(&self, text: &str) {
        match self.display {
            Display::Json => self.event(Event::Warning { text: text.to_owned() }),
            _ => self.line(&format!("{} {}", self.coloured("warning:", YELLOW), printable(text))),
        }
    }

    /// True if questions can be asked on a terminal.
    pub(crate) fn is_interactive(&self) -> bool {
        !self.json && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks a question and returns the typed line; `None` if it is empty.
    pub(crate) fn ask(&self, question: &str) -> Option<String> {
        let _ = write!(io::stderr(), "{question}");
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).ok()?;
        Some(answer.trim().to_owned()).filter(|answer| !answer.is_empty())
    }

    /// Prints why a command failed and returns its exit code. The JSON document has the same text.
    pub(crate) fn fail(&self, error: &CliError) -> Exit {
        if self.json {
            let failure = Failure { error: &error.to_string(), exit: error.exit() };
            let _ = writeln!(io::stdout(), "{}", document::line(&failure).unwrap_or_default());
        }
        self.close();
        self.line(&format!("{} {error}", self.coloured("error:", RED)));
        error.exit()
    }

    fn coloured(&self, text: &str, colour: &str) -> String {
        if self.colours { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
    }

    /// Removes the bars.
    fn close(&self) {
        if let Display::Bars(bars) = &self.display {
            bars.close();
        }
    }

    /// Prints a line that is already printable. stderr may be closed: that is not an error.
    fn line(&self, text: &str) {
        match &self.display {
            Display::Bars(bars) => bars.line(text),
            _ => drop(writeln!(io::stderr(), "{text}")),
        }
    }
}

impl Progress for Ui {
    fn is_cancelled(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    fn event(&self, event: Event) {
        if let Event::Warning { text } = &event
            && !matches!(self.display, Display::Json)
        {
            return self.warn(text);
        }
        match &self.display {
            Display::Bars(bars) => bars.event(&event),
            Display::Lines(lines) => lines.event(&event),
            Display::Json => {
                if let Some(line) = document::line(&event) {
                    let _ = writeln!(io::stderr(), "{line}");
                }
            }
            Display::None => {}
        }
    }
}

/// Turns off colours of help, warnings and errors on terminals with `TERM=dumb`.
///
/// anstream would use them where the variable `CI` is set, because logs of such services show colours.
pub(crate) fn choose_colours() {
    let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    if std::env::var_os("TERM").is_some_and(|term| term == "dumb") && !forced {
        ColorChoice::Never.write_global();
    }
}

/// True if stderr is a terminal with colours, and NO_COLOR is not set.
pub(crate) fn takes_colours() -> bool {
    io::stderr().is_terminal() && AutoStream::choice(&io::stderr()) != ColorChoice::Never
}

/// True if stderr is a terminal with a movable cursor.
fn draws_bars() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

const YELLOW: &str = "\u{1b}[1;33m";
const RED: &str = "\u{1b}[1;31m";
const PLAIN: &str = "\u{1b}[0m";

/// Writes to stdout and flushes. A reader that has closed it, such as `head`, is not an error.
pub(crate) fn print(bytes: &[u8]) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::output(error)),
        _ => Ok(()),
    }
}

/// A count with its noun: `1 file`, `2 files`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Seconds since the epoch as UTC.
pub(crate) fn date(seconds: i64, format: &str) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.strftime(format).to_string())
}

/// A list: `10, 20, 30`.
pub(crate) fn list(items: impl IntoIterator<Item: ToString>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// A size as the bars show it: `1.50 MiB`. Text, so that it can be aligned.
pub(crate) fn bytes_text(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// A duration: `0.41 s`. Not `HumanDuration`, which has whole seconds: most phases take less than one.
pub(crate) fn seconds_text(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_plural_forms() {
        assert_eq!(
            (count(0, "file"), count(1, "file"), count(2, "file")),
            ("0 files".into(), "1 file".into(), "2 files".into())
        );
    }

    #[test]
    fn sizes_and_durations_have_units() {
        assert_eq!((bytes_text(0), bytes_text(1023)), ("0 B".into(), "1023 B".into()));
        assert_eq!((bytes_text(1536), bytes_text(3 << 30)), ("1.50 KiB".into(), "3.00 GiB".into()));
        assert_eq!(seconds_text(Duration::from_millis(1234)), "1.23 s");
        assert_eq!((list([10, 20]), list(Vec::<u32>::new())), ("10, 20".into(), String::new()));
    }
}

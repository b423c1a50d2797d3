//! What a person or a script sees: results on stdout, progress and errors on stderr.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::{AutoStream, ColorChoice};
use clearwell_format::printable;
use clearwell_format::printable::printable_json;
use clearwell_generate::progress::{Event, Progress};
use serde::Serialize;
use tokio::sync::Notify;

use crate::cli::{Global, ProgressStyle};
use crate::error::CliError;
use crate::exit::Exit;
use crate::page::Page;
use crate::progress::{Bars, Lines};

/// The terminal, or what stands in its place.
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

    /// Asks long work to end.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        self.stopped.notify_one();
    }

    /// Waits until long work is asked to end.
    pub(crate) async fn stopped(&self) {
        self.stopped.notified().await;
    }

    /// Prints a result: `value` as JSON where that is asked for, else `page`.
    pub(crate) fn result(&self, value: &impl Serialize, page: &Page) -> Result<(), CliError> {
        self.close();
        match self.json {
            true => {
                let document = serde_json::to_string_pretty(value).map_err(|error| CliError::output(error.into()))?;
                print(format!("{}\n", printable_json(&document)).as_bytes())
            }
            false => print(format!("{}\n", page.as_str().trim_end()).as_bytes()),
        }
    }

    /// Tells a person something beside the result.
    pub(crate) fn note(&self, text: &str) {
        self.line(&printable(text));
    }

    /// Warns a person.
    pub(crate) fn warn(&self, text: &str) {
        match self.display {
            Display::Json => self.event(Event::Warning { text: text.to_owned() }),
            _ => self.line(&format!("{} {}", self.coloured("warning:", YELLOW), printable(text))),
        }
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

    /// Says why a command failed and returns its exit code. In JSON it is the same text.
    pub(crate) fn fail(&self, error: &CliError) -> Exit {
        if self.json {
            let document = serde_json::json!({ "error": error.to_string(), "exit": error.exit() as u8 });
            let _ = writeln!(io::stdout(), "{document}");
        }
        self.close();
        self.line(&format!("{} {error}", self.coloured("error:", RED)));
        error.exit()
    }

    fn coloured(&self, text: &str, colour: &str) -> String {
        if self.colours { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
    }

    /// Progress is over.
    fn close(&self) {
        if let Display::Bars(bars) = &self.display {
            bars.close();
        }
    }

    /// Prints what has nothing of others in it any more. stderr may be closed; nothing is lost with it.
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
                if let Ok(line) = serde_json::to_string(&event) {
                    let _ = writeln!(io::stderr(), "{}", printable_json(&line));
                }
            }
            Display::None => {}
        }
    }
}

/// Sets what help, warnings and errors take as the answer to whether a terminal has colours: `TERM=dumb` says no.
///
/// anstream would colour it all the same where the variable `CI` is set, because logs of such services show colours.
pub(crate) fn choose_colours() {
    let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    if std::env::var_os("TERM").is_some_and(|term| term == "dumb") && !forced {
        ColorChoice::Never.write_global();
    }
}

/// True if stderr is a terminal that takes colours, and nobody asked for none (NO_COLOR).
pub(crate) fn takes_colours() -> bool {
    io::stderr().is_terminal() && AutoStream::choice(&io::stderr()) != ColorChoice::Never
}

/// True if stderr is a terminal on which the cursor moves.
fn draws_bars() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

const YELLOW: &str = "\u{1b}[1;33m";
const RED: &str = "\u{1b}[1;31m";
const PLAIN: &str = "\u{1b}[0m";

/// Writes to stdout at once. A reader that has seen enough and closed it, such as `head`, is no failure.
pub(crate) fn print(bytes: &[u8]) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::output(error)),
        _ => Ok(()),
    }
}

/// Things for people: `1 file`, `2 files`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
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
    fn one_is_not_many() {
        assert_eq!(
            (count(0, "file"), count(1, "file"), count(2, "file")),
            ("0 files".into(), "1 file".into(), "2 files".into())
        );
    }

    #[test]
    fn bytes_are_readable() {
        assert_eq!(bytes_text(0), "0 B");
        assert_eq!(bytes_text(1023), "1023 B");
        assert_eq!(bytes_text(1536), "1.5 KiB");
        assert_eq!(bytes_text(3 << 30), "3.0 GiB");
    }
}

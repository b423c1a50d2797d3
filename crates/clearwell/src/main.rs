//! The binary: arguments, progress, exit codes.
//!
//! Results go to stdout, progress and logs to stderr; with `--json` the result is one JSON document ([`document`]). The
//! libraries do the work; [`exit`] maps their errors to exit codes.

mod cli;
mod commands;
mod config;
mod content_folder;
mod document;
mod error;
mod exit;
mod fresh;
mod interrupt;
mod journal;
mod limits;
mod logs;
mod names;
mod page;
mod progress;
#[cfg(test)]
mod reference;
mod sample;
mod schema;
mod service_manager;
mod signing;
mod successor;
mod ui;
mod values;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::builder::{FalseyValueParser, Styles, TypedValueParser as _};
use clap::{CommandFactory as _, Parser as _};
use clearwell_format::printable;

use crate::cli::Cli;
use crate::document::Failure;
use crate::exit::Exit;
use crate::ui::Ui;

fn main() -> ExitCode {
    if let Some(exit) = successor::launch() {
        return exit;
    }
    limits::heed();
    ui::choose_colours();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    if cli.global.json {
        limits::speak_json();
    }
    logs::begin(&cli.global);
    let ui = Ui::new(&cli.global);
    let exit = cli.command.run(&ui).unwrap_or_else(|error| ui.fail(&error));
    exit.into()
}

/// Prints the requested help, or why the command line is invalid, as JSON too if it has `--json`.
fn refuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // A closed stdout is not an error.
        let _ = error.print();
        return Exit::Done.into();
    }
    let text = printable_refusal().unwrap_or_else(|| error.to_string());
    if printable_lines(&text) == text && ui::takes_colours() {
        let _ = error.print();
    } else {
        let _ = write!(io::stderr(), "{}", printable_lines(&text));
    }
    if wants_json() {
        let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let failure = Failure { error: &printable(first), exit: Exit::Usage };
        let _ = ui::print(format!("{}\n", document::line(&failure).unwrap_or_default()).as_bytes());
    }
    Exit::Usage.into()
}

/// As `--json` and its variable say on a command line that clap refuses.
fn wants_json() -> bool {
    let is_true = |value: OsString| FalseyValueParser::new().parse_ref(&Cli::command(), None, &value).unwrap_or(false);
    std::env::args_os().any(|argument| argument == "--json") || std::env::var_os("CLEARWELL_JSON").is_some_and(is_true)
}

/// Why the command line is invalid, without colours, and with escaped arguments.
fn printable_refusal() -> Option<String> {
    let arguments = std::env::args_os().map(|argument| printable(&argument.to_string_lossy()).into_owned());
    let plain = Cli::command().styles(Styles::plain());
    let error = plain.try_get_matches_from(arguments).err().filter(clap::Error::use_stderr)?;
    Some(error.render().ansi().to_string())
}

/// Lines of text without control characters; values of environment variables may be in them.
fn printable_lines(text: &str) -> String {
    // Arguments are escaped already, and are not escaped twice.
    let line = |line: &str| line.split('\\').map(printable).collect::<Vec<_>>().join("\\");
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

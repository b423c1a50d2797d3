//! The one binary: arguments, progress, exit codes.
//!
//! Results go to stdout, progress and logs to stderr; with `--json` the result is one JSON document. What a command
//! does lies in the libraries; what it means for a script is [`exit`].

mod cli;
mod commands;
mod config;
mod content_folder;
mod error;
mod exit;
mod fresh;
mod interrupt;
mod logs;
mod names;
mod progress;
mod sample;
mod signing;
mod ui;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::ui::Ui;

fn main() -> ExitCode {
    ui::choose_colours();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    logs::begin(&cli.global);
    let ui = Ui::new(&cli.global);
    let exit = cli.command.run(&ui).unwrap_or_else(|error| ui.fail(&error));
    exit.into()
}

/// Help where it was asked for, or what is wrong with the command line; scripts that asked for JSON get it.
fn refuse(error: &clap::Error) -> ExitCode {
    // Nothing is left to be told if the terminal is gone.
    let _ = error.print();
    if !error.use_stderr() {
        return Exit::Done.into();
    }
    if std::env::args_os().any(|argument| argument == "--json") {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let document = serde_json::json!({ "error": first, "exit": Exit::Usage as u8 });
        let _ = ui::print(format!("{document}\n").as_bytes());
    }
    Exit::Usage.into()
}

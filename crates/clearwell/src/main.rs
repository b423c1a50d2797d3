//! The one binary: arguments, progress, exit codes.
//!
//! Results go to stdout, progress and logs to stderr; with `--json` the result is one JSON document. What a command
//! does lies in the libraries; what it means for a script is [`exit`].

mod cli;
mod commands;
mod config;
mod error;
mod exit;
mod logs;
mod sample;
mod signing;
mod ui;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;
use crate::ui::Ui;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logs::begin(&cli.global);
    let ui = Ui::new(&cli.global);
    let exit = cli.command.run(&ui).unwrap_or_else(|error| ui.fail(&error));
    exit.into()
}

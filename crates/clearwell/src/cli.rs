//! The command line.

use std::ffi::OsStr;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;
use crate::error::CliError;
use crate::exit::{EXIT_CODES, Exit};
use crate::ui::Ui;

/// Builds signed swupd update content, keeps it in a verified store, and serves it.
///
/// New here? Run `clearwell demo`: it releases three versions of a sample system, serves them, and prints what to try.
#[derive(Debug, Parser)]
#[command(name = "clearwell", version, after_help = EXIT_CODES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// More threads than any machine has use for; each costs memory.
pub(crate) const MOST_JOBS: usize = 1024;

/// The value of `--jobs`.
pub(crate) fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs) if jobs <= MOST_JOBS => Ok(jobs),
        _ => Err(format!("use a number of threads up to {MOST_JOBS}, or 0 for one on each processor")),
    }
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Global {
    /// Print the result as one JSON document, errors too.
    #[arg(long, global = true, env = "CLEARWELL_JSON", value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
    /// How progress is shown on stderr.
    #[arg(long, global = true, value_enum, default_value_t = ProgressStyle::Auto, env = "CLEARWELL_PROGRESS")]
    pub(crate) progress: ProgressStyle,
    /// How logs are written; `auto` means journald under systemd, text elsewhere.
    #[arg(long, global = true, value_enum, default_value_t = LogStyle::Auto, env = "CLEARWELL_LOG_STYLE")]
    pub(crate) log_style: LogStyle,
    /// Which logs are written: error, warn, info, debug, trace, or a filter such as `clearwell_serve=debug`.
    #[arg(long, global = true, default_value = "info", env = "CLEARWELL_LOG", value_name = "FILTER")]
    pub(crate) log: String,
}

/// Ways to show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressStyle {
    /// Bars on a terminal, lines elsewhere.
    Auto,
    /// Bars.
    Bar,
    /// One line for each step.
    Plain,
    /// One JSON object for each event.
    Json,
    /// Nothing.
    None,
}

/// Ways to write logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogStyle {
    /// journald under systemd, text elsewhere.
    Auto,
    /// Lines of text.
    Text,
    /// Lines of JSON.
    Json,
    /// The journal.
    Journald,
}

/// True if an option has the value that an environment variable gives it. What was typed beside it then counts.
pub(crate) fn is_of_environment(variable: &str, value: impl AsRef<OsStr>) -> bool {
    std::env::var_os(variable).is_some_and(|found| found == value.as_ref())
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(commands::demo::Demo),
    Init(commands::init::Init),
    Build(commands::build::Build),
    Deltas(commands::deltas::Deltas),
    Publish(commands::publish::Publish),
    Adopt(commands::adopt::Adopt),
    Serve(commands::serve::Serve),
    Verify(commands::verify::Verify),
    Check(commands::check::Check),
    Gc(commands::gc::Gc),
    Retract(commands::retract::Retract),
    Releases(commands::releases::Releases),
    Delta(commands::delta::Delta),
    Completions(commands::completions::Completions),
}

impl Command {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        match self {
            Self::Demo(command) => command.run(ui),
            Self::Init(command) => command.run(ui),
            Self::Build(command) => command.run(ui),
            Self::Deltas(command) => command.run(ui),
            Self::Publish(command) => command.run(ui),
            Self::Adopt(command) => command.run(ui),
            Self::Serve(command) => command.run(ui),
            Self::Verify(command) => command.run(ui),
            Self::Check(command) => command.run(ui),
            Self::Gc(command) => command.run(ui),
            Self::Retract(command) => command.run(ui),
            Self::Releases(command) => command.run(ui),
            Self::Delta(command) => command.run(ui),
            Self::Completions(command) => command.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

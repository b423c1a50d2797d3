//! The command line.

use std::ffi::OsStr;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clearwell_store::LayoutVersion;

use crate::commands;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::ui::Ui;
use crate::values::log_filter;

/// Builds signed swupd update content, keeps it in a verified store, and serves it.
///
/// New here? Run `clearwell demo`: it releases three versions of a sample system, serves them, and prints what to try.
#[derive(Debug, Parser)]
#[command(name = "clearwell", version = version(), after_help = exit::listed(), max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Global {
    /// Print the result, or the error, as one JSON document on stdout.
    #[arg(long, global = true, env = "CLEARWELL_JSON", value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
    /// Format of progress on stderr.
    #[arg(long, global = true, value_enum, default_value_t = ProgressStyle::Auto, env = "CLEARWELL_PROGRESS")]
    pub(crate) progress: ProgressStyle,
    /// Format of the logs on stderr.
    #[arg(long, global = true, value_enum, default_value_t = LogStyle::Auto, env = "CLEARWELL_LOG_STYLE")]
    pub(crate) log_style: LogStyle,
    /// Log level: error, warn, info, debug, trace or off; or a filter such as `warn,clearwell_serve=debug`.
    #[arg(long, global = true, default_value = "info", env = "CLEARWELL_LOG", value_name = "FILTER", value_parser = log_filter)]
    pub(crate) log: String,
}

/// Formats of progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressStyle {
    /// Bars on a terminal, else lines.
    Auto,
    /// One bar per running phase.
    Bar,
    /// One line per finished phase.
    Plain,
    /// One JSON object per event, one per line.
    Json,
    /// No progress.
    None,
}

/// Formats of logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogStyle {
    /// The journal when started by systemd, else text.
    Auto,
    /// Lines of text.
    Text,
    /// Lines of JSON.
    Json,
    /// The journal of systemd.
    Journald,
}

/// True if an option has the value of its environment variable. A conflicting option on the command line then wins.
pub(crate) fn is_of_environment(variable: &str, value: impl AsRef<OsStr>) -> bool {
    std::env::var_os(variable).is_some_and(|found| found == value.as_ref())
}

/// `0.1.0 (14598dc, store layout 1.2)`: build.rs says how the version and the commit are found.
pub(crate) fn version() -> String {
    format!("{} ({}, store layout {})", env!("CLEARWELL_VERSION"), env!("CLEARWELL_COMMIT"), LayoutVersion::CURRENT)
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(commands::demo::Demo),
    Init(commands::init::Init),
    Build(commands::build::Build),
    Deltas(commands::deltas::Deltas),
    Publish(commands::publish::Publish),
    Discard(commands::discard::Discard),
    Adopt(commands::adopt::Adopt),
    Serve(commands::serve::Serve),
    Health(commands::health::Health),
    Verify(commands::verify::Verify),
    Check(commands::check::Check),
    Gc(commands::gc::Gc),
    Backup(commands::backup::Backup),
    Restore(commands::restore::Restore),
    Retract(commands::retract::Retract),
    Rotation(commands::rotation::RotationCommand),
    Renew(commands::renew::Renew),
    Releases(commands::releases::Releases),
    Delta(commands::delta::Delta),
    Schema(commands::schema::SchemaCommand),
    Completions(commands::completions::Completions),
    Man(commands::man::Man),
}

impl Command {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        match self {
            Self::Demo(command) => command.run(ui),
            Self::Init(command) => command.run(ui),
            Self::Build(command) => command.run(ui),
            Self::Deltas(command) => command.run(ui),
            Self::Publish(command) => command.run(ui),
            Self::Discard(command) => command.run(ui),
            Self::Adopt(command) => command.run(ui),
            Self::Serve(command) => command.run(ui),
            Self::Health(command) => command.run(ui),
            Self::Verify(command) => command.run(ui),
            Self::Check(command) => command.run(ui),
            Self::Gc(command) => command.run(ui),
            Self::Backup(command) => command.run(ui),
            Self::Restore(command) => command.run(ui),
            Self::Retract(command) => command.run(ui),
            Self::Rotation(command) => command.run(ui),
            Self::Renew(command) => command.run(ui),
            Self::Releases(command) => command.run(ui),
            Self::Delta(command) => command.run(ui),
            Self::Schema(command) => command.run(ui),
            Self::Completions(command) => command.run(),
            Self::Man(command) => command.run(ui),
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

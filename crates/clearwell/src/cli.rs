//! The command line.

use std::ffi::OsStr;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clearwell_serve::config::ByteSize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::commands;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::ui::Ui;

/// Builds signed swupd update content, keeps it in a verified store, and serves it.
///
/// New here? Run `clearwell demo`: it releases three versions of a sample system, serves them, and prints what to try.
#[derive(Debug, Parser)]
#[command(name = "clearwell", version, after_help = exit::listed(), max_term_width = 110)]
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

/// The value of `--memory`.
pub(crate) fn memory(text: &str) -> Result<ByteSize, String> {
    match text.parse::<ByteSize>() {
        Ok(size) if size.bytes() == 0 => Err(NO_MEMORY.to_owned()),
        Ok(size) => Ok(size),
        Err(error) => Err(error.to_string()),
    }
}

pub(crate) const NO_MEMORY: &str = "use a size above 0, or leave it out for half of what the machine has";

/// The value of `--content-url` and `--version-url`: a URL that the stock client can fetch from.
pub(crate) fn base_url(text: &str) -> Result<String, String> {
    let rest = ["https://", "http://", "file:///"].into_iter().find_map(|scheme| text.strip_prefix(scheme));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains(|character: char| " \t\r\n\"<>".contains(character)) => {
            Ok(text.to_owned())
        }
        _ => Err(format!("\"{text}\" is not a base URL; use one such as https://updates.example.org/update")),
    }
}

/// The value of `--log`. A word alone is a level: as the name of a module it would turn off all other logs.
fn log_filter(text: &str) -> Result<String, String> {
    let unknown = |word: &str| format!("\"{word}\" is not a level; use error, warn, info, debug, trace or off");
    for part in text.split(',').map(str::trim) {
        let is_module = part.starts_with("clearwell") || part.contains(['=', ':', '[', '_']);
        // tracing takes an empty word for "error".
        if part.is_empty() || (!is_module && part.parse::<LevelFilter>().is_err()) {
            return Err(unknown(part));
        }
    }
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{error}; use a level, or a list such as warn,clearwell_serve=debug")),
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
    #[arg(long, global = true, default_value = "info", env = "CLEARWELL_LOG", value_name = "FILTER", value_parser = log_filter)]
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
    Discard(commands::discard::Discard),
    Adopt(commands::adopt::Adopt),
    Serve(commands::serve::Serve),
    Verify(commands::verify::Verify),
    Check(commands::check::Check),
    Gc(commands::gc::Gc),
    Retract(commands::retract::Retract),
    Rotation(commands::rotation::RotationCommand),
    Renew(commands::renew::Renew),
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
            Self::Discard(command) => command.run(ui),
            Self::Adopt(command) => command.run(ui),
            Self::Serve(command) => command.run(ui),
            Self::Verify(command) => command.run(ui),
            Self::Check(command) => command.run(ui),
            Self::Gc(command) => command.run(ui),
            Self::Retract(command) => command.run(ui),
            Self::Rotation(command) => command.run(ui),
            Self::Renew(command) => command.run(ui),
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

    #[test]
    fn a_log_filter_names_levels_and_modules() {
        for good in ["info", "WARN", "off", "warn,clearwell_serve=debug", "clearwell", "hyper::proto=trace", "0"] {
            assert_eq!(log_filter(good).as_deref(), Ok(good));
        }
        for bad in ["", "verbose", "warning", "info,loud", "clearwell_serve=loud", "a=b=c"] {
            let error = log_filter(bad).unwrap_err();
            assert!(error.contains("; use "), "{bad}: {error}");
        }
    }

    #[test]
    fn a_base_url_is_one_that_swupd_takes() {
        for good in ["https://updates.example.org", "http://[::1]:8080/update/", "file:///srv/www"] {
            assert_eq!(base_url(good).as_deref(), Ok(good));
        }
        for bad in
            ["", "updates.example.org", "ftp://a", "https://", "https://a b", "<URL where the content will be hosted>"]
        {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }
}

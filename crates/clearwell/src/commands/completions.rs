//! `clearwell completions`.

use std::io;

use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::error::CliError;
use crate::exit::Exit;

/// Print a completion script for a shell.
///
/// For example: clearwell completions bash > /etc/bash_completion.d/clearwell
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell.
    shell: clap_complete::Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<Exit, CliError> {
        clap_complete::generate(self.shell, &mut Cli::command(), "clearwell", &mut io::stdout());
        Ok(Exit::Done)
    }
}

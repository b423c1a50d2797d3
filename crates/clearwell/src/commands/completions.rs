//! `clearwell completions`.

use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::error::CliError;
use crate::exit::Exit;
use crate::ui::print;

/// Print a completion script for a shell.
///
/// For example: clearwell completions bash > /etc/bash_completion.d/clearwell
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell to complete for.
    shell: clap_complete::Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<Exit, CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "clearwell", &mut script);
        print(&script)?;
        Ok(Exit::Done)
    }
}

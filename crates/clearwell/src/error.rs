//! Why a command failed, and its exit code.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;

use clearwell_format::printable;
use clearwell_format::printable::chain;
use clearwell_store::{StoreError, regular};

use crate::exit::Exit;

/// A failed command: the operation, why it failed, and its exit code.
#[derive(Debug)]
pub(crate) struct CliError {
    exit: Exit,
    /// With its causes. Names in it are not escaped yet.
    message: String,
    /// The individual problems, if there are several.
    lines: Vec<String>,
}

impl CliError {
    /// An error with its cause.
    pub(crate) fn new(exit: Exit, message: impl fmt::Display, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source: Box<dyn Error> = source.into();
        let exit = if is_of_memory(&*source) { Exit::Memory } else { exit };
        Self::plain(exit, format!("{message}: {}", chain(&*source)))
    }

    /// An error without a cause.
    pub(crate) fn plain(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), lines: Vec::new() }
    }

    /// An error of a library as it is.
    pub(crate) fn transparent(exit: Exit, error: impl Error + 'static) -> Self {
        let exit = if is_of_memory(&error) { Exit::Memory } else { exit };
        Self::plain(exit, chain(&error))
    }

    /// Adds a line for each problem.
    pub(crate) fn with_lines(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.lines.extend(lines);
        self
    }

    /// A command line that cannot be used.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::plain(Exit::Usage, message)
    }

    /// A configuration that cannot be used.
    pub(crate) fn usage_from(message: impl fmt::Display, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Exit::Usage, message, source)
    }

    /// A file outside the store that could not be read or written.
    pub(crate) fn disk(message: impl fmt::Display, source: io::Error) -> Self {
        Self::new(Exit::Disk, message, source)
    }

    /// A file named on the command line that cannot be read: it does not exist ([`Exit::Input`]), or the disk failed.
    pub(crate) fn reading(path: &Path, source: io::Error) -> Self {
        let exit = match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => Exit::Input,
            _ if regular::is_refusal(&source) => Exit::Input,
            _ => Exit::Disk,
        };
        Self::new(exit, format!("failed to read {}", path.display()), source)
    }

    /// The work was cancelled.
    pub(crate) fn interrupted() -> Self {
        StoreError::Cancelled.into()
    }

    /// stdout could not be written.
    pub(crate) fn output(source: io::Error) -> Self {
        Self::new(Exit::Disk, "failed to write the result to stdout", source)
    }

    /// The exit code of the process.
    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }
}

/// True if the system refused memory, whatever the operation.
fn is_of_memory(error: &(dyn Error + 'static)) -> bool {
    let is_refusal = |error: &(dyn Error + 'static)| {
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::OutOfMemory)
    };
    is_refusal(error) || error.source().is_some_and(is_of_memory)
}

/// The message in one line, then one line for each problem; printable.
impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Some parsers end their explanations with a line feed.
        f.write_str(&printable(self.message.trim_end()))?;
        self.lines.iter().try_for_each(|line| write!(f, "\n  {}", printable(line)))
    }
}

impl Error for CliError {}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::transparent(error.fault().into(), error)
    }
}

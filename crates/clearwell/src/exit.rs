//! Exit codes: one list, the same for every command.

use std::process::ExitCode;

/// How a command ended. The numbers are a contract with scripts: they never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done, or the answer is yes.
    Done = 0,
    /// The command ran and what it checked failed: damage was found, or an endpoint would fail.
    Findings = 1,
    /// The command line or a configuration file cannot be understood.
    Usage = 2,
    /// An input is missing or cannot be used as it is: a tree, a workspace, a bundle, a file.
    Input = 3,
    /// A version or format is unknown, exists already, or does not follow the one before.
    Version = 4,
    /// The publish guard refused: endpoints would be harmed.
    Guard = 5,
    /// Another command writes to the store.
    Locked = 6,
    /// The store is missing, damaged, or of a newer layout.
    Store = 7,
    /// A key, a certificate or a signing command cannot be used.
    Signing = 8,
    /// The disk refused: no space, no permission, or failing.
    Disk = 9,
    /// A network address cannot be used, or a server does not answer.
    Network = 10,
    /// Nothing changed since the version before, so there is nothing to release.
    NothingToRelease = 11,
    /// Damage was found, and all of it repaired.
    Repaired = 12,
    /// An internal error.
    Internal = 70,
    /// Ended by Ctrl-C or SIGINT; what was finished stays. As a shell says it: 128 and the number of the signal.
    Interrupted = 130,
    /// Ended by SIGTERM, likewise.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The list as `--help` shows it.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  check failed: damage was found, or an endpoint would fail
   2  the command line or a configuration file cannot be understood
   3  an input is missing or cannot be used as it is: a tree, a workspace, a bundle, a file
   4  a version or format is unknown, exists already, or does not follow the one before
   5  the publish guard refused: endpoints would be harmed
   6  another command writes to the store
   7  the store is missing, damaged, or of a newer layout
   8  a key, a certificate or a signing command cannot be used
   9  the disk refused: no space, no permission, or failing
  10  a network address cannot be used, or a server does not answer
  11  nothing changed since the version before, so there is nothing to release
  12  damage was found, and all of it repaired
  70  internal error (bug); please report it
 130  ended by Ctrl-C; what was finished stays, and the message says how to go on
 143  ended by SIGTERM, likewise";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed() {
        for exit in (0..=12).chain([70, 130, 143]) {
            assert!(EXIT_CODES.lines().any(|line| line.trim_start().starts_with(&format!("{exit}  "))), "{exit}");
        }
        assert_eq!(EXIT_CODES.lines().count(), 17);
    }
}

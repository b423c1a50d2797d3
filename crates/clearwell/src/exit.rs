//! Exit codes: one list, the same for every command.

use std::process::ExitCode;

use clearwell_store::Fault;
use schemars::JsonSchema_repr;

/// Declares the codes once: the enum, the list of all, their meanings in help, and their remedies in
/// docs/reference/exit-codes.md.
macro_rules! exits {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal: $text:literal, $remedy:literal,)*) => {
        /// How a command ended. The numbers are a contract with scripts: their meaning never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema_repr)]
        #[repr(u8)]
        pub(crate) enum Exit {
            $(#[doc = $text] $(#[doc = $doc])* $name = $code,)*
        }

        impl Exit {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// What it means, as `--help` and the reference say it.
            pub(crate) const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What to do about it, in Markdown; empty for success.
            #[cfg(test)]
            pub(crate) const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$name => $remedy,)*
                }
            }
        }
    };
}

exits! {
    Done = 0: "done", "",
    Findings = 1: "check failed: damage was found, an endpoint would fail, or a server is not ready",
        "read the findings, which name their remedies; `check --repair` restores damaged files",
    Usage = 2: "the command line or a configuration file is invalid",
        "correct the option or key that the error names; `--help` shows all options",
    Input = 3: "an input is missing or cannot be used: a tree, a workspace, a bundle, a file",
        "correct the path or the file that the error names",
    Version = 4: "a version or format is unknown, exists already, or does not follow the previous one",
        "choose another version; `clearwell releases` lists those of the store",
    Guard = 5: "the publish guard refused: endpoints would be harmed",
        "correct the content as each finding says; some rules can be overruled with `--allow` ([rules](guard-rules.md))",
    Locked = 6: "another command is writing to the store",
        "wait until it has ended; the error names its process and command",
    Store = 7: "the store is missing, damaged, or has a newer layout",
        "correct `--store`; run `clearwell check`; or use the newer clearwell that wrote the store",
    Signing = 8: "a key, a certificate or a signing command cannot be used",
        "correct `--cert`, `--key` or the passphrase; renew an expired certificate with `clearwell renew`",
    Disk = 9: "a disk operation failed: no space, no permission, or an I/O error",
        "free space (`clearwell gc`) or correct the permissions, then run the command again",
    Network = 10: "a network address cannot be used, or a server does not respond",
        "correct the address, or end the program that uses it; check that the server runs",
    NothingToRelease = 11: "nothing changed since the previous version, so there is nothing to release",
        "none needed; `build --empty` releases nevertheless",
    Repaired = 12: "damage was found and repaired completely",
        "none needed; look for the cause, such as a failing disk",
    Memory = 13: "the system refused memory or a thread: raise the limit, or use fewer jobs",
        "raise `ulimit -v` or `MemoryMax=`, or use smaller `--jobs` and `--memory`",
    Internal = 70: "internal error (bug); please report it",
        "report the command line and the error",
    /// As in shells: 128 plus the number of the signal.
    Interrupted = 130: "interrupted by Ctrl-C; the message says what was kept and how to continue",
        "run the same command again",
    Terminated = 143: "terminated by SIGTERM; likewise",
        "run the same command again",
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The only place where errors of libraries become codes.
impl From<Fault> for Exit {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Usage => Self::Usage,
            Fault::Input => Self::Input,
            Fault::Version => Self::Version,
            Fault::Guard => Self::Guard,
            Fault::Locked => Self::Locked,
            Fault::Store => Self::Store,
            Fault::Signing => Self::Signing,
            Fault::Disk => Self::Disk,
            Fault::Network => Self::Network,
            Fault::NothingToDo => Self::NothingToRelease,
            Fault::Memory => Self::Memory,
            Fault::Internal => Self::Internal,
            Fault::Cancelled => Self::Interrupted,
        }
    }
}

/// The list as `--help` shows it.
pub(crate) fn listed() -> String {
    let line = |exit: &Exit| format!("\n{:4}  {}", *exit as u8, exit.text());
    format!("Exit codes:{}", Exit::ALL.iter().map(line).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_lists_every_code() {
        let help = super::listed();
        assert!(Exit::ALL.iter().all(|exit| help.contains(&format!("{}  {}", *exit as u8, exit.text()))), "{help}");
        assert_eq!(help.lines().count(), Exit::ALL.len() + 1);
    }
}

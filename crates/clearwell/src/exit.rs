//! Exit codes: one list, the same for every command.

use std::process::ExitCode;

use clearwell_store::Fault;

/// Declares the codes once: the enum, the list of all, and their descriptions in help.
macro_rules! exits {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal: $text:literal,)*) => {
        /// How a command ended. The numbers are a contract with scripts: their meaning never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Exit {
            $(#[doc = $text] $(#[doc = $doc])* $name = $code,)*
        }

        impl Exit {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            pub(crate) const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

exits! {
    Done = 0: "done",
    Findings = 1: "check failed: damage was found, an endpoint would fail, or a server is not ready",
    Usage = 2: "the command line or a configuration file is invalid",
    Input = 3: "an input is missing or cannot be used: a tree, a workspace, a bundle, a file",
    Version = 4: "a version or format is unknown, exists already, or does not follow the previous one",
    Guard = 5: "the publish guard refused: endpoints would be harmed",
    Locked = 6: "another command is writing to the store",
    Store = 7: "the store is missing, damaged, or has a newer layout",
    Signing = 8: "a key, a certificate or a signing command cannot be used",
    Disk = 9: "a disk operation failed: no space, no permission, or an I/O error",
    Network = 10: "a network address cannot be used, or a server does not respond",
    NothingToRelease = 11: "nothing changed since the previous version, so there is nothing to release",
    Repaired = 12: "damage was found and repaired completely",
    Memory = 13: "the system refused memory or a thread: raise the limit, or use fewer jobs",
    Internal = 70: "internal error (bug); please report it",
    /// As in shells: 128 plus the number of the signal.
    Interrupted = 130: "interrupted by Ctrl-C; the message says what was kept and how to continue",
    Terminated = 143: "terminated by SIGTERM; likewise",
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

    /// docs/command-line.md lists the same codes and descriptions.
    #[test]
    fn the_documented_table_is_the_list() {
        let documented: Vec<(u8, &str)> = include_str!("../../../docs/command-line.md")
            .split_once("## Exit codes\n")
            .and_then(|(_, rest)| rest.split("\n## ").next())
            .unwrap_or_default()
            .lines()
            .filter_map(|line| {
                let (code, text) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
                Some((code.parse().ok()?, text))
            })
            .collect();
        let listed: Vec<(u8, &str)> = Exit::ALL.iter().map(|exit| (*exit as u8, exit.text())).collect();
        assert_eq!(documented, listed);
        let help = super::listed();
        assert!(listed.iter().all(|(code, text)| help.contains(&format!("{code}  {text}"))), "{help}");
        assert_eq!(help.lines().count(), listed.len() + 1);
    }
}

//! `clearwell completions`: what shells complete, by the kind of value that each option takes.

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command, CommandFactory as _, ValueHint};
use clearwell_generate::build::Profile;
use clearwell_generate::guard::Rule;
use clearwell_generate::inputs::AttributePolicy;
use clearwell_serve::config::KEYS;

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
        clap_complete::generate(self.shell, &mut command(), "clearwell", &mut script);
        print(&script)?;
        Ok(Exit::Done)
    }
}

/// The command line, in which each argument says how it is completed.
fn command() -> Command {
    let mut command = Cli::command();
    // Only then arguments know whether they take values.
    command.build();
    completed(command)
}

/// The command with the words, or the kind of value, that complete each of its arguments.
fn completed(command: Command) -> Command {
    command.mut_args(complete).mut_subcommands(completed)
}

fn complete(argument: Arg) -> Arg {
    if !takes_value(&argument) || !argument.get_possible_values().is_empty() {
        return argument;
    }
    if let Some(words) = words(&argument) {
        return argument.value_parser(PossibleValuesParser::new(words));
    }
    let hint = hint(&placeholder(&argument));
    argument.value_hint(hint)
}

/// The values of an option whose own parser accepts, and explains, more than these.
fn words(argument: &Arg) -> Option<Vec<&'static str>> {
    let id = argument.get_id().as_str();
    Some(match id {
        "allow" => {
            Rule::ALL.iter().filter(|rule| Rule::parse_allowed(rule.name()).is_ok()).map(|rule| rule.name()).collect()
        }
        "log" => vec!["error", "warn", "info", "debug", "trace", "off"],
        "profile" => Profile::ALL.map(Profile::as_str).to_vec(),
        "xattrs" => AttributePolicy::ALL.map(AttributePolicy::as_str).to_vec(),
        _ => KEYS.iter().find(|key| key.name == id)?.kind.words()?.to_vec(),
    })
}

/// What a value is, by the placeholder in the help. Unknown placeholders have no hint, which a test refuses.
fn hint(placeholder: &str) -> ValueHint {
    match placeholder {
        "BACKUP" | "DIR" | "WWW" => ValueHint::DirPath,
        "DELTA" | "FILE" | "NEW" | "OLD" | "PEM" => ValueHint::FilePath,
        "PATH" => ValueHint::AnyPath,
        "URL" => ValueHint::Url,
        "COMMAND" => ValueHint::CommandString,
        "ADDR" | "ADDR,…" | "ADDRESS" | "DAYS" | "F" | "F,…" | "FROM" | "K" | "N" | "N,…" | "NAME,…" | "NET,…"
        | "ORGANISATION" | "RATE" | "S" | "SECONDS" | "SIZE" | "TIME" | "TO" | "UNIX" | "VERSION" => ValueHint::Other,
        _ => ValueHint::Unknown,
    }
}

fn placeholder(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    names.first().map_or_else(|| argument.get_id().as_str().to_uppercase(), ToString::to_string)
}

fn takes_value(argument: &Arg) -> bool {
    argument.get_num_args().is_some_and(|number| number.takes_values())
}

#[cfg(test)]
mod tests {
    use clearwell_serve::config::ValueKind;

    use super::*;

    /// Every argument with a value, as `command --option`.
    fn arguments(command: &Command, path: &str) -> Vec<(String, Arg)> {
        let own = command.get_arguments().filter(|argument| takes_value(argument));
        let mut found: Vec<_> = own.map(|argument| (format!("{path} {argument}"), argument.clone())).collect();
        for inner in command.get_subcommands() {
            found.extend(arguments(inner, &format!("{path} {}", inner.get_name())));
        }
        found
    }

    #[test]
    fn every_value_has_words_or_a_hint() {
        let found = arguments(&command(), "clearwell");
        assert!(found.len() > 100, "{}", found.len());
        let has_none = |argument: &Arg| {
            argument.get_possible_values().is_empty() && argument.get_value_hint() == ValueHint::Unknown
        };
        let without: Vec<_> = found.iter().filter(|(_, argument)| has_none(argument)).map(|(name, _)| name).collect();
        assert!(without.is_empty(), "placeholders without a hint in completions.rs: {without:?}");
    }

    #[test]
    fn every_path_completes_paths() {
        let is_path_key = |argument: &Arg| {
            KEYS.iter().any(|key| key.name == argument.get_id().as_str() && key.kind == ValueKind::Path)
        };
        let mut paths = 0;
        for (name, argument) in arguments(&command(), "clearwell") {
            let is_path = format!("{:?}", argument.get_value_parser()).contains("path_buf") || is_path_key(&argument);
            if is_path {
                let hint = argument.get_value_hint();
                assert!(
                    matches!(hint, ValueHint::DirPath | ValueHint::FilePath | ValueHint::AnyPath),
                    "{name}: {hint:?}"
                );
                paths += 1;
            }
        }
        assert!(paths > 50, "{paths}");
    }

    #[test]
    fn words_are_what_the_options_accept() {
        let mut root = Cli::command();
        root.build();
        for (name, argument) in arguments(&root, "clearwell") {
            // The values of serve's keys are parsed after clap; a test of clearwell-serve compares them.
            let is_key = KEYS.iter().any(|key| key.name == argument.get_id().as_str());
            for word in words(&argument).filter(|_| !is_key).into_iter().flatten() {
                let alone = Command::new("alone").arg(argument.clone().required(false));
                let option = format!("--{}={word}", argument.get_long().unwrap());
                assert!(alone.try_get_matches_from(["alone", &option]).is_ok(), "{name}: {word}");
            }
        }
    }
}

//! docs/reference/command-line.md, from the command line itself.

use clap::{Arg, ArgAction, Command, CommandFactory as _};

use super::{Reference, codes, sentence};
use crate::cli::Cli;
use crate::commands::serve::KEYS_HEADING;
use crate::schema::DOCUMENTS;

#[test]
fn command_line() {
    let mut page = Reference::new(
        "Command line",
        "Every command with its arguments and options. `clearwell COMMAND --help` prints the same. An option has one meaning \
         in all commands. [The command line, for scripts](../command-line.md) explains what they have in common.",
    );
    let mut cli = Cli::command();
    cli.build();
    page.table(
        ["Command", "Purpose"],
        commands(&cli).iter().map(|(name, command)| [format!("[`{name}`](#{})", anchor(name)), about(command)]),
    );
    page.heading(2, "Options of every command");
    options(&mut page, cli.get_arguments().filter(|arg| arg.is_global_set()));
    for (name, command) in commands(&cli) {
        page.heading(2, &format!("clearwell {name}"));
        let usage = command.clone().render_usage().to_string();
        page.paragraph(&format!("```text\n{}\n```", usage.trim_start_matches("Usage: ").trim()));
        let long = command.get_long_about().or(command.get_about()).map(ToString::to_string);
        page.paragraph(&long.unwrap_or_default());
        if let Some(document) = DOCUMENTS.iter().find(|document| document.command == name) {
            page.paragraph(&format!("JSON: [`{}`](json.md#{}).", document.name, document.name));
        }
        page.table(
            ["Argument", "Meaning"],
            command.get_positionals().map(|arg| [format!("`{}`", arg), sentence(&help(arg))]),
        );
        let own = command.get_arguments().filter(|arg| !arg.is_positional() && !is_of_every_command(&cli, arg));
        let (keys, own): (Vec<&Arg>, Vec<&Arg>) = own.partition(|arg| arg.get_help_heading() == Some(KEYS_HEADING));
        options(&mut page, own.into_iter());
        if !keys.is_empty() {
            page.paragraph("Each key of [serve.toml](configuration.md#servetoml) is an option too.");
        }
    }
    page.assert_is("command-line.md");
}

/// Every command that can be run, as typed, in the order of help.
pub(super) fn commands(cli: &Command) -> Vec<(String, &Command)> {
    let mut found = Vec::new();
    let visible = |command: &&Command| !command.is_hide_set() && command.get_name() != "help";
    for command in cli.get_subcommands().filter(visible) {
        let name = command.get_name();
        if !command.is_subcommand_required_set() {
            found.push((name.to_owned(), command));
        }
        found.extend(commands(command).into_iter().map(|(inner, command)| (format!("{name} {inner}"), command)));
    }
    found
}

fn is_of_every_command(cli: &Command, arg: &Arg) -> bool {
    cli.get_arguments().any(|of_all| of_all.is_global_set() && of_all.get_id() == arg.get_id())
}

fn options<'a>(page: &mut Reference, args: impl Iterator<Item = &'a Arg>) {
    let shown = args.filter(|arg| !arg.is_hide_set() && arg.get_id() != "help");
    page.table(
        ["Option", "Default", "Environment", "Meaning"],
        shown.map(|arg| [format!("`{arg}`"), default(arg), variable(arg), sentence(&help(arg))]),
    );
}

fn about(command: &Command) -> String {
    sentence(&command.get_about().map(ToString::to_string).unwrap_or_default())
}

/// The help of an argument, with the values that it may have.
pub(super) fn help(arg: &Arg) -> String {
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let values = arg.get_possible_values();
    if !takes_value || values.is_empty() || arg.is_hide_possible_values_set() {
        return help;
    }
    format!("{} Values: {}", sentence(&help), codes(values.iter().map(clap::builder::PossibleValue::get_name)))
}

/// The variable of the environment.
pub(super) fn variable(arg: &Arg) -> String {
    arg.get_env().map_or_else(String::new, |name| format!("`{}`", name.to_string_lossy()))
}

fn default(arg: &Arg) -> String {
    if !arg.get_action().takes_values() {
        return String::new();
    }
    codes(arg.get_default_values().iter().map(|value| value.to_string_lossy()))
}

fn anchor(name: &str) -> String {
    format!("clearwell-{}", name.replace(' ', "-"))
}

//! The manual page of a command: what clap knows, then exit codes, environment, files and related pages.

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::Roff;

use super::{MANUAL, definitions, page_name, see_also, source};
use crate::exit::Exit;

/// The page of `command` in roff.
pub(super) fn command_page(command: &Command, parent: Option<&Command>, date: &str) -> Vec<u8> {
    let man = Man::new(command.clone()).date(date).source(source()).manual(MANUAL);
    let mut page = Vec::new();
    let has_commands = command.get_subcommands().any(|inner| !inner.is_hide_set());
    man.render_title(&mut page)
        .and_then(|()| man.render_name_section(&mut page))
        .and_then(|()| man.render_synopsis_section(&mut page))
        .and_then(|()| man.render_description_section(&mut page))
        .and_then(|()| man.render_options_section(&mut page))
        .and_then(|()| if has_commands { man.render_subcommands_section(&mut page) } else { Ok(()) })
        .expect("writing to memory does not fail");
    let mut roff = Roff::default();
    definitions(
        &mut roff,
        "EXIT STATUS",
        Exit::ALL.iter().map(|exit| ((*exit as u8).to_string(), exit.text().to_owned())),
    );
    definitions(&mut roff, "ENVIRONMENT", environment(command));
    definitions(&mut roff, "FILES", files(command));
    see_also(&mut roff, &related(command, parent));
    roff.to_writer(&mut page).expect("writing to memory does not fail");
    // What clap_mangen writes before a list of values; mandoc warns of it.
    String::from_utf8_lossy(&page).replace(".br\n\n.br\n", ".sp\n").into_bytes()
}

/// Variables with the options that they are defaults of, and those that are not options.
fn environment(command: &Command) -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
        .filter_map(|argument| {
            let variable = argument.get_env()?.to_string_lossy().into_owned();
            Some((variable, format!("Default of --{}.", argument.get_long()?)))
        })
        .collect();
    if has(command, "key_passphrase_file") {
        let text = "The passphrase of an encrypted key, in place of --key-passphrase-file.";
        variables.push(("CLEARWELL_KEY_PASSPHRASE".to_owned(), text.to_owned()));
    }
    variables.push(("NO_COLOR".to_owned(), "If set, warnings, errors and help have no colours.".to_owned()));
    variables.sort();
    variables
}

/// Files that the command reads or writes without being told, and where packages keep them.
fn files(command: &Command) -> Vec<(String, String)> {
    let is_server = page_name(command) == "clearwell-serve";
    let known = [
        (has(command, "config") && !is_server, "clearwell.toml", "In the current folder: defaults of the options."),
        (is_server, "/etc/clearwell/serve.toml", "The configuration of the service that packages install."),
        (is_server, "clearwell.toml", "In the current folder: names the store if --store is not given."),
        (has(command, "store"), "/var/lib/clearwell/store", "The store of the service that packages install."),
    ];
    known
        .into_iter()
        .filter(|(applies, ..)| *applies)
        .map(|(_, name, text)| (name.to_owned(), text.to_owned()))
        .collect()
}

fn related(command: &Command, parent: Option<&Command>) -> Vec<String> {
    let page = |command: &Command| format!("{}(1)", page_name(command));
    let mut pages: Vec<String> = command.get_subcommands().filter(|inner| !inner.is_hide_set()).map(page).collect();
    pages.extend(parent.map(page));
    if has(command, "config") || has(command, "store") || parent.is_none() {
        pages.push("clearwell.toml(5)".to_owned());
    }
    if page_name(command) == "clearwell-serve" || parent.is_none() {
        pages.push("serve.toml(5)".to_owned());
    }
    pages.push("swupd(1)".to_owned());
    pages
}

fn has(command: &Command, id: &str) -> bool {
    command.get_arguments().any(|argument: &Arg| argument.get_id() == id)
}

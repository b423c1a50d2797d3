//! docs/reference/configuration.md, from the keys of `clearwell.toml` and `serve.toml`.

use std::path::Path;

use clap::{Arg, Command, CommandFactory as _};
use clearwell_serve::config::{KEYS, Key};

use super::command_line::{commands, help, variable};
use super::{Reference, codes, sentence};
use crate::cli::Cli;
use crate::config::MixConfig;

#[test]
fn configuration() {
    let mut page = Reference::new(
        "Configuration files",
        "The command line overrides the environment, and the environment overrides the file. Unknown keys are refused. Paths \
         in `clearwell.toml` are relative to the file.",
    );
    page.heading(2, "clearwell.toml");
    page.paragraph(
        "Defaults for the options of a mix maintainer. Every command reads `clearwell.toml` of the folder where it runs, or \
         the file that `--config` names, and uses the keys that concern it. `serve` takes `store` and `certificate` from it if \
         it has no `--store`. `verify --url` without a value takes `content-url` and `version-url` from it. \
         [config/clearwell.toml](../../config/clearwell.toml) shows every key.",
    );
    let cli = Cli::command();
    page.table(
        ["Key", "Value", "Option", "Environment", "Meaning"],
        mix_keys().into_iter().map(|key| {
            let option = key.replace("certificate", "cert");
            let arg = option_of(&cli, "build", &option);
            let used_by = commands(&cli).into_iter().filter(|(_, command)| has(command, &option));
            let used_by = codes(used_by.map(|(name, _)| name));
            [
                format!("`{key}`"),
                value_of(&key),
                format!("`--{option}` of {used_by}"),
                variable(arg),
                sentence(&help(arg)),
            ]
        }),
    );
    page.heading(2, "serve.toml");
    page.paragraph(
        "The configuration of the server, which `serve --config` or `CLEARWELL_SERVE_CONFIG` names. A key is in its section, \
         or at the top of the file. Each key is also an option of `serve` with the same name, with `cert` where the key says \
         `certificate`. Changes apply on reload (`SIGHUP`, or when `watch-files` notices them), except where the table says \
         restart: a reload that changes such a key is refused. \
         [config/serve.toml](../../config/serve.toml) explains every key.",
    );
    for section in KEYS.chunk_by(|a, b| a.section == b.section) {
        page.heading(3, &format!("[{}]", section[0].section));
        page.table(
            ["Key", "Value", "Default", "Environment", "Applied on", "Meaning"],
            section.iter().map(|key| {
                [
                    format!("`{}`", key.name),
                    key.kind.expected(),
                    key.default().map_or_else(|| "not set".to_owned(), |default| format!("`{default}`")),
                    format!("`{}`", Key::variable(key.name)),
                    if key.needs_restart { "restart" } else { "reload" }.to_owned(),
                    meaning(key),
                ]
            }),
        );
    }
    page.assert_is("configuration.md");
}

fn meaning(key: &Key) -> String {
    let earlier = key.old_name.map_or_else(String::new, |old| format!(" Earlier name: `{old}`."));
    sentence(key.help) + &earlier
}

/// The keys of `clearwell.toml`: serde itself lists the fields.
fn mix_keys() -> Vec<String> {
    let error = toml::from_str::<MixConfig>("nonsense = 1").unwrap_err().to_string();
    error.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

/// What the value of a key is, as the error for another value says it.
fn value_of(key: &str) -> String {
    let error = MixConfig::parse(&format!("{key} = true"), Path::new("")).unwrap_err();
    let expected = error.split_once("expected ").map_or(error.as_str(), |(_, rest)| rest);
    expected.split_once(", found").map_or(expected, |(text, _)| text).to_owned()
}

fn has(command: &Command, option: &str) -> bool {
    command.get_arguments().any(|arg| arg.get_long() == Some(option))
}

fn option_of<'c>(cli: &'c Command, command: &str, option: &str) -> &'c Arg {
    let command = cli.find_subcommand(command).expect("a command");
    command.get_arguments().find(|arg| arg.get_long() == Some(option)).unwrap_or_else(|| panic!("--{option}"))
}

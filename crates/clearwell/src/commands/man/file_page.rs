//! The manual page of a configuration file, from the annotated file that packages install.
//!
//! ```text
//! # What the file is.                 paragraphs of the introduction, before the first section or key
//!
//! [section]                           a heading
//! # What the next keys do.
//! key = default
//! #= other = example                  has no default
//! ```
//!
//! Options and variables of a key come from the command that reads the file. Tests of the files ensure that they show every
//! key.

use clap::{Arg, Command};
use clap_mangen::roff::{Roff, bold, italic, roman};
use clearwell_serve::config::KEYS;

use super::{MANUAL, see_also, source};

/// A configuration file.
pub(super) struct File {
    pub(super) name: &'static str,
    about: &'static str,
    text: &'static str,
    /// The command whose options are the keys.
    command: &'static str,
}

pub(super) const FILES: [File; 2] = [
    File {
        name: "clearwell.toml",
        about: "defaults for the options of a mix maintainer",
        text: include_str!("../../../../../config/clearwell.toml"),
        command: "build",
    },
    File {
        name: "serve.toml",
        about: "how clearwell serve serves",
        text: include_str!("../../../../../config/serve.toml"),
        command: "serve",
    },
];

impl File {
    /// The page in roff.
    pub(super) fn page(&self, root: &Command, date: &str) -> Vec<u8> {
        let command = root.find_subcommand(self.command).expect("a command of this program");
        let mut roff = Roff::default();
        roff.control("TH", [self.name, "5", date, &source(), MANUAL]);
        roff.control("SH", ["NAME"]);
        roff.text([roman(format!("{} - {}", self.name, self.about))]);
        roff.control("SH", ["DESCRIPTION"]);
        let parts = parts(self.text);
        // Without sections, the keys are one.
        let mut is_introduction = !parts.iter().any(|part| matches!(part, Part::Section(_)));
        let mut is_first = true;
        for part in parts {
            match part {
                Part::Paragraph(text) => {
                    if !std::mem::take(&mut is_first) {
                        roff.control("PP", []);
                    }
                    roff.text([roman(text)]);
                }
                Part::Section(name) => {
                    roff.control("SH", [&*format!("[{name}]")]);
                }
                Part::Keys { keys, text } => {
                    if std::mem::take(&mut is_introduction) {
                        roff.control("SH", ["KEYS"]);
                    }
                    add_keys(&mut roff, &keys, &text, command);
                }
            }
        }
        see_also(&mut roff, &[format!("clearwell-{}(1)", self.command), "clearwell(1)".to_owned()]);
        roff.to_roff().into_bytes()
    }
}

fn add_keys(roff: &mut Roff, keys: &[ShownKey<'_>], text: &str, command: &Command) {
    for (index, key) in keys.iter().enumerate() {
        roff.control(if index == 0 { "TP" } else { "TQ" }, []);
        let value =
            if key.is_set { format!(" = {}", key.value) } else { format!(" (no default; such as {})", key.value) };
        roff.text([bold(key.name), roman(value)]);
    }
    roff.text([roman(text)]);
    for key in keys {
        let Some(option) = option(command, key.name) else { continue };
        roff.control("br", []);
        let mut line = vec![roman("Option "), bold(format!("--{}", option.get_long().unwrap_or_default()))];
        if let Some(variable) = option.get_env() {
            line.extend([roman(", variable "), italic(variable.to_string_lossy())]);
        }
        let needs_restart = KEYS.iter().any(|known| known.name == option.get_id().as_str() && known.needs_restart);
        line.push(roman(if needs_restart { "; a change needs a restart." } else { "." }));
        roff.text(line);
    }
}

/// Options say "cert" where keys say "certificate", which is then a hidden name of the option.
fn option<'c>(command: &'c Command, key: &str) -> Option<&'c Arg> {
    command.get_arguments().find(|argument| {
        argument.get_long() == Some(key) || argument.get_all_aliases().unwrap_or_default().contains(&key)
    })
}

#[derive(Debug, PartialEq)]
enum Part<'t> {
    Paragraph(String),
    Section(&'t str),
    Keys { keys: Vec<ShownKey<'t>>, text: String },
}

#[derive(Debug, PartialEq)]
struct ShownKey<'t> {
    name: &'t str,
    value: &'t str,
    /// The value is the default, not only an example.
    is_set: bool,
}

/// The parts of an annotated file, in its order.
fn parts(file: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut text, mut keys) = (Vec::new(), Vec::new());
    for line in file.lines().chain([""]) {
        let shown = line.strip_prefix("#= ");
        let comment = line.strip_prefix('#').filter(|_| shown.is_none()).map(str::trim);
        if !keys.is_empty() && (comment.is_some() || line.is_empty()) {
            parts.push(Part::Keys { keys: std::mem::take(&mut keys), text: std::mem::take(&mut text).join(" ") });
        }
        if let Some(words) = comment.filter(|words| !words.is_empty()) {
            text.push(words);
        } else if let Some((name, value)) = shown.unwrap_or(line).split_once(" = ") {
            keys.push(ShownKey { name, value, is_set: shown.is_none() });
        } else {
            if !text.is_empty() {
                parts.push(Part::Paragraph(std::mem::take(&mut text).join(" ")));
            }
            parts.extend(line.strip_prefix('[').and_then(|line| line.strip_suffix(']')).map(Part::Section));
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn a_file_is_paragraphs_sections_and_keys() {
        let file =
            "# Intro:\n# more.\n#\n# Second.\n\n[part]\n\n# Both.\na = 1\n#= b = \"x = y\"\n# Third.\nc = true\n";
        let key = |name, value, is_set| ShownKey { name, value, is_set };
        assert_eq!(
            parts(file),
            [
                Part::Paragraph("Intro: more.".into()),
                Part::Paragraph("Second.".into()),
                Part::Section("part"),
                Part::Keys { keys: vec![key("a", "1", true), key("b", "\"x = y\"", false)], text: "Both.".into() },
                Part::Keys { keys: vec![key("c", "true", true)], text: "Third.".into() },
            ]
        );
    }

    #[test]
    fn every_key_is_explained_and_has_its_option() {
        let mut root = Cli::command();
        root.build();
        for file in &FILES {
            let command = root.find_subcommand(file.command).unwrap();
            let mut count = 0;
            for part in parts(file.text) {
                let Part::Keys { keys, text } = part else { continue };
                assert!(!text.is_empty(), "{}: {keys:?}", file.name);
                for key in keys {
                    assert!(option(command, key.name).is_some(), "{}: {}", file.name, key.name);
                    count += 1;
                }
            }
            assert!(count >= 15, "{}: {count}", file.name);
        }
    }
}

//! `clearwell man`: manual pages from the definition of the command line and the annotated configuration files.
//!
//! ```text
//! DIR/clearwell.1  clearwell-build.1  clearwell-releases-show.1 …     one for each command
//! DIR/clearwell.toml.5  serve.toml.5                                  the configuration files
//! ```

mod command_page;
mod file_page;

use std::fs;
use std::path::PathBuf;

use clap::{Command, CommandFactory as _};
use clap_mangen::roff::{Inline, Roff, bold, roman};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use self::command_page::command_page;
use self::file_page::FILES;
use crate::cli::Cli;
use crate::error::CliError;
use crate::exit::Exit;
use crate::page::Page;
use crate::signing::unix_now;
use crate::ui::{Ui, count};
use crate::values::timestamp;

/// Write the manual pages of all commands and configuration files into a folder.
///
/// For example: clearwell man /usr/local/share/man. Pages go to man1 and man5 below the folder, which is created.
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// The folder to write to. Existing pages are replaced.
    dir: PathBuf,
    /// The date of the pages, in seconds since the epoch. Default: today.
    #[arg(long, env = "SOURCE_DATE_EPOCH", value_name = "UNIX", value_parser = timestamp)]
    timestamp: Option<i64>,
}

/// The manual pages that were written.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Written {
    /// Paths of the pages, sorted.
    pages: Vec<PathBuf>,
}

impl Man {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let seconds = self.timestamp.unwrap_or_else(unix_now);
        let date = Timestamp::from_second(seconds).unwrap_or_default().strftime("%Y-%m-%d").to_string();
        let mut pages = Vec::new();
        for (name, text) in manual(&date) {
            let section = name.rsplit('.').next().unwrap_or_default();
            let folder = self.dir.join(format!("man{section}"));
            let path = folder.join(&name);
            fs::create_dir_all(&folder)
                .and_then(|()| fs::write(&path, text))
                .map_err(|error| CliError::disk(format!("failed to write {}", path.display()), error))?;
            pages.push(path);
        }
        pages.sort_unstable();
        let summary = Page::of(format!("{} in {}", count(pages.len() as u64, "page"), self.dir.display()));
        ui.result(&Written { pages }, &summary)?;
        Ok(Exit::Done)
    }
}

/// The manual: file names and texts. `date` is as in `2026-11-29`.
fn manual(date: &str) -> Vec<(String, Vec<u8>)> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    add_commands(&root, None, date, &mut pages);
    pages.extend(FILES.iter().map(|file| (format!("{}.5", file.name), file.page(&root, date))));
    pages
}

fn add_commands(command: &Command, parent: Option<&Command>, date: &str, pages: &mut Vec<(String, Vec<u8>)>) {
    pages.push((format!("{}.1", page_name(command)), command_page(command, parent, date)));
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        add_commands(inner, Some(command), date, pages);
    }
}

/// `clearwell-releases-show`.
fn page_name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// The manual that pages belong to, in their last line.
const MANUAL: &str = "Clearwell manual";

/// The program that pages describe, in their last line.
fn source() -> String {
    format!("clearwell {}", env!("CLEARWELL_VERSION"))
}

/// A section with a list of terms.
fn definitions(roff: &mut Roff, heading: &str, terms: impl IntoIterator<Item = (String, String)>) {
    let mut terms = terms.into_iter().peekable();
    if terms.peek().is_some() {
        roff.control("SH", [heading]);
    }
    for (term, text) in terms {
        roff.control("TP", []);
        roff.text([bold(term)]);
        roff.text([roman(text)]);
    }
}

/// The last section: pages as `clearwell-build(1)`.
fn see_also(roff: &mut Roff, pages: &[String]) {
    roff.control("SH", ["SEE ALSO"]);
    let mut line: Vec<Inline> = Vec::new();
    for page in pages {
        let (name, section) = page.split_at(page.rfind('(').unwrap_or(page.len()));
        line.extend([roman(if line.is_empty() { "" } else { ", " }), bold(name), roman(section)]);
    }
    roff.text(line);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn text(name: &str) -> String {
        let (_, text) = manual("2026-11-29").into_iter().find(|(found, _)| found == name).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn every_command_and_file_has_a_page() {
        let names: BTreeSet<String> = manual("2026-11-29").into_iter().map(|(name, _)| name).collect();
        for name in
            ["clearwell.1", "clearwell-build.1", "clearwell-releases-explain.1", "clearwell.toml.5", "serve.toml.5"]
        {
            assert!(names.contains(name), "{name}: {names:?}");
        }
        assert!(!names.iter().any(|name| name.contains("help")), "{names:?}");
    }

    #[test]
    fn see_also_names_pages_that_exist() {
        let pages = manual("2026-11-29");
        let names: BTreeSet<String> = pages.iter().map(|(name, _)| name.clone()).collect();
        for (name, text) in &pages {
            let text = String::from_utf8(text.clone()).unwrap();
            let (_, section) = text.rsplit_once(".SH \"SEE ALSO\"\n").unwrap_or_else(|| panic!("{name}: {text}"));
            let plain = section.replace("\\fB", "").replace("\\fR", "").replace("\\-", "-").replace('\n', "");
            for page in plain.split(", ") {
                let (page, number) = page.trim_end_matches(')').split_once('(').unwrap();
                assert!(page == "swupd" || names.contains(&format!("{page}.{number}")), "{name}: {page}({number})");
            }
        }
    }

    #[test]
    fn pages_say_how_commands_end_and_what_they_read() {
        let build = text("clearwell-build.1");
        for part in
            [".SH \"EXIT STATUS\"", "nothing changed since", ".SH ENVIRONMENT", "CLEARWELL_PROFILE", ".SH FILES"]
        {
            assert!(build.contains(part), "{part}: {build}");
        }
        assert!(text("clearwell-serve.1").contains("serve.toml"));
        assert!(text("clearwell.1").starts_with(".ie") || text("clearwell.1").contains(".TH clearwell 1 2026-11-29"));
    }
}

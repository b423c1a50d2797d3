//! The pages of docs/reference, which are written from the code. Each test compares one page with its file; with
//! `CLEARWELL_UPDATE=1` it writes the file instead:
//!
//! ```text
//! CLEARWELL_UPDATE=1 cargo test -p clearwell -p clearwell-metrics reference
//! ```
//!
//! The page of metrics is that of `clearwell-metrics`, which has the registry.

mod command_line;
mod configuration;
mod exit_codes;
mod guard_rules;
mod json;

use std::fmt::Write as _;

use clearwell_testkit::{GENERATED, assert_page};

/// A page with its title and introduction.
struct Reference {
    text: String,
}

impl Reference {
    fn new(title: &str, introduction: &str) -> Self {
        Self { text: format!("# {title}\n\n{GENERATED}\n\n{introduction}\n") }
    }

    fn heading(&mut self, level: usize, title: &str) {
        let _ = write!(self.text, "\n{} {title}\n", "#".repeat(level));
    }

    fn paragraph(&mut self, text: &str) {
        let _ = write!(self.text, "\n{text}\n");
    }

    /// A table; a cell may have several lines of text. Without rows, nothing.
    fn table<const N: usize>(&mut self, head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return;
        }
        let _ = write!(self.text, "\n| {} |\n|{}\n", head.join(" | "), "---|".repeat(N));
        for row in rows {
            let cells = row.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
            let _ = writeln!(self.text, "| {} |", cells.join(" | "));
        }
    }

    /// Compares the page with the file of this name in docs/reference.
    #[track_caller]
    fn assert_is(self, name: &str) {
        assert_page(&format!("docs/reference/{name}"), &self.text);
    }
}

/// Names in code spans, separated by commas.
fn codes(names: impl IntoIterator<Item: std::fmt::Display>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A sentence: the text with a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let text = text.trim();
    let Some(first) = text.chars().next() else { return String::new() };
    let stop = if text.ends_with(['.', ':']) { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), &text[first.len_utf8()..])
}

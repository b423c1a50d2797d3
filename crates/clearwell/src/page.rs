//! A result as lines of text. Names in it may come from anywhere: they cannot begin a line or move the cursor.

use std::fmt;

use clearwell_format::printable;

/// Lines of text. Each `writeln!` adds exactly one line, whatever its arguments contain.
#[derive(Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    /// A page with one line.
    pub(crate) fn of(line: impl fmt::Display) -> Self {
        let mut page = Self::default();
        let _ = writeln!(page, "{line}");
        page
    }

    /// Called by `writeln!`: the arguments are one line.
    pub(crate) fn write_fmt(&mut self, line: fmt::Arguments<'_>) -> fmt::Result {
        let line = line.to_string();
        self.0.push_str(&printable(line.strip_suffix('\n').unwrap_or(&line)));
        self.0.push('\n');
        Ok(())
    }

    /// Adds an empty line.
    pub(crate) fn gap(&mut self) {
        self.0.push('\n');
    }

    /// Adds the lines of another page.
    pub(crate) fn append(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_begins_no_line() {
        let mut page = Page::of("first");
        let (name, other) = ("a\nb", "\u{1b}[2J");
        let _ = writeln!(page, "{name}: {other}");
        page.gap();
        page.append(&Page::of("last"));
        assert_eq!(page.as_str(), "first\na\\nb: \\x1b[2J\n\nlast\n");
    }
}

//! The INI dialect of mixer's files: sections, `key=value` lines, comments after `#` or `;` at the start of a line.

use crate::source::TextError;

/// A section with its keys, both as written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section<'a> {
    pub(super) name: &'a str,
    /// The line of the name, counted from 1.
    pub(super) line: usize,
    pub(super) keys: Vec<(&'a str, &'a str)>,
}

impl<'a> Section<'a> {
    /// The value of a key, whatever its case. Of a key that stands twice the last one counts.
    pub(super) fn value(&self, key: &str) -> Option<&'a str> {
        self.keys.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| *value)
    }
}

/// Reads all sections in order.
pub(super) fn parse(text: &str) -> Result<Vec<Section<'_>>, TextError> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let (line, number) = (line.trim(), number + 1);
        let broken = |what: &str| TextError { line: number, what: what.into() };
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            let name = name.strip_suffix(']').ok_or_else(|| broken("the section name has no closing bracket"))?;
            sections.push(Section { name: name.trim(), line: number, keys: Vec::new() });
            continue;
        }
        let (key, value) = line.split_once('=').ok_or_else(|| broken("the line is no [section] and no key=value"))?;
        match sections.last_mut() {
            Some(section) => section.keys.push((key.trim(), value.trim())),
            None => return Err(broken("the key stands before the first [section]")),
        }
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_keys_are_read() {
        let sections =
            parse("# a\n\n[Server]\nimagebase = /x=y/\n; b\n[ Debuginfo ]\nBanned=true\nbanned=no\n").unwrap();
        assert_eq!(sections[0].value("IMAGEBASE"), Some("/x=y/"));
        assert_eq!((sections[1].name, sections[1].line), ("Debuginfo", 6));
        assert_eq!(sections[1].value("banned"), Some("no"));
        assert_eq!(sections[1].value("lib"), None);
    }

    #[test]
    fn broken_lines_are_named() {
        for (text, line) in [("[a]\nb\n", 2), ("[a\n", 1), ("\na=b\n", 2)] {
            assert_eq!(parse(text).unwrap_err().line, line, "{text:?}");
        }
    }
}

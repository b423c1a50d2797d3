//! The INI dialect of mixer's files, which is that of its library (go-ini).
//!
//! ```text
//! [name] anything                 the name is everything between the first [ and the last ], including white space
//! key = value ; comment           or key: value; quotes around key and value are taken off
//! key = first \                   the next line belongs to the value
//! key = """first                  so do all lines up to the next quotes; back quotes do the same
//! ```
//!
//! Comments begin with `#` or `;`. Keys before the first section belong to the section `DEFAULT`. Sections with the
//! same name are merged.

use crate::source::{TextError, TextNote};

/// A section with its keys, as written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    /// The first line of the name, counted from 1; 0 where it is not written.
    pub(super) line: usize,
    pub(super) keys: Vec<Key>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) line: usize,
}

/// What keys before the first section belong to.
pub(super) const DEFAULT: &str = "DEFAULT";

/// Reads all sections, `DEFAULT` first.
///
/// # Errors
/// For what the library does not read either.
pub(super) fn parse(text: &str, notes: &mut Vec<TextNote>) -> Result<Vec<Section>, TextError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = Lines { rest: text, number: 0 };
    let mut sections = vec![Section { name: DEFAULT.into(), line: 0, keys: Vec::new() }];
    let mut current = 0;
    while let Some(line) = lines.next() {
        let number = lines.number;
        let broken = |what: &str| TextError { line: number, what: what.into() };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let (name, after) =
                rest.rsplit_once(']').ok_or_else(|| broken("the section name has no closing bracket"))?;
            if name.is_empty() {
                return Err(broken("the section has no name"));
            }
            let after = after.trim();
            if !after.is_empty() && !after.starts_with(['#', ';']) {
                notes.push(TextNote::new(number, format!("\"{after}\" after the section name is ignored")));
            }
            let known = sections.iter().position(|section| section.name == name);
            current = known.unwrap_or(sections.len());
            match known {
                Some(known) if sections[known].line == 0 => sections[known].line = number,
                Some(_) => {}
                None => sections.push(Section { name: name.into(), line: number, keys: Vec::new() }),
            }
            continue;
        }
        let (name, value) = key_and_value(line).map_err(broken)?;
        let value = lines.value(value).map_err(broken)?;
        if let Some(cut) = value.cut {
            let what =
                format!("the value of {name} ends before {cut}: what follows is a comment; put it in back quotes");
            notes.push(TextNote::new(number, what));
        }
        sections[current].keys.push(Key { name: name.into(), value: value.text, line: number });
    }
    if let Some(section) = sections.iter().find(|section| section.has_other_text()) {
        return Err(TextError { line: section.line, what: "the line is not UTF-8".into() });
    }
    Ok(sections)
}

impl Section {
    /// The value of a key, whatever its case. Of a key that occurs twice the last one counts.
    pub(super) fn value(&self, key: &str) -> Option<&Key> {
        self.keys.iter().rev().find(|has| has.name.to_lowercase() == key)
    }

    /// True if a name or a value was not UTF-8, and so cannot be trusted.
    fn has_other_text(&self) -> bool {
        let is_other = |text: &str| text.contains(char::REPLACEMENT_CHARACTER);
        is_other(&self.name) || self.keys.iter().any(|key| is_other(&key.name) || is_other(&key.value))
    }
}

/// The name of a key, without its quotes, and what follows the delimiter.
fn key_and_value(line: &str) -> Result<(&str, &str), &'static str> {
    let quote = match line.as_bytes() {
        [b'"', b'"', b'"', _, _, _, _, ..] => "\"\"\"",
        [b'"', ..] => "\"",
        [b'`', ..] => "`",
        _ => "",
    };
    let unquoted = &line[quote.len()..];
    let name_length = match quote {
        "" => 0,
        quote => unquoted.find(quote).ok_or("the quotes around the key are not closed")? + quote.len(),
    };
    let delimiter = unquoted[name_length..].find(DELIMITERS).ok_or("the line is neither a [section] nor key=value")?;
    let name = match quote {
        "" => &unquoted[..delimiter],
        quote => &unquoted[..name_length - quote.len()],
    };
    match name.trim() {
        "" => Err("the line has no key before its delimiter"),
        name => Ok((name, &unquoted[name_length + delimiter + 1..])),
    }
}

const DELIMITERS: [char; 2] = ['=', ':'];

struct Value {
    text: String,
    /// The comment sign, if the value ends right before one: then it was hardly meant as one.
    cut: Option<char>,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self { text: text.into(), cut: None }
    }
}

struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    /// The next line, with its line feed.
    fn next(&mut self) -> Option<&'a str> {
        let line = self.rest.split_inclusive('\n').next()?;
        self.rest = &self.rest[line.len()..];
        self.number += 1;
        Some(line)
    }

    /// A value that begins with `text` and may continue in the next lines.
    fn value(&mut self, text: &str) -> Result<Value, &'static str> {
        let text = text.trim_start();
        let quote = if text.len() > 3 && text.starts_with("\"\"\"") { "\"\"\"" } else { "`" };
        if let Some(quoted) = text.strip_prefix(quote) {
            return match quoted.rfind(quote) {
                Some(end) => Ok(quoted[..end].into()),
                None => self.quoted(quoted, quote),
            };
        }
        let text = text.trim_end();
        if let Some(first) = text.strip_suffix('\\') {
            return Ok(Value { text: self.continued(first), cut: None });
        }
        let (text, comment) = text.split_at(text.find(['#', ';']).unwrap_or(text.len()));
        let cut = comment.chars().next().filter(|_| !text.is_empty() && text.trim_end() == text);
        let text = text.trim_end();
        for quote in ['"', '\''] {
            let inner = text.strip_prefix(quote).and_then(|inner| inner.strip_suffix(quote));
            if let Some(inner) = inner.filter(|inner| !inner.contains(quote)) {
                return Ok(Value { text: inner.into(), cut });
            }
        }
        Ok(Value { text: text.into(), cut })
    }

    fn quoted(&mut self, first: &str, quote: &str) -> Result<Value, &'static str> {
        let mut text = first.to_owned();
        while let Some(line) = self.next() {
            if let Some(end) = line.rfind(quote) {
                text.push_str(&line[..end]);
                return Ok(Value { text, cut: None });
            }
            text.push_str(line);
        }
        Err("the quotes around the value are not closed")
    }

    fn continued(&mut self, first: &str) -> String {
        let mut text = first.to_owned();
        while let Some(line) = self.next().map(str::trim).filter(|line| !line.is_empty()) {
            match line.strip_suffix('\\') {
                Some(more) => text.push_str(more),
                None => {
                    text.push_str(line);
                    break;
                }
            }
        }
        text
    }
}

//! TOML as mixer reads it: sections of keys, whose names may be in any case.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::source::error::line_of;
use crate::source::{TextError, TextNote};

/// The sections that mixer knows in a file, with their keys.
pub(super) type Known = [(&'static str, &'static [&'static str])];

/// The values of known keys.
pub(super) struct TomlFile<'t> {
    text: &'t str,
    values: Vec<((&'static str, &'static str), Spanned<DeValue<'t>>)>,
}

/// A value and its line.
pub(super) struct Located {
    pub(super) value: String,
    pub(super) line: usize,
}

impl<'t> TomlFile<'t> {
    /// Reads a file; `notes` gets what is not `known`.
    ///
    /// # Errors
    /// For broken TOML, for a section that is a value, and for a name that occurs twice in different case: mixer takes
    /// one of them by chance.
    pub(super) fn parse(text: &'t str, known: &'static Known, notes: &mut Vec<TextNote>) -> Result<Self, TextError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let table = DeTable::parse(text).map_err(|error| TextError::of_toml(&error, text))?.into_inner();
        let mut file = Self { text, values: Vec::new() };
        let mut seen = Vec::new();
        for (name, section) in table {
            let line = file.line(name.span().start);
            let Some((known_name, keys)) = known.iter().find(|(known, _)| is_called(name.get_ref(), known)) else {
                notes.push(TextNote::new(line, format!("unknown name {}: ignored", name.get_ref())));
                continue;
            };
            if seen.contains(known_name) {
                return Err(twice(known_name, line));
            }
            seen.push(*known_name);
            let DeValue::Table(section) = section.into_inner() else {
                return Err(TextError { line, what: format!("{} is not a section", name.get_ref()) });
            };
            for (name, value) in section {
                let line = file.line(name.span().start);
                let Some(key) = keys.iter().find(|key| is_called(name.get_ref(), key)) else {
                    notes.push(TextNote::new(line, format!("unknown key {} in {known_name}: ignored", name.get_ref())));
                    continue;
                };
                if file.values.iter().any(|(place, _)| *place == (*known_name, *key)) {
                    return Err(twice(key, line));
                }
                file.values.push(((known_name, key), value));
            }
        }
        Ok(file)
    }

    /// True for any valid TOML.
    pub(super) fn is_toml(text: &str) -> bool {
        DeTable::parse(text.strip_prefix('\u{feff}').unwrap_or(text)).is_ok()
    }

    /// The text of a key.
    ///
    /// # Errors
    /// If the value is not a string in UTF-8.
    pub(super) fn string(&self, section: &str, key: &str) -> Result<Option<Located>, TextError> {
        let Some((value, line)) = self.value(section, key) else { return Ok(None) };
        match value {
            DeValue::String(text) if text.contains(char::REPLACEMENT_CHARACTER) => {
                Err(TextError { line, what: format!("the value of {key} is not UTF-8") })
            }
            DeValue::String(text) => Ok(Some(Located { value: text.clone().into_owned(), line })),
            other => Err(wrong_type(key, other, "a string in quotes", line)),
        }
    }

    /// As [`string`](Self::string), for a key that may also be a number.
    pub(super) fn string_or_integer(&self, section: &str, key: &str) -> Result<Option<Located>, TextError> {
        match self.value(section, key) {
            Some((DeValue::Integer(number), line)) => Ok(Some(Located { value: number.to_string(), line })),
            _ => self.string(section, key),
        }
    }

    /// The texts of a key with several values.
    ///
    /// # Errors
    /// If the value is not an array of strings.
    pub(super) fn strings(&self, section: &str, key: &str) -> Result<Option<Vec<String>>, TextError> {
        let Some((value, line)) = self.value(section, key) else { return Ok(None) };
        let DeValue::Array(items) = value else {
            return Err(wrong_type(key, value, "an array of strings", line));
        };
        let text = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
            DeValue::String(text) => Ok(text.clone().into_owned()),
            other => Err(wrong_type(key, other, "an array of strings", line)),
        };
        items.iter().map(text).collect::<Result<_, _>>().map(Some)
    }

    fn value(&self, section: &str, key: &str) -> Option<(&DeValue<'t>, usize)> {
        let (_, value) = self.values.iter().find(|(place, _)| *place == (section, key))?;
        Some((value.get_ref(), self.line(value.span().start)))
    }

    fn line(&self, at: usize) -> usize {
        line_of(self.text, at)
    }
}

/// True if mixer takes `name` for `key`. Case does not count, and neither do the long s and the Kelvin sign.
pub(super) fn is_called(name: &str, key: &str) -> bool {
    let fold = |letter| match letter {
        'ſ' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    };
    name.chars().map(fold).eq(key.chars().map(fold))
}

fn twice(name: &str, line: usize) -> TextError {
    TextError { line, what: format!("{name} is set twice, in different case; remove one") }
}

fn wrong_type(key: &str, value: &DeValue<'_>, expected: &str, line: usize) -> TextError {
    TextError { line, what: format!("the value of {key} is of type {}; write {expected}", value.type_str()) }
}

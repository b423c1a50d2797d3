//! Reading `serve.toml`: keys in their sections, each error with its line and column.
//!
//! ```text
//! max-connections = 100        a key may be at the top of the file, as before there were sections,
//! [limits]
//! max-connections = 100        or in its section; not in both
//! ```

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::InvalidConfig;
use super::keys::{KEYS, Key};

/// The values of a file by the name of their key, without sections.
///
/// # Errors
/// The first syntax error, unknown key or bad value.
pub(super) fn read(text: &str) -> Result<Table, InvalidConfig> {
    let file = DeTable::parse(text).map_err(|error| syntax(text, &error))?.into_inner();
    let mut entries = Vec::new();
    for (name, value) in file {
        let is_section = KEYS.iter().any(|key| key.section == name.get_ref());
        match value.as_ref() {
            DeValue::Table(section) if is_section => {
                entries
                    .extend(section.clone().into_iter().map(|(key, value)| (Some(name.get_ref().clone()), key, value)));
            }
            _ => entries.push((None, name, value)),
        }
    }
    // In the order of the text: the first error is the one to report.
    entries.sort_by_key(|(_, name, _)| name.span().start);
    let mut values = Table::new();
    for (section, name, value) in entries {
        insert(text, &mut values, section.as_deref(), &name, value)?;
    }
    Ok(values)
}

fn insert(
    text: &str,
    values: &mut Table,
    section: Option<&str>,
    name: &Spanned<Cow<'_, str>>,
    value: Spanned<DeValue<'_>>,
) -> Result<(), InvalidConfig> {
    let shown = match section {
        Some(section) => format!("{section}.{}", name.get_ref()),
        None => name.get_ref().to_string(),
    };
    let at_name = |problem: String| error_at(text, name.span(), format!("{shown}: {problem}"));
    let key = match Key::find(name.get_ref()) {
        Some(key) if section.is_none_or(|section| section == key.section) => key,
        Some(key) => return Err(at_name(format!("belongs in [{}]", key.section))),
        None => {
            return Err(at_name(match (likely(name.get_ref()), section) {
                (Some(key), Some(section)) if section != key.section => {
                    format!("unknown key; did you mean {}, which belongs in [{}]?", key.name, key.section)
                }
                _ => unknown(name.get_ref()),
            }));
        }
    };
    let span = value.span();
    let value = Value::deserialize(value.into_deserializer())
        .map_err(|error| error_at(text, span.clone(), format!("{shown}: {}", error.message())))?;
    key.kind.check(&value).map_err(|problem| error_at(text, span, format!("{shown}: {problem}")))?;
    match values.insert(key.name.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(at_name(format!("{} is set twice in this file", key.name))),
    }
}

/// What to say about a key that does not exist.
pub(super) fn unknown(name: &str) -> String {
    match likely(name) {
        Some(key) => format!("unknown key; did you mean {}?", key.name),
        None => "unknown key".to_owned(),
    }
}

/// The key with the most similar name.
fn likely(name: &str) -> Option<&'static Key> {
    let similar =
        KEYS.iter().map(|key| (strsim::jaro(name, key.name), key)).filter(|(similarity, _)| *similarity > 0.8);
    similar.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, key)| key)
}

fn syntax(text: &str, error: &toml::de::Error) -> InvalidConfig {
    error_at(text, error.span().unwrap_or_default(), error.message().to_owned())
}

fn error_at(text: &str, span: Range<usize>, message: String) -> InvalidConfig {
    let (line, column) = line_and_column(text, span.start);
    InvalidConfig::File { line, column, message }
}

/// Line and column of a byte of `text`, both counted from 1, columns in characters.
pub fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    (line, String::from_utf8_lossy(&before[line_start..]).chars().count() + 1)
}

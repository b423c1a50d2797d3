//! The kinds of values of keys, and the messages for invalid values.

use std::num::IntErrorKind;

use toml::Value;

use super::{ByteRate, ByteSize, Listen, Listener, Networks};
use crate::target::BasePath;

/// What the value of a key may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A whole number from `least` to `most`.
    Number {
        /// The least that has a meaning: 0 or 1.
        least: i64,
        /// The most that is stored.
        most: i64,
    },
    /// A [`ByteSize`], or a number of bytes.
    Size,
    /// A [`ByteRate`], or a number of bytes per second.
    Rate,
    /// True or false.
    Boolean,
    /// When clients are asked for certificates.
    ClientCertificates,
    /// Which requests are logged.
    AccessLog,
    /// The format of the access log.
    LogFormat,
    /// A path of the file system.
    Path,
    /// A [`Listen`], or an array of its parts.
    Address,
    /// [`Networks`].
    NetworkList,
    /// A [`BasePath`].
    UrlPath,
}

impl ValueKind {
    /// The value that `text` means on a command line or in the environment.
    ///
    /// # Errors
    /// What was expected, if it is not one.
    pub(super) fn read(self, text: &str) -> Result<Value, String> {
        let value = match self {
            Self::Number { most, .. } => match text.parse::<i64>() {
                Ok(number) => Value::Integer(number),
                // More digits than a number of the file can have.
                Err(error) if *error.kind() == IntErrorKind::PosOverflow => {
                    return Err(format!("expected a whole number up to {most}, found {text}"));
                }
                Err(_) => Value::String(text.to_owned()),
            },
            Self::Boolean => text.parse().map_or_else(|_| Value::String(text.to_owned()), Value::Boolean),
            _ => Value::String(text.to_owned()),
        };
        self.check(&value)?;
        Ok(value)
    }

    /// # Errors
    /// What was expected, if the value is not of this kind.
    pub(super) fn check(self, value: &Value) -> Result<(), String> {
        fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<(), String> {
            text.parse::<T>().map(drop).map_err(|error| error.to_string())
        }
        match (self, value) {
            (Self::Number { least, most }, Value::Integer(number)) if (least..=most).contains(number) => Ok(()),
            (Self::Size | Self::Rate, Value::Integer(0..)) | (Self::Boolean, Value::Boolean(_)) => Ok(()),
            (Self::Path, Value::String(_)) => Ok(()),
            (Self::Size, Value::String(text)) => parse::<ByteSize>(text),
            (Self::Rate, Value::String(text)) => parse::<ByteRate>(text),
            (Self::Address, Value::String(text)) => parse::<Listen>(text),
            (Self::Address, Value::Array(parts)) if parts.iter().all(Value::is_str) => {
                parts.iter().filter_map(Value::as_str).try_for_each(parse::<Listener>)
            }
            (Self::NetworkList, Value::String(text)) => parse::<Networks>(text),
            (Self::UrlPath, Value::String(text)) => parse::<BasePath>(text),
            (Self::ClientCertificates | Self::AccessLog | Self::LogFormat, Value::String(text))
                if self.words().is_some_and(|words| words.contains(&text.as_str())) =>
            {
                Ok(())
            }
            (Self::Number { most, .. }, _) => Err(self.expected_instead_of(value, most)),
            _ => Err(self.expected_instead_of(value, i64::MAX)),
        }
    }

    fn expected_instead_of(self, value: &Value, most: i64) -> String {
        let is_too_large = value.as_integer().is_some_and(|number| number > most);
        let expected = if is_too_large { format!("a whole number up to {most}") } else { self.expected() };
        format!("expected {expected}, found {value}")
    }

    /// What a value is, as errors and the reference say it: `true or false`.
    pub fn expected(self) -> String {
        match self {
            Self::Number { least: 1, .. } => "a whole number above 0".to_owned(),
            Self::Number { .. } => "a whole number, 0 or above".to_owned(),
            Self::Size => "a number of bytes, or a text such as \"64MiB\"".to_owned(),
            Self::Rate => "a number of bytes per second, or a text such as \"50MiB/s\"".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::Path => "a path in quotes".to_owned(),
            Self::Address => "an address in quotes, a list of them, or \"off\"".to_owned(),
            Self::NetworkList => "networks in quotes, such as \"10.0.0.0/8, 2001:db8::/32\"".to_owned(),
            Self::UrlPath => "a path in quotes, such as \"/update\"".to_owned(),
            Self::ClientCertificates | Self::AccessLog | Self::LogFormat => {
                let words = self.words().unwrap_or_default().iter().map(|word| format!("\"{word}\""));
                let words = words.collect::<Vec<_>>().join(", ");
                words.rsplit_once(", ").map_or_else(|| words.clone(), |(first, last)| format!("{first} or {last}"))
            }
        }
    }

    /// All values, if there are few; a test compares them with the enum.
    pub const fn words(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Boolean => Some(&["true", "false"]),
            Self::ClientCertificates => Some(&["none", "request", "require"]),
            Self::AccessLog => Some(&["off", "sampled", "full"]),
            Self::LogFormat => Some(&["process", "json", "combined"]),
            _ => None,
        }
    }
}

//! `mixer.state`: the format of a mix and the version it was last released in (workspace 3).
//!
//! ```text
//! #VERSION 1.1
//!
//! [Mix]
//!   FORMAT = "30"
//!   PREVIOUS_MIX_VERSION = "20"
//! ```

use clearwell_format::{FormatNumber, Version};
use serde::Deserialize;

use crate::source::TextError;

/// What `mixer.state` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MixerState {
    /// `FORMAT`.
    pub format: FormatNumber,
    /// `PREVIOUS_MIX_VERSION`; `None` for 0.
    pub previous: Option<Version>,
}

impl MixerState {
    /// Reads the file.
    ///
    /// # Errors
    /// If the first line is not `#VERSION` with a number, for broken TOML and for values that are no numbers.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let first = text.lines().next().unwrap_or_default();
        if !first.strip_prefix("#VERSION ").is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit())) {
            return Err(TextError { line: 1, what: "the file does not begin with #VERSION and a number".into() });
        }
        let file: File = toml::from_str(text).map_err(|error| TextError::of_toml(&error, text))?;
        let wrong = |key: &str, what: String| TextError { line: line_of(text, key), what: format!("{key}: {what}") };
        Ok(Self {
            format: file.mix.format.parse().map_err(|error| wrong("FORMAT", format!("{error}")))?,
            previous: version_or_none(&file.mix.previous_mix_version)
                .map_err(|error| wrong("PREVIOUS_MIX_VERSION", format!("{error}")))?,
        })
    }

    /// The file as mixer writes it.
    pub fn to_text(self) -> String {
        let previous = self.previous.map_or(0, Version::number);
        format!("#VERSION 1.1\n\n[Mix]\n  FORMAT = \"{}\"\n  PREVIOUS_MIX_VERSION = \"{previous}\"\n", self.format)
    }
}

/// A version in which 0 means none.
pub(super) fn version_or_none(text: &str) -> Result<Option<Version>, clearwell_format::version::InvalidVersion> {
    match text.trim() {
        "0" => Ok(None),
        digits => digits.parse().map(Some),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct File {
    mix: Mix,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct Mix {
    format: String,
    #[serde(default = "no_version")]
    previous_mix_version: String,
}

fn no_version() -> String {
    "0".into()
}

fn line_of(text: &str, key: &str) -> usize {
    text.lines().position(|line| line.trim_start().starts_with(key)).map_or(0, |line| line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let state = MixerState { format: FormatNumber::new(30).unwrap(), previous: Version::new(20) };
        assert_eq!(MixerState::parse(&state.to_text()), Ok(state));
        let first = MixerState { previous: None, ..state };
        assert_eq!(MixerState::parse(&first.to_text()), Ok(first));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line) in [
            ("", 1),
            ("[Mix]\n", 1),
            ("#VERSION 1.1\n[Mix]\nFORMAT = 30\n", 3),
            ("#VERSION 1.1\n[Mix]\nFORMAT = \"x\"\n", 3),
            ("#VERSION 1.1\n[Mix]\nFORMAT = \"1\"\n  PREVIOUS_MIX_VERSION = \"-1\"\n", 4),
        ] {
            assert_eq!(MixerState::parse(text).unwrap_err().line, line, "{text:?}");
        }
    }
}

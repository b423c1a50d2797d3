//! `mixer.state`: the format of a mix and the version it was last released in (workspace 3).
//!
//! ```text
//! #VERSION 1.1
//!
//! [Mix]
//!   FORMAT = "30"
//!   PREVIOUS_MIX_VERSION = "20"
//! ```

use clearwell_format::version::InvalidVersion;
use clearwell_format::{FormatNumber, Version};
use serde::Deserialize;

use crate::source::TextError;

/// What `mixer.state` says; `None` for what it leaves out, which mixer then takes from elsewhere (workspace 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MixerState {
    /// `FORMAT`.
    pub format: Option<FormatNumber>,
    /// `PREVIOUS_MIX_VERSION`; 0 where there is none.
    pub previous: Option<u32>,
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
        let format = file.mix.format.map(|text| text.parse()).transpose();
        let previous = file.mix.previous_mix_version.map(|text| version_or_zero(&text)).transpose();
        Ok(Self {
            format: format.map_err(|error| wrong("FORMAT", format!("{error}")))?,
            previous: previous.map_err(|error| wrong("PREVIOUS_MIX_VERSION", format!("{error}")))?,
        })
    }
}

/// The file as mixer writes it.
pub(super) fn to_text(format: FormatNumber, previous: Version) -> String {
    format!("#VERSION 1.1\n\n[Mix]\n  FORMAT = \"{format}\"\n  PREVIOUS_MIX_VERSION = \"{previous}\"\n")
}

/// A version, or 0 for none, with leading zeros as mixer takes them.
pub(super) fn version_or_zero(text: &str) -> Result<u32, InvalidVersion> {
    let text = text.trim();
    match text.trim_start_matches('0') {
        "" if !text.is_empty() => Ok(0),
        digits => digits.parse::<Version>().map(Version::number),
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct File {
    mix: Mix,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "SCREAMING_SNAKE_CASE")]
struct Mix {
    format: Option<String>,
    previous_mix_version: Option<String>,
}

fn line_of(text: &str, key: &str) -> usize {
    text.lines().position(|line| line.trim_start().starts_with(key)).map_or(0, |line| line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let (format, previous) = (FormatNumber::new(30).unwrap(), Version::new(20).unwrap());
        let state = MixerState { format: Some(format), previous: Some(20) };
        assert_eq!(MixerState::parse(&to_text(format, previous)), Ok(state));
    }

    #[test]
    fn what_is_left_out_is_left_open() {
        for (text, format, previous) in [
            ("#VERSION 1.1\n", None, None),
            ("#VERSION 1.1\n[Mix]\n", None, None),
            ("#VERSION 1.1\n[Mix]\nFORMAT = \"30\"\n", FormatNumber::new(30), None),
            ("#VERSION 1.1\n[Mix]\nPREVIOUS_MIX_VERSION = \"0\"\n", None, Some(0)),
            ("#VERSION 1.1\n[Mix]\nPREVIOUS_MIX_VERSION = \"010\"\n", None, Some(10)),
        ] {
            assert_eq!(MixerState::parse(text), Ok(MixerState { format, previous }), "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line) in [
            ("", 1),
            ("[Mix]\n", 1),
            ("#VERSION 1.1\n[Mix]\nFORMAT = 30\n", 3),
            ("#VERSION 1.1\n[Mix]\nFORMAT = \"x\"\n", 3),
            ("#VERSION 1.1\n[Mix]\nFORMAT = \"1\"\n  PREVIOUS_MIX_VERSION = \"-1\"\n", 4),
            ("#VERSION 1.1\n[Mix]\nPREVIOUS_MIX_VERSION = \"\"\n", 3),
        ] {
            assert_eq!(MixerState::parse(text).unwrap_err().line, line, "{text:?}");
        }
    }
}

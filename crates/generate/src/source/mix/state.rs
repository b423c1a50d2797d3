//! `mixer.state`: the format of a mix and the version it was last released in (mixer workspace §3).
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

use super::toml_file::{Known, Located, TomlFile};
use crate::source::{TextError, TextNote};

/// The values of `mixer.state`; `None` for missing ones, which mixer then takes from elsewhere (mixer workspace §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MixerState {
    /// `FORMAT`.
    pub format: Option<FormatNumber>,
    /// `PREVIOUS_MIX_VERSION`; 0 where there is none.
    pub previous: Option<u32>,
}

impl MixerState {
    /// Reads the file. Which version of mixer its first line names, if any, changes nothing.
    ///
    /// # Errors
    /// For an empty file, for broken TOML and for values that are not numbers.
    pub fn parse(text: &str, notes: &mut Vec<TextNote>) -> Result<Self, TextError> {
        if text.trim().is_empty() {
            return Err(TextError { line: 1, what: "the file is empty; remove it, and mixer makes a new one".into() });
        }
        let file = TomlFile::parse(text, KNOWN, notes)?;
        let wrong = |line: usize, key: &str, what: String| TextError { line, what: format!("{key}: {what}") };
        let format = file
            .string("Mix", "FORMAT")?
            .map(|Located { value, line }| value.parse().map_err(|error| wrong(line, "FORMAT", format!("{error}"))));
        let previous = file.string("Mix", "PREVIOUS_MIX_VERSION")?.map(|Located { value, line }| {
            version_or_zero(&value).map_err(|error| wrong(line, "PREVIOUS_MIX_VERSION", format!("{error}")))
        });
        Ok(Self { format: format.transpose()?, previous: previous.transpose()? })
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

const KNOWN: &Known = &[("Mix", &["FORMAT", "PREVIOUS_MIX_VERSION"])];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let (format, previous) = (FormatNumber::new(30).unwrap(), Version::new(20).unwrap());
        let state = MixerState { format: Some(format), previous: Some(20) };
        assert_eq!(MixerState::parse(&to_text(format, previous), &mut Vec::new()), Ok(state));
    }

    #[test]
    fn what_is_left_out_is_left_open() {
        for (text, format, previous) in [
            ("#VERSION 1.1\n", None, None),
            ("#VERSION 1.1\n[Mix]\n", None, None),
            ("[mix]\nformat = \"30\"\n", FormatNumber::new(30), None),
            ("#VERSION 1.1\n[Mix]\nFORMAT = \"30\"\n", FormatNumber::new(30), None),
            ("#VERSION 1.1\n[Mix]\nPREVIOUS_MIX_VERSION = \"0\"\n", None, Some(0)),
            ("#VERSION 1.1\n[Mix]\nPREVIOUS_MIX_VERSION = \"010\"\n", None, Some(10)),
        ] {
            assert_eq!(MixerState::parse(text, &mut Vec::new()), Ok(MixerState { format, previous }), "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line) in [
            ("", 1),
            ("[Mix\n", 1),
            ("#VERSION 1.1\n[Mix]\nFORMAT = 30\n", 3),
            ("#VERSION 1.1\n[Mix]\nFORMAT = \"x\"\n", 3),
            ("#VERSION 1.1\n[Mix]\nFORMAT = \"1\"\n  PREVIOUS_MIX_VERSION = \"-1\"\n", 4),
            ("#VERSION 1.1\n[Mix]\nPREVIOUS_MIX_VERSION = \"\"\n", 3),
        ] {
            assert_eq!(MixerState::parse(text, &mut Vec::new()).unwrap_err().line, line, "{text:?}");
        }
    }
}

//! The format: which epoch of content a manifest belongs to. Callers ask for an ability, not for a number (manifest
//! §1).

use std::fmt;
use std::str::FromStr;

use crate::version::decimal;

/// A format number, 1 to 65535.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FormatNumber(u16);

impl FormatNumber {
    /// The largest format.
    pub const MAX: Self = Self(u16::MAX);

    /// `None` for 0.
    pub const fn new(number: u16) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// The plain number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Parses canonical decimal digits.
    pub fn parse(digits: &[u8]) -> Result<Self, InvalidFormat> {
        decimal(digits)
            .and_then(|number| u16::try_from(number).ok())
            .and_then(Self::new)
            .ok_or_else(|| InvalidFormat(String::from_utf8_lossy(&digits[..digits.len().min(40)]).into_owned()))
    }

    /// Manifests may carry a `minversion:` line.
    pub const fn has_min_version(self) -> bool {
        self.0 >= 26
    }

    /// A MoM may mark a bundle as experimental.
    pub const fn has_experimental(self) -> bool {
        self.0 >= 27
    }

    /// Manifests may carry `also-add:` lines.
    pub const fn has_also_add(self) -> bool {
        self.0 >= 29
    }

    /// The largest `contentsize:` that a bundle manifest of this format states. Format 25 alone has one: its clients
    /// kept the number in 32 bits.
    pub const fn largest_content_size(self) -> Option<u64> {
        if self.0 == 25 { Some(1_999_999_999) } else { None }
    }
}

impl FromStr for FormatNumber {
    type Err = InvalidFormat;

    fn from_str(text: &str) -> Result<Self, InvalidFormat> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for FormatNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for FormatNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Not a format number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a format; use a number from 1 to 65535")]
pub struct InvalidFormat(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abilities_begin_where_the_spec_says() {
        let abilities = |n| {
            let format = FormatNumber::new(n).unwrap();
            (format.has_min_version(), format.has_experimental(), format.has_also_add(), format.largest_content_size())
        };
        assert_eq!(abilities(24), (false, false, false, None));
        assert_eq!(abilities(25), (false, false, false, Some(1_999_999_999)));
        assert_eq!(abilities(26), (true, false, false, None));
        assert_eq!(abilities(27), (true, true, false, None));
        assert_eq!(abilities(28), (true, true, false, None));
        assert_eq!(abilities(29), (true, true, true, None));
    }

    #[test]
    fn numbers_outside_16_bits_are_refused() {
        for bad in ["0", "65536", "-1", "030", "", "staging"] {
            assert!(bad.parse::<FormatNumber>().is_err(), "{bad:?}");
        }
    }
}

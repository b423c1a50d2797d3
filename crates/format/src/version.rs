//! Release numbers: a decimal from 1 to 2^31-1, the range every stock client reads (manifest §3.3).

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// The number of a release, or of the release in which something last changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(NonZeroU32);

impl Version {
    /// The largest version a stock client accepts.
    pub const MAX: u32 = i32::MAX as u32;

    /// `None` for 0 and for numbers above [`Version::MAX`].
    pub const fn new(number: u32) -> Option<Self> {
        if number > Self::MAX {
            return None;
        }
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The plain number.
    pub const fn number(self) -> u32 {
        self.0.get()
    }

    /// Parses canonical decimal digits: no sign, no leading zero, nothing around them.
    pub fn parse(digits: &[u8]) -> Result<Self, InvalidVersion> {
        let invalid = || InvalidVersion(String::from_utf8_lossy(&digits[..digits.len().min(40)]).into_owned());
        decimal(digits).and_then(|number| u32::try_from(number).ok()).and_then(Self::new).ok_or_else(invalid)
    }
}

impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Not a version number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a version; use a number from 1 to 2147483647 without leading zeros")]
pub struct InvalidVersion(String);

/// Canonical decimal digits as a number; `None` for anything else and for more than 19 digits.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    let canonical = match digits {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 19 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    canonical.then(|| digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_numbers_in_range_are_versions() {
        for good in ["1", "10", "2147483647"] {
            assert_eq!(good.parse::<Version>().unwrap().to_string(), good);
        }
        for bad in
            ["", "0", "-1", "+1", "010", " 10", "10\n", "2147483648", "4294967297", "99999999999999999999", "ten"]
        {
            assert!(bad.parse::<Version>().is_err(), "{bad:?}");
        }
    }
}

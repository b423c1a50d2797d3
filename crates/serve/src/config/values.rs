//! Types of values in the configuration.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::target::BasePath;

/// A number of bytes, written as such or with a unit: `4096`, `64KiB`, `50 MB`, `1.5g`.
///
/// | Unit, in upper or lower case | Bytes |
/// |---|---|
/// | `K` `M` `G` `T`, `KiB` `MiB` `GiB` `TiB` | powers of 1024 |
/// | `KB` `MB` `GB` `TB` | powers of 1000 |
/// | `B`, or none | 1 |
///
/// These are the units of GNU coreutils. The crates that parse sizes take `K` for 1000, and saturate or round where a
/// number is too large; here that is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// A size of `bytes`.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    pub(super) const fn kibibytes(number: u64) -> Self {
        Self(number << 10)
    }

    pub(super) const fn mebibytes(number: u64) -> Self {
        Self(number << 20)
    }

    /// The size in bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = InvalidByteSize;

    /// A fraction of a byte at the end is cut off.
    fn from_str(text: &str) -> Result<Self, InvalidByteSize> {
        let syntax = || InvalidByteSize::Syntax(text.to_owned());
        let trimmed = text.trim();
        let number = trimmed.trim_end_matches(|character: char| character.is_ascii_alphabetic());
        let unit = unit_bytes(&trimmed[number.len()..]).ok_or_else(syntax)?;
        let number = number.trim_end();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) || (unit == 1 && number.contains('.')) {
            return Err(syntax());
        }
        let fraction = &fraction[..fraction.len().min(FRACTION_DIGITS)];
        let part = fraction.parse::<u64>().ok().and_then(|part| {
            u64::try_from(u128::from(part) * u128::from(unit) / 10_u128.pow(fraction.len() as u32)).ok()
        });
        let bytes = whole.parse::<u64>().ok().and_then(|whole| whole.checked_mul(unit)?.checked_add(part?));
        bytes.map(Self).ok_or_else(|| InvalidByteSize::TooLarge(text.to_owned()))
    }
}

fn unit_bytes(unit: &str) -> Option<u64> {
    let unit = unit.to_ascii_lowercase();
    let (letter, base) = match unit.as_bytes() {
        [] | b"b" => return Some(1),
        [letter] | [letter, b'i', b'b'] => (letter, 1024_u64),
        [letter, b'b'] => (letter, 1000),
        _ => return None,
    };
    let power = b"kmgt".iter().position(|known| known == letter)?;
    Some(base.pow(power as u32 + 1))
}

/// Later digits of a fraction are less than a byte of the largest unit.
const FRACTION_DIGITS: usize = 18;

impl fmt::Display for ByteSize {
    /// In the largest binary unit that leaves no fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        match units.into_iter().find(|(_, shift)| self.0 != 0 && self.0.trailing_zeros() >= *shift) {
            Some((unit, shift)) => write!(f, "{}{unit}", self.0 >> shift),
            None => self.0.fmt(f),
        }
    }
}

/// Not a number of bytes, or of bytes per second.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidByteSize {
    /// Not a size.
    #[error("\"{0}\" is not a size; use a number of bytes, or a unit: 4096, 64KiB, 50MB, 1.5GiB")]
    Syntax(String),
    /// Not a rate.
    #[error("\"{0}\" is not a rate; use bytes per second: 4096, 64KiB/s, 50MB/s, 1.5GiB/s")]
    Rate(String),
    /// More than 64 bits hold.
    #[error("\"{0}\" is too large; use less than 16777216TiB")]
    TooLarge(String),
}

/// Bytes per second, written as a [`ByteSize`], with `/s` behind it or without: `50MiB/s`, `256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteRate(ByteSize);

impl ByteRate {
    /// A rate of `bytes` per second.
    pub const fn new(bytes: u64) -> Self {
        Self(ByteSize::new(bytes))
    }

    /// The rate in bytes per second.
    pub const fn bytes_per_second(self) -> u64 {
        self.0.bytes()
    }
}

impl FromStr for ByteRate {
    type Err = InvalidByteSize;

    fn from_str(text: &str) -> Result<Self, InvalidByteSize> {
        let size = text.trim_end();
        let size = size.strip_suffix("/s").or_else(|| size.strip_suffix("/S")).unwrap_or(size);
        size.parse().map(Self).map_err(|error| match error {
            InvalidByteSize::TooLarge(_) => InvalidByteSize::TooLarge(text.to_owned()),
            _ => InvalidByteSize::Rate(text.to_owned()),
        })
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.bytes();
        let unit = if bytes > 0 && bytes.is_multiple_of(1024) { "" } else { "B" };
        write!(f, "{}{unit}/s", self.0)
    }
}

/// Values that are a number of bytes, or a text with a unit.
macro_rules! as_number_or_text {
    ($type:ty, $example:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Either;
                impl Visitor<'_> for Either {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("a whole number of bytes, or a text such as \"", $example, "\""))
                    }

                    fn visit_i64<E: de::Error>(self, number: i64) -> Result<$type, E> {
                        let negative = |_| de::Error::invalid_value(de::Unexpected::Signed(number), &self);
                        u64::try_from(number).map(<$type>::new).map_err(negative)
                    }

                    fn visit_u64<E: de::Error>(self, number: u64) -> Result<$type, E> {
                        Ok(<$type>::new(number))
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(de::Error::custom)
                    }
                }
                deserializer.deserialize_any(Either)
            }
        }
    };
}
as_number_or_text!(ByteSize, "64MiB");
as_number_or_text!(ByteRate, "50MiB/s");

/// Values that are written as their text.
macro_rules! as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}
as_text!(ByteSize);
as_text!(ByteRate);
as_text!(BasePath);

/// Values that are read from their text.
macro_rules! from_text {
    ($type:ty) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}
from_text!(BasePath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_come_back_as_they_were_written() {
        for (text, bytes) in [
            ("0", 0),
            ("1", 1),
            ("1000", 1000),
            ("64KiB", 65536),
            ("2GiB", 2 << 30),
            ("3MiB", 3 << 20),
            ("5TiB", 5 << 40),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.bytes(), size.to_string().as_str()), (bytes, text));
        }
    }

    #[test]
    fn units_are_those_of_coreutils_in_any_case() {
        for (text, bytes) in [
            ("50MB", 50_000_000),
            ("2gb", 2_000_000_000),
            ("1.5GiB", 3 << 29),
            ("1.5 gib", 3 << 29),
            ("64k", 65_536),
            ("64K", 65_536),
            ("64kB", 64_000),
            ("64 MiB", 64 << 20),
            (" 7 b ", 7),
            ("12B", 12),
            ("0.5k", 512),
            ("0.001KiB", 1),
            ("1.000000000000000000001TB", 1_000_000_000_000),
            ("2T", 2 << 40),
            ("16777215TiB", 16_777_215 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize::new(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused_with_the_forms_that_are() {
        for bad in [
            "",
            " ",
            "MiB",
            "much",
            "-1",
            "+1",
            "0x10",
            "1.5",
            "1.",
            ".5GiB",
            "1..5GiB",
            "1,5GiB",
            "1e3",
            "1_000",
            "64 Mi",
            "64iB",
            "64MBB",
            "5PiB",
            "64MiB/s",
            "1 2k",
            "\u{664}k",
            "64\u{39c}iB",
            "inf",
            "NaN",
        ] {
            let error = bad.parse::<ByteSize>().unwrap_err();
            assert_eq!(error, InvalidByteSize::Syntax(bad.to_owned()));
            assert!(error.to_string().contains("1.5GiB"));
        }
        for large in ["18446744073709551616", "99999999999GiB", "16777216TiB"] {
            assert_eq!(large.parse::<ByteSize>(), Err(InvalidByteSize::TooLarge(large.to_owned())));
        }
    }

    #[test]
    fn rates_may_say_per_second() {
        for (text, bytes, shown) in [
            ("256", 256, "256B/s"),
            ("50MiB", 50 << 20, "50MiB/s"),
            ("50MiB/s", 50 << 20, "50MiB/s"),
            ("1.5 MB /s", 1_500_000, "1500000B/s"),
            ("64k/S", 65_536, "64KiB/s"),
            ("0", 0, "0B/s"),
        ] {
            let rate: ByteRate = text.parse().unwrap();
            assert_eq!((rate.bytes_per_second(), rate.to_string().as_str()), (bytes, shown), "{text}");
            assert_eq!(shown.parse(), Ok(rate));
        }
        for bad in ["", "/s", "fast", "50MiB/h", "50MiB/s/s", "50MiBps", "-1"] {
            let error = bad.parse::<ByteRate>().unwrap_err();
            assert_eq!(error, InvalidByteSize::Rate(bad.to_owned()));
            assert!(error.to_string().contains("50MB/s"));
        }
        assert!(matches!("99999999999GiB/s".parse::<ByteRate>(), Err(InvalidByteSize::TooLarge(_))));
    }
}

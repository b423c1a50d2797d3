//! Times: which ones count when certificates are verified, and how they are written for people.

use std::fmt;
use std::time::Duration;

use der::DateTime;

/// Which dates of certificates count. Times are Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dates {
    /// Every certificate must be valid at this time: what swupd asks when it starts, and of a `Manifest.MoM`.
    Valid(i64),
    /// No certificate may begin after this time: what swupd asks of `latest` and `latest_version`.
    Begun(i64),
    /// Dates do not count: for what was signed long ago.
    Ignored,
}

impl From<Option<i64>> for Dates {
    /// [`Dates::Valid`] at a time, [`Dates::Ignored`] without one.
    fn from(time: Option<i64>) -> Self {
        time.map_or(Self::Ignored, Self::Valid)
    }
}

/// Unix seconds as `2030-01-31 23:59:59 UTC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc(pub i64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = u64::try_from(self.0).ok().map(Duration::from_secs);
        match time.and_then(|time| DateTime::from_unix_duration(time).ok()) {
            Some(time) => {
                write!(f, "{:04}-{:02}-{:02} ", time.year(), time.month(), time.day())?;
                write!(f, "{:02}:{:02}:{:02} UTC", time.hour(), time.minutes(), time.seconds())
            }
            None => write!(f, "Unix second {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_to_the_second() {
        assert_eq!(Utc(1_893_456_000).to_string(), "2030-01-01 00:00:00 UTC");
        assert_eq!(Utc(951_782_399).to_string(), "2000-02-28 23:59:59 UTC");
        assert_eq!(Utc(-1).to_string(), "Unix second -1");
    }
}

//! Values of options: what is accepted, and what the error suggests.

use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use clearwell_format::EntryPath;
use clearwell_format::path::InvalidPath;
use clearwell_serve::config::{ByteRate, ByteSize, InvalidByteSize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// More threads than any machine has use for; each costs memory.
pub(crate) const MOST_JOBS: usize = 1024;

/// A count: of releases, days or seconds.
pub(crate) fn whole_number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| WHOLE_NUMBER.to_owned())
}

const WHOLE_NUMBER: &str = "use a whole number";

/// A count that cannot be 0.
pub(crate) fn positive_number(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(number @ 1..) => Ok(number),
        _ => Err("use a whole number above 0".to_owned()),
    }
}

/// The value of `--previous`: a version, or 0 for none.
pub(crate) fn version_or_none(text: &str) -> Result<u32, String> {
    whole_number(text).map_err(|_| "use a version, or 0 for none".to_owned())
}

/// The value of `--timestamp`: seconds since the epoch, up to the year 9999.
pub(crate) fn timestamp(text: &str) -> Result<i64, String> {
    match text.parse() {
        Ok(seconds @ 0..=LAST_SECOND) => Ok(seconds),
        _ => Err(format!("use seconds since the epoch, from 0 to {LAST_SECOND}")),
    }
}

/// The last second of the year 9999, the last that certificates and ISO 8601 can write.
const LAST_SECOND: i64 = 253_402_300_799;

/// The value of `--jobs`.
pub(crate) fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs) if jobs <= MOST_JOBS => Ok(jobs),
        _ => Err(format!("use a number of threads up to {MOST_JOBS}, or 0 for one per processor")),
    }
}

/// The value of `--memory`.
pub(crate) fn memory(text: &str) -> Result<ByteSize, String> {
    match text.parse::<ByteSize>() {
        Ok(size) if size.bytes() == 0 => Err(NO_MEMORY.to_owned()),
        Ok(size) => Ok(size),
        Err(error) => Err(error.to_string()),
    }
}

pub(crate) const NO_MEMORY: &str = "use a size above 0, or leave it out for half of the machine's memory";

/// The value of `--rate`: bytes per second.
pub(crate) fn rate(text: &str) -> Result<NonZeroU64, String> {
    NonZeroU64::new(rate_or_none(text)?).ok_or_else(|| "use a rate above 0, or leave it out for no limit".to_owned())
}

/// The value of `--min-rate`: bytes per second; 0 means no limit.
pub(crate) fn rate_or_none(text: &str) -> Result<u64, String> {
    let rate: ByteRate = text.parse().map_err(|error: InvalidByteSize| error.to_string())?;
    Ok(rate.bytes_per_second())
}

/// The value of `--grace` and `--settle`: `90m`, `12h`, `2d`, or seconds.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let units = [("d", 24 * 3600), ("h", 3600), ("m", 60), ("s", 1)];
    let unit = units.into_iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
    let (number, seconds) = unit.unwrap_or((text, 1));
    let number: u64 = number.parse().map_err(|_| "use a number with s, m, h or d, such as 12h".to_owned())?;
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

/// A path of a file on endpoints.
pub(crate) fn absolute_path(text: &str) -> Result<EntryPath, String> {
    if !text.starts_with('/') {
        return Err("paths start with /; use an absolute path such as /usr/bin/sh".to_owned());
    }
    text.parse().map_err(|_: InvalidPath| {
        format!("\"{text}\" is not a path on endpoints; use one without empty, . or .. components, such as /usr/bin/sh")
    })
}

/// The value of `--content-url` and `--version-url`: a URL that the stock client can fetch from.
pub(crate) fn base_url(text: &str) -> Result<String, String> {
    let rest = ["https://", "http://", "file:///"].into_iter().find_map(|scheme| text.strip_prefix(scheme));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains(|character: char| " \t\r\n\"<>".contains(character)) => {
            Ok(text.to_owned())
        }
        _ => Err(format!("\"{text}\" is not a base URL; use one such as https://updates.example.org/update")),
    }
}

/// The value of `--log`. A word alone is a level: as the name of a module it would turn off all other logs.
pub(crate) fn log_filter(text: &str) -> Result<String, String> {
    let unknown = |word: &str| format!("\"{word}\" is not a level; use error, warn, info, debug, trace or off");
    for part in text.split(',').map(str::trim) {
        let is_module = part.starts_with("clearwell") || part.contains(['=', ':', '[', '_']);
        // tracing takes an empty word for "error".
        if part.is_empty() || (!is_module && part.parse::<LevelFilter>().is_err()) {
            return Err(unknown(part));
        }
    }
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{error}; use a level, or a list such as warn,clearwell_serve=debug")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_explained_in_plain_words() {
        for bad in ["", "x", "-1", "1.5", "99999999999999999999999"] {
            assert_eq!(whole_number::<u64>(bad), Err("use a whole number".to_owned()));
            assert_eq!(positive_number(bad), Err("use a whole number above 0".to_owned()));
            assert!(version_or_none(bad).is_err() && timestamp(bad).is_err() && rate_or_none(bad).is_err(), "{bad}");
        }
        assert_eq!((whole_number::<u8>("0"), positive_number("1")), (Ok(0), Ok(1)));
        assert!(positive_number("0").is_err() && rate("0").is_err() && timestamp("253402300800").is_err());
        assert_eq!((rate_or_none("0"), rate_or_none("4KiB/s")), (Ok(0), Ok(4096)));
    }

    #[test]
    fn paths_are_absolute() {
        assert!(absolute_path("/usr/bin/sh").is_ok());
        assert!(absolute_path("usr").unwrap_err().starts_with("paths start with /"));
        for bad in ["/", "//usr", "/usr/", "/usr/../etc", "/a\tb"] {
            let error = absolute_path(bad).unwrap_err();
            assert!(error.contains("; use ") && !error.contains("released"), "{bad:?}: {error}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, seconds) in [("0", 0), ("90", 90), ("90m", 5400), ("12h", 43_200), ("2d", 172_800), ("5s", 5)] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "d", "-1h", "1w", "1.5h"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_log_filter_names_levels_and_modules() {
        for good in ["info", "WARN", "off", "warn,clearwell_serve=debug", "clearwell", "hyper::proto=trace", "0"] {
            assert_eq!(log_filter(good).as_deref(), Ok(good));
        }
        for bad in ["", "verbose", "warning", "info,loud", "clearwell_serve=loud", "a=b=c"] {
            let error = log_filter(bad).unwrap_err();
            assert!(error.contains("; use "), "{bad}: {error}");
        }
    }

    #[test]
    fn a_base_url_is_one_that_swupd_takes() {
        for good in ["https://updates.example.org", "http://[::1]:8080/update/", "file:///srv/www"] {
            assert_eq!(base_url(good).as_deref(), Ok(good));
        }
        for bad in
            ["", "updates.example.org", "ftp://a", "https://", "https://a b", "<URL where the content will be hosted>"]
        {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }
}

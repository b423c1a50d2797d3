//! The text of `latest`, `latest_version`, `first` and `<version>/format` (content layout §2).
//!
//! Written as plain decimal without a line feed: the signature covers exactly these bytes, and third-party
//! repositories read at most eleven of them.

use crate::Version;

/// The longest text that all readers of a pointer accept.
pub const MAX_LENGTH: usize = 11;

/// The bytes of a pointer to `version`.
pub fn to_bytes(version: Version) -> Vec<u8> {
    version.to_string().into_bytes()
}

/// Reads a pointer as the client does without `--incremental`: the first line, with white space around it and leading
/// zeros allowed. `None` if the client cannot determine a version, and for 0.
pub fn parse(text: &[u8]) -> Option<Version> {
    let line = text.split(|&byte| byte == b'\n').next()?.trim_ascii();
    let significant = line.iter().position(|&byte| byte != b'0').map_or(&line[line.len()..], |start| &line[start..]);
    Version::parse(significant).ok()
}

/// True for a text of several lines, which third-party repositories cannot read.
pub fn is_multi_line(text: &[u8]) -> bool {
    text.trim_ascii().contains(&b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_read_as_the_client_reads_them() {
        for text in ["30", "30\n", " 30", "30 \n", "30\r\n", "030", "30\n25\n20\n", "30\nabc"] {
            assert_eq!(parse(text.as_bytes()), Version::new(30), "{text:?}");
        }
        for text in ["30abc", "0x1e", "-5", "", "0", "\n30", "99999999999"] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(to_bytes(Version::new(30).unwrap()), b"30");
        assert!(is_multi_line(b"30\n20") && !is_multi_line(b"30\n"));
    }
}

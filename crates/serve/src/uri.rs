//! Normalization of request paths (RFC 3986 §6.2.2): equivalent spellings become the one that resource names use.
//!
//! ```text
//! /10/Manifest.c%2B%2B.tar  /10/Manifest.c%2b+.tar      percent-encodings are decoded
//! //10/./Manifest.c++.tar   /%31%30/Manifest.c++.tar    empty and "." segments are removed
//! ```
//!
//! Not equivalent: `%2F` is not a separator (RFC 3986 §2.2), `..` is kept, and a decoded character is never decoded again.
//! No resource name contains any of them.

use std::borrow::Cow;

/// A percent sign without two hexadecimal digits behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The normal form of a path without query. Borrowed if the path is in normal form already.
pub(crate) fn normal(path: &str) -> Result<Cow<'_, str>, Malformed> {
    let has_escapes = path.contains('%');
    if !path.starts_with('/') || !(has_escapes || path.contains("//") || path.contains("/.")) {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = if has_escapes { Cow::Owned(decode(path)?) } else { Cow::Borrowed(path) };
    let names_folder = |segment: &&str| segment.is_empty() || *segment == ".";
    let mut normal = String::with_capacity(decoded.len());
    for segment in decoded.split('/').filter(|segment| !names_folder(segment)) {
        normal.push('/');
        normal.push_str(segment);
    }
    if normal.is_empty() || decoded.rsplit('/').next().is_some_and(|last| names_folder(&last)) {
        normal.push('/');
    }
    Ok(Cow::Owned(normal))
}

/// Decodes percent-encodings but that of a slash. Invalid UTF-8 becomes U+FFFD, which no resource name contains.
fn decode(path: &str) -> Result<String, Malformed> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'%' {
            decoded.push(*first);
            continue;
        }
        let [high, low, behind @ ..] = behind else { return Err(Malformed) };
        match (digit(*high)? << 4) | digit(*low)? {
            b'/' => decoded.extend(b"%2F"),
            byte => decoded.push(byte),
        }
        rest = behind;
    }
    Ok(String::from_utf8_lossy(&decoded).into_owned())
}

fn digit(byte: u8) -> Result<u8, Malformed> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_path() {
        for (path, expected) in [
            ("/10/Manifest.c++.tar", "/10/Manifest.c++.tar"),
            ("/10/Manifest.c%2B%2b.tar", "/10/Manifest.c++.tar"),
            ("/%31%30/%4Danifest%2eos%2Dcore%2etar", "/10/Manifest.os-core.tar"),
            ("/10/%5f%7E", "/10/_~"),
            ("//10///format", "/10/format"),
            ("/./10/./format", "/10/format"),
            ("/%2e/10/%2E/format", "/10/format"),
            ("/10/..0", "/10/..0"),
            ("/10/.x", "/10/.x"),
            ("/", "/"),
            ("//", "/"),
            ("/.", "/"),
            ("/10/", "/10/"),
            ("/10/format/.", "/10/format/"),
            ("/10/format%2F", "/10/format%2F"),
            ("/10%2fformat", "/10%2Fformat"),
            ("/../10/format", "/../10/format"),
            ("/10/%2e%2E/format", "/10/../format"),
            ("/10/%252e%252e/format", "/10/%2e%2e/format"),
            ("/10/os%2525", "/10/os%25"),
            ("/10/a%20b%3F%23%5C", "/10/a b?#\\"),
            ("/10/c%C3%A4", "/10/cä"),
            ("/10/c%FF", "/10/c\u{fffd}"),
            ("/10/format%00", "/10/format\0"),
            ("*", "*"),
            ("", ""),
        ] {
            assert_eq!(normal(path).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn invalid_percent_encodings() {
        for path in ["/%", "/10/%2", "/10/%zz", "/10/%2z", "/10/%g0", "/10/%%32", "/%+1", "/% 1", "/%é"] {
            assert_eq!(normal(path), Err(Malformed), "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_normal_path_does_not_change(path in "(/|%2[eEfF5]|%41|\\.|a){0,12}") {
            if let Ok(once) = normal(&path)
                && !once.contains('%')
            {
                prop_assert_eq!(normal(&once), Ok(once.clone()));
            }
        }
    }
}

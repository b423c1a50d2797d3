//! Entity tags (RFC 9110 §8.8.3) and lists of them (RFC 9110 §13.1.1, §13.1.2).
//!
//! ```text
//! ETag: "<sha256 in 64 hex digits>"
//! If-None-Match: "<tag>", W/"<tag>", …        or *
//! ```
//!
//! A tag is made of the SHA-256 of the bytes that it stands for, so it is strong and needs no clock.

use http::HeaderValue;
use http::header::GetAll;

/// The strong entity tag of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Etag(HeaderValue);

impl Etag {
    /// The tag of bytes with this SHA-256.
    pub fn of_digest(digest: &[u8; 32]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'"'; 66];
        for (pair, byte) in text[1..65].chunks_exact_mut(2).zip(digest) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        Self(HeaderValue::from_bytes(&text).expect("hex digits and quotes are header text"))
    }

    /// The tag as the value of an `ETag` header, with its quotes.
    pub const fn header(&self) -> &HeaderValue {
        &self.0
    }

    /// True if `text` is exactly this tag with its quotes: the strong comparison of one tag, as `If-Range` needs it.
    pub fn is(&self, text: &[u8]) -> bool {
        self.0.as_bytes() == text
    }
}

/// The value of `If-Match` or `If-None-Match`: all lines of the header, parsed when they are compared.
///
/// A line is read up to its first syntax error; tags behind that are ignored. `*` alone on any line matches every tag.
#[derive(Debug)]
pub struct EtagList<'a>(GetAll<'a, HeaderValue>);

impl<'a> EtagList<'a> {
    /// The lines of the header; `None` if the request does not have it.
    pub fn of(lines: GetAll<'a, HeaderValue>) -> Option<Self> {
        lines.iter().next().map(|_| Self(lines))
    }

    /// Strong comparison, for `If-Match`: weak tags never match.
    pub fn matches_strongly(&self, etag: &Etag) -> bool {
        self.matches(|tag| !tag.is_weak && etag.is(tag.quoted))
    }

    /// Weak comparison, for `If-None-Match`.
    pub fn matches_weakly(&self, etag: &Etag) -> bool {
        self.matches(|tag| etag.is(tag.quoted))
    }

    fn matches(&self, equal: impl Fn(&Candidate<'_>) -> bool) -> bool {
        let matches =
            |line: &HeaderValue| line.as_bytes().trim_ascii() == b"*" || Tags(line.as_bytes()).any(|tag| equal(&tag));
        self.0.iter().any(matches)
    }
}

/// A tag in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate<'a> {
    is_weak: bool,
    /// With its quotes.
    quoted: &'a [u8],
}

/// The tags of one line, up to the first syntax error.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = Candidate<'a>;

    fn next(&mut self) -> Option<Candidate<'a>> {
        let mut rest = self.0.trim_ascii_start();
        while let [b',', behind @ ..] = rest {
            rest = behind.trim_ascii_start();
        }
        let (is_weak, quoted) = match rest {
            [b'W', b'/', behind @ ..] => (true, behind),
            _ => (false, rest),
        };
        let (quoted, behind) = quoted.split_at(quoted_length(quoted)?);
        self.0 = behind.trim_ascii_start();
        // Anything else behind the closing quote makes it not a tag.
        matches!(self.0, [] | [b',', ..]).then_some(Candidate { is_weak, quoted })
    }
}

/// Length of the quoted text at the start of `text`, quotes included.
fn quoted_length(text: &[u8]) -> Option<usize> {
    let inner = text.strip_prefix(b"\"")?;
    let end = inner.iter().position(|&byte| !matches!(byte, 0x21 | 0x23..=0x7e | 0x80..))?;
    (inner[end] == b'"').then_some(end + 2)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::IF_MATCH;
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        lines.iter().map(|line| (IF_MATCH, HeaderValue::from_bytes(line).unwrap())).collect()
    }

    fn list(headers: &HeaderMap) -> Option<EtagList<'_>> {
        EtagList::of(headers.get_all(IF_MATCH))
    }

    #[test]
    fn a_digest_becomes_a_quoted_tag() {
        let etag = Etag::of_digest(&[0xab; 32]);
        assert_eq!(etag.header().to_str().unwrap(), format!("\"{}\"", "ab".repeat(32)));
    }

    #[test]
    fn lists_match_by_strong_and_weak_comparison() {
        let etag = Etag::of_digest(&[0xab; 32]);
        let own = format!("\"{}\"", "ab".repeat(32));
        // (lines, strong, weak)
        let table: &[(&[String], bool, bool)] = &[
            (std::slice::from_ref(&own), true, true),
            (&[format!("W/{own}")], false, true),
            (&["*".into()], true, true),
            (&[" * ".into()], true, true),
            (&["\"a\"".into()], false, false),
            (&[format!("\"a\", W/\"b\",,{own}")], true, true),
            (&[format!("\"a,b\" , {own}")], true, true),
            (&["\"a\"".into(), own.clone()], true, true),
            (&["\"a\"".into(), "*".into()], true, true),
            (&[format!("junk, {own}")], false, false),
            (&[format!("\"open, {own}")], false, false),
            (&[format!("{own}x")], false, false),
            (&[format!("w/{own}")], false, false),
            (&[String::new()], false, false),
            (&["\"\"".into()], false, false),
        ];
        for (lines, strong, weak) in table {
            let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            let headers = headers(&lines);
            let list = list(&headers).unwrap();
            assert_eq!((list.matches_strongly(&etag), list.matches_weakly(&etag)), (*strong, *weak), "{list:?}");
        }
        assert!(list(&headers(&[])).is_none());
    }

    proptest! {
        #[test]
        fn any_line_is_parsed_without_a_panic(line in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b','), Just(b'W'), Just(b'/'), 0x20_u8..0x7f], 0..40)) {
            for tag in Tags(&line) {
                prop_assert!(tag.quoted.len() >= 2 && tag.quoted.ends_with(b"\""));
            }
        }
    }
}

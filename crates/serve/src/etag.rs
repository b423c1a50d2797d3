//! Entity tags: strong, and made of the digest of the bytes (RFC 9110, 8.8.3).
//!
//! ```text
//! ETag: "<sha256 in 64 hex digits>"
//! ```
//!
//! Released bytes never change, so the tag needs no clock; pointers change, and so does their tag.

use http::HeaderValue;
use http::header::GetAll;

/// The strong tag of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Etag(HeaderValue);

impl Etag {
    /// The tag of bytes with this SHA-256.
    pub(crate) fn of_digest(digest: &[u8; 32]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'"'; 66];
        for (pair, byte) in text[1..65].chunks_exact_mut(2).zip(digest) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        Self(HeaderValue::from_bytes(&text).expect("hex digits and quotes are header text"))
    }

    /// The tag as the value of a header.
    pub(crate) const fn header(&self) -> &HeaderValue {
        &self.0
    }

    /// True if `text` is exactly this tag, compared strongly: what `If-Range` asks.
    pub(crate) fn is(&self, text: &[u8]) -> bool {
        self.0.as_bytes() == text
    }
}

/// What stands in `If-Match` or `If-None-Match`: the lines as they came, read when they are compared.
#[derive(Debug)]
pub(crate) struct EtagList<'a>(GetAll<'a, HeaderValue>);

impl<'a> EtagList<'a> {
    /// All lines of the header; `None` if there is none.
    pub(crate) fn of(lines: GetAll<'a, HeaderValue>) -> Option<Self> {
        lines.iter().next().map(|_| Self(lines))
    }

    /// Strong comparison, for `If-Match`.
    pub(crate) fn matches_strongly(&self, etag: &Etag) -> bool {
        self.matches(|tag| !tag.is_weak && etag.is(tag.quoted))
    }

    /// Weak comparison, for `If-None-Match`.
    pub(crate) fn matches_weakly(&self, etag: &Etag) -> bool {
        self.matches(|tag| etag.is(tag.quoted))
    }

    fn matches(&self, equal: impl Fn(&Candidate<'_>) -> bool) -> bool {
        let matches =
            |line: &HeaderValue| line.as_bytes().trim_ascii() == b"*" || Tags(line.as_bytes()).any(|tag| equal(&tag));
        self.0.iter().any(matches)
    }
}

/// A tag that a client has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate<'a> {
    is_weak: bool,
    /// With its quotes.
    quoted: &'a [u8],
}

/// The tags of one line, up to the first mistake.
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
        // Text behind a tag makes it none.
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
    fn lists_match_as_the_rfc_says() {
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
        fn nothing_makes_the_parser_fall(line in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b','), Just(b'W'), Just(b'/'), 0x20_u8..0x7f], 0..40)) {
            for tag in Tags(&line) {
                prop_assert!(tag.quoted.len() >= 2 && tag.quoted.ends_with(b"\""));
            }
        }
    }
}

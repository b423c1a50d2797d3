//! Conditional and range requests: the response for an object (RFC 9110 §13.2.2).
//!
//! ```text
//! If-Match fails          -> 412
//! If-None-Match matches   -> 304
//! If-Range does not match -> 200, the whole object
//! Range                   -> 206, 416, or 200 if it is ignored
//! ```
//!
//! GET and HEAD share this decision. Objects have an entity tag and no modification date, so `If-Modified-Since` and
//! `If-Unmodified-Since` are ignored (RFC 9110 §13.1.3, §13.1.4) and a date in `If-Range` never matches (RFC 9110 §13.1.5).

use std::ops::Range;

use http::header::{IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderName, Method};

use crate::etag::{Etag, EtagList};
use crate::range::{self, ResolvedRange};

/// The conditions and the range of a request.
#[derive(Debug, Default)]
pub struct Conditions<'a> {
    if_match: Option<EtagList<'a>>,
    if_none_match: Option<EtagList<'a>>,
    if_range: Option<&'a [u8]>,
    range: Option<&'a [u8]>,
}

impl<'a> Conditions<'a> {
    /// Takes them from the headers of a request. `Range` is defined for GET only (RFC 9110 §14.2).
    ///
    /// A `Range` header of two lines is ignored. An `If-Range` header of two lines never matches.
    pub fn of(method: &Method, headers: &'a HeaderMap) -> Self {
        Self {
            if_match: EtagList::of(headers.get_all(IF_MATCH)),
            if_none_match: EtagList::of(headers.get_all(IF_NONE_MATCH)),
            // An empty validator matches no tag.
            if_range: headers.contains_key(IF_RANGE).then(|| single(headers, &IF_RANGE).unwrap_or_default()),
            range: if method == Method::GET { single(headers, &RANGE) } else { None },
        }
    }

    /// The same conditions without the range: asks for the whole object.
    pub fn without_range(self) -> Self {
        Self { range: None, if_range: None, ..self }
    }
}

/// The value of a header that has exactly one line.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut lines = headers.get_all(name).iter();
    let value = lines.next()?;
    lines.next().is_none().then_some(value.as_bytes())
}

/// The response that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 200 with the whole object as body.
    Whole,
    /// 206 with this part as body.
    Part(Range<u64>),
    /// 206 with these parts as `multipart/byteranges`.
    Parts(Vec<Range<u64>>),
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    RangeUnsatisfiable,
}

impl Outcome {
    /// True if the response to GET carries bytes of the object.
    pub const fn has_body(&self) -> bool {
        match self {
            Self::Whole | Self::Part(_) | Self::Parts(_) => true,
            Self::NotModified | Self::PreconditionFailed | Self::RangeUnsatisfiable => false,
        }
    }
}

/// Decides which response is due for an object of `size` bytes with the tag `etag`.
pub fn decide(conditions: &Conditions<'_>, etag: &Etag, size: u64) -> Outcome {
    if conditions.if_match.as_ref().is_some_and(|list| !list.matches_strongly(etag)) {
        return Outcome::PreconditionFailed;
    }
    if conditions.if_none_match.as_ref().is_some_and(|list| list.matches_weakly(etag)) {
        return Outcome::NotModified;
    }
    let Some(range) = conditions.range else { return Outcome::Whole };
    if conditions.if_range.is_some_and(|validator| !etag.is(validator)) {
        return Outcome::Whole;
    }
    match range::resolve(range, size) {
        ResolvedRange::Ignored => Outcome::Whole,
        ResolvedRange::Single(part) => Outcome::Part(part),
        ResolvedRange::Multiple(parts) => Outcome::Parts(parts),
        ResolvedRange::Unsatisfiable => Outcome::RangeUnsatisfiable,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const OWN: &str = "\"abababababababababababababababababababababababababababababababab\"";
    const OTHER: &str = "\"other\"";
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn outcome(method: Method, headers: &[(&str, &str)]) -> Outcome {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        decide(&Conditions::of(&method, &map), &Etag::of_digest(&[0xab; 32]), 10)
    }

    #[test]
    fn conditions_are_checked_in_the_order_of_the_rfc() {
        let weak = format!("W/{OWN}");
        let table: &[(&[(&str, &str)], Outcome)] = &[
            (&[], Outcome::Whole),
            // 13.1.1
            (&[("if-match", OWN)], Outcome::Whole),
            (&[("if-match", "*")], Outcome::Whole),
            (&[("if-match", OTHER)], Outcome::PreconditionFailed),
            (&[("if-match", &weak)], Outcome::PreconditionFailed),
            (&[("if-match", "nonsense")], Outcome::PreconditionFailed),
            // 13.1.2
            (&[("if-none-match", OWN)], Outcome::NotModified),
            (&[("if-none-match", &weak)], Outcome::NotModified),
            (&[("if-none-match", "*")], Outcome::NotModified),
            (&[("if-none-match", OTHER)], Outcome::Whole),
            (&[("if-none-match", "nonsense")], Outcome::Whole),
            // If-Match comes before If-None-Match
            (&[("if-match", OTHER), ("if-none-match", OWN)], Outcome::PreconditionFailed),
            (&[("if-match", OWN), ("if-none-match", OWN)], Outcome::NotModified),
            // dates are ignored: objects have none
            (&[("if-modified-since", DATE)], Outcome::Whole),
            (&[("if-unmodified-since", DATE)], Outcome::Whole),
            (&[("if-none-match", OTHER), ("if-modified-since", DATE)], Outcome::Whole),
            // ranges
            (&[("range", "bytes=2-4")], Outcome::Part(2..5)),
            (&[("range", "bytes=0-0,-1")], Outcome::Parts(vec![0..1, 9..10])),
            (&[("range", "bytes=10-")], Outcome::RangeUnsatisfiable),
            (&[("range", "bytes=5-4")], Outcome::Whole),
            (&[("range", "bytes=0-0"), ("range", "bytes=1-1")], Outcome::Whole),
            // conditions come before ranges
            (&[("if-none-match", OWN), ("range", "bytes=0-0")], Outcome::NotModified),
            (&[("if-match", OTHER), ("range", "bytes=0-0")], Outcome::PreconditionFailed),
            (&[("if-match", OTHER), ("range", "bytes=10-")], Outcome::PreconditionFailed),
            (&[("if-none-match", OTHER), ("range", "bytes=0-0")], Outcome::Part(0..1)),
            // 13.1.5
            (&[("if-range", OWN), ("range", "bytes=0-0")], Outcome::Part(0..1)),
            (&[("if-range", OWN), ("range", "bytes=10-")], Outcome::RangeUnsatisfiable),
            (&[("if-range", OTHER), ("range", "bytes=0-0")], Outcome::Whole),
            (&[("if-range", OTHER), ("range", "bytes=10-")], Outcome::Whole),
            (&[("if-range", &weak), ("range", "bytes=0-0")], Outcome::Whole),
            (&[("if-range", DATE), ("range", "bytes=0-0")], Outcome::Whole),
            (&[("if-range", OTHER)], Outcome::Whole),
            (&[("if-range", OWN), ("if-range", OWN), ("range", "bytes=0-0")], Outcome::Whole),
            (&[("if-range", ""), ("range", "bytes=0-0")], Outcome::Whole),
        ];
        for (headers, expected) in table {
            assert_eq!(outcome(Method::GET, headers), *expected, "{headers:?}");
        }
    }

    #[test]
    fn head_differs_in_ranges_only() {
        assert_eq!(outcome(Method::HEAD, &[("range", "bytes=0-0")]), Outcome::Whole);
        assert_eq!(outcome(Method::HEAD, &[("range", "bytes=10-")]), Outcome::Whole);
        assert_eq!(outcome(Method::HEAD, &[("if-none-match", OWN)]), Outcome::NotModified);
        assert_eq!(outcome(Method::HEAD, &[("if-match", OTHER)]), Outcome::PreconditionFailed);
    }
}

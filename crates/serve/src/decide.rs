//! Request and object to an outcome: the conditions of RFC 9110 in their order (13.2.2), without I/O.
//!
//! GET and HEAD share this one decision. Objects have an entity tag and no modification date, so conditions on dates are
//! never heeded (13.1.3, 13.1.4) and an `If-Range` date never matches (13.1.5).

use std::ops::Range;

use http::header::{IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderName, Method};

use crate::etag::{Etag, EtagList};
use crate::range;

/// What a request wants to know about an object before it takes it.
#[derive(Debug, Default)]
pub(crate) struct Conditions<'a> {
    if_match: Option<EtagList<'a>>,
    if_none_match: Option<EtagList<'a>>,
    if_range: Option<&'a [u8]>,
    range: Option<&'a [u8]>,
}

impl<'a> Conditions<'a> {
    /// Reads the headers of a request. Ranges are defined for GET alone (14.2).
    pub(crate) fn of(method: &Method, headers: &'a HeaderMap) -> Self {
        Self {
            if_match: EtagList::of(headers.get_all(IF_MATCH)),
            if_none_match: EtagList::of(headers.get_all(IF_NONE_MATCH)),
            // Of two lines none is the tag.
            if_range: headers.contains_key(IF_RANGE).then(|| single(headers, &IF_RANGE).unwrap_or_default()),
            range: if method == Method::GET { single(headers, &RANGE) } else { None },
        }
    }

    /// The same without a range: the whole, whatever part is asked.
    pub(crate) fn whole(self) -> Self {
        Self { range: None, if_range: None, ..self }
    }
}

/// The value of a header that has one line; two contradict each other and are none.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut lines = headers.get_all(name).iter();
    let value = lines.next()?;
    lines.next().is_none().then_some(value.as_bytes())
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 200
    Whole,
    /// 206 with the part as body.
    Part(Range<u64>),
    /// 206 with several parts as `multipart/byteranges`.
    Parts(Vec<Range<u64>>),
    /// 304
    NotModified,
    /// 412
    PreconditionFailed,
    /// 416
    RangeUnsatisfiable,
}

/// Decides what to answer for an object with tag `etag` and `size` bytes.
pub(crate) fn decide(asked: &Conditions<'_>, etag: &Etag, size: u64) -> Outcome {
    if asked.if_match.as_ref().is_some_and(|list| !list.matches_strongly(etag)) {
        return Outcome::PreconditionFailed;
    }
    if asked.if_none_match.as_ref().is_some_and(|list| list.matches_weakly(etag)) {
        return Outcome::NotModified;
    }
    let Some(range) = asked.range else { return Outcome::Whole };
    if asked.if_range.is_some_and(|validator| !etag.is(validator)) {
        return Outcome::Whole;
    }
    match range::resolve(range, size) {
        range::Asked::Ignored => Outcome::Whole,
        range::Asked::One(part) => Outcome::Part(part),
        range::Asked::Many(parts) => Outcome::Parts(parts),
        range::Asked::Unsatisfiable => Outcome::RangeUnsatisfiable,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const OWN: &str = "\"abababababababababababababababababababababababababababababababab\"";
    const OTHER: &str = "\"other\"";
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn answer(method: Method, headers: &[(&str, &str)]) -> Outcome {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        decide(&Conditions::of(&method, &map), &Etag::of_digest(&[0xab; 32]), 10)
    }

    #[test]
    fn conditions_in_their_order() {
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
            // dates are not heeded: there is none to compare with
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
            assert_eq!(answer(Method::GET, headers), *expected, "{headers:?}");
        }
    }

    #[test]
    fn head_differs_in_ranges_alone() {
        assert_eq!(answer(Method::HEAD, &[("range", "bytes=0-0")]), Outcome::Whole);
        assert_eq!(answer(Method::HEAD, &[("range", "bytes=10-")]), Outcome::Whole);
        assert_eq!(answer(Method::HEAD, &[("if-none-match", OWN)]), Outcome::NotModified);
        assert_eq!(answer(Method::HEAD, &[("if-match", OTHER)]), Outcome::PreconditionFailed);
    }
}

//! Properties of the parsers that hold for every input. The fuzz targets (`tests/fuzz`) call these functions with
//! arbitrary bytes, the tests below with random text of meaningful words. Each panics if its property does not hold.

use std::net::IpAddr;

use http::header::{IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method};

use crate::conditions::{Conditions, Outcome, decide};
use crate::etag::{Etag, EtagList};
use crate::forwarded::{ForwardedClient, X_FORWARDED_FOR, forwarded_for};
use crate::proxy_protocol;
use crate::range::{self, MAX_PARTS, ResolvedRange};
use crate::trace_context::{TRACEPARENT, TraceContext};

/// Parts lie in an object of less than 2^63 bytes and add up to no more than it; written in the usual form they resolve
/// to the same parts.
pub fn range(value: &[u8], size: u64) {
    let resolved = range::resolve(value, size);
    let parts = match &resolved {
        ResolvedRange::Single(part) => std::slice::from_ref(part),
        ResolvedRange::Multiple(parts) => parts,
        ResolvedRange::Ignored | ResolvedRange::Unsatisfiable => return,
    };
    assert!(parts.iter().all(|part| part.start < part.end && part.end <= size), "{parts:?} of {size}");
    assert!(parts.len() <= MAX_PARTS);
    assert!(parts.iter().map(|part| part.end - part.start).sum::<u64>() <= size);
    let specs: Vec<_> = parts.iter().map(|part| format!("{}-{}", part.start, part.end - 1)).collect();
    assert_eq!(range::resolve(format!("bytes={}", specs.join(",")).as_bytes(), size), resolved);
}

/// A tag at the start of a line matches whatever follows. A line without the tag matches only if it is `*`.
pub fn etags(line: &[u8]) {
    let own = Etag::of_digest(&[7; 32]);
    let matches = |line: &[u8]| {
        let value = HeaderValue::from_bytes(line).ok()?;
        let headers = HeaderMap::from_iter([(IF_MATCH, value)]);
        let list = EtagList::of(headers.get_all(IF_MATCH)).expect("a line");
        Some((list.matches_strongly(&own), list.matches_weakly(&own)))
    };
    let Some((strongly, weakly)) = matches(line) else { return };
    let tag = own.header().as_bytes();
    let contains_tag = line.windows(tag.len()).any(|part| part == tag);
    assert!(weakly || !strongly);
    assert!(contains_tag || weakly == (line.trim_ascii() == b"*"));
    assert_eq!(matches(&[tag, b" , ", line].concat()), Some((true, true)));
    assert_eq!(matches(&[b"W/", tag, b",", line].concat()).map(|(_, weakly)| weakly), Some(true));
}

/// The tag that `~` stands for in the text of [`conditions`].
const OWN: &[u8] = b"\"0707070707070707070707070707070707070707070707070707070707070707\"";

/// The outcome follows from the parts of the decision in the order of RFC 9110 §13.2.2, for GET and for HEAD.
///
/// Each line of `text` is a header line: the first byte selects the header, the rest is the value, in which `~` is the
/// tag of the object.
pub fn conditions(text: &[u8], size: u64) {
    let own = Etag::of_digest(&[7; 32]);
    let mut headers = HeaderMap::new();
    for line in text.split(|&byte| byte == b'\n') {
        let Some((selector, value)) = line.split_first() else { continue };
        let value: Vec<u8> = value.split(|&byte| byte == b'~').collect::<Vec<_>>().join(OWN);
        let Ok(value) = HeaderValue::from_bytes(&value) else { return };
        headers.append([IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE][usize::from(selector % 4)].clone(), value);
    }
    let outcome = |method, headers: &HeaderMap| decide(&Conditions::of(&method, headers), &own, size);
    let (get, head) = (outcome(Method::GET, &headers), outcome(Method::HEAD, &headers));
    let whole = decide(&Conditions::of(&Method::GET, &headers).without_range(), &own, size);
    assert_eq!(head, whole, "ranges are defined for GET only");

    let list = |name| EtagList::of(headers.get_all(name));
    let values = |name: &http::HeaderName| headers.get_all(name).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>();
    let expected = if list(IF_MATCH).is_some_and(|list| !list.matches_strongly(&own)) {
        Outcome::PreconditionFailed
    } else if list(IF_NONE_MATCH).is_some_and(|list| list.matches_weakly(&own)) {
        Outcome::NotModified
    } else {
        match (values(&RANGE).as_slice(), values(&IF_RANGE).as_slice()) {
            ([range], [] | [OWN]) => match range::resolve(range, size) {
                ResolvedRange::Ignored => Outcome::Whole,
                ResolvedRange::Unsatisfiable => Outcome::RangeUnsatisfiable,
                ResolvedRange::Single(part) => Outcome::Part(part),
                ResolvedRange::Multiple(parts) => Outcome::Parts(parts),
            },
            _ => Outcome::Whole,
        }
    };
    assert_eq!(get, expected, "{headers:?} of {size}");
    assert!(get == whole || !matches!(whole, Outcome::PreconditionFailed | Outcome::NotModified));
}

/// Every prefix of a header is partial, and bytes after it are not read.
pub fn proxy(bytes: &[u8]) {
    use proxy_protocol::{MAX_BYTES, Parsed, parse};
    let parsed = parse(bytes);
    let longer = parse(&[bytes, b"\r\n"].concat());
    match parsed {
        Parsed::Partial => assert!(bytes.len() < MAX_BYTES),
        Parsed::Invalid => assert_eq!(longer, parsed),
        Parsed::Complete(_, length) => {
            assert!(length <= bytes.len() && length <= MAX_BYTES);
            assert_eq!(longer, parsed);
            assert_eq!(parse(&bytes[..length]), parsed);
            assert!((0..length).all(|cut| parse(&bytes[..cut]) == Parsed::Partial));
        }
    }
}

/// Whatever a client writes in front of the entries of trusted proxies changes nothing.
pub fn forwarded(text: &[u8]) {
    let is_trusted = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.segments()[..2] == [0x2001, 0xdb8],
    };
    let lines = |text: &[u8]| -> Option<HeaderMap> {
        let lines =
            text.split(|&byte| byte == b'\n').map(|line| Some((X_FORWARDED_FOR, HeaderValue::from_bytes(line).ok()?)));
        lines.collect()
    };
    let Some(headers) = lines(text) else { return };
    let found = forwarded_for(&headers, is_trusted);
    let Some(client) = found.filter(|client| !is_trusted(client.address)) else { return };
    assert_eq!(client.address, client.address.to_canonical());
    for invented in ["203.0.113.9", "10.0.0.1", "nonsense", "\u{e9}"] {
        for between in [",", "\n"] {
            let longer = lines(&[invented.as_bytes(), between.as_bytes(), text].concat()).expect("valid header values");
            // A line that is not ASCII is rejected as a whole.
            if between == "\n" || invented.is_ascii() {
                assert_eq!(forwarded_for(&longer, is_trusted), found, "{invented:?}");
            }
        }
    }
    let own = ForwardedClient { address: "192.0.2.1".parse().expect("an address"), port: None };
    let nearer = lines(&[text, b", 192.0.2.1, 10.0.0.1"].concat()).expect("valid header values");
    if text.is_ascii() {
        assert_eq!(forwarded_for(&nearer, is_trusted), Some(own));
    }
}

/// A trace context has the lengths of the standard, and parses to itself when it is written again.
pub fn traceparent(line: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(line) else { return };
    let parse = |value| TraceContext::of(&HeaderMap::from_iter([(TRACEPARENT, value)]));
    let Some(context) = parse(value) else { return };
    let flags = u8::from(context.is_sampled);
    let written = format!("00-{}-{}-{flags:02x}", context.trace_id, context.parent_id);
    assert_eq!(written.len(), 55);
    assert_eq!(parse(written.parse().expect("a valid header value")), Some(context));
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    /// Text made of these words.
    fn text(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
        let word =
            prop_oneof![9 => select(words).prop_map(|word| word.as_bytes().to_vec()), 1 => vec(any::<u8>(), 1..3)];
        vec(word, 0..14).prop_map(|words| words.concat())
    }

    /// The tag that [`super::etags`] compares with.
    const OWN: &str = "\"0707070707070707070707070707070707070707070707070707070707070707\"";

    proptest! {
        #[test]
        fn ranges(specs in text(&["0", "1", "7", "-", ",", " ", "=", "99999999999999999999"]), size in 0_u64..12) {
            super::range(&[b"bytes=", &specs[..]].concat(), size);
        }

        #[test]
        fn tags(line in text(&["\"", "W/", ",", " ", "*", "a", "\"b\"", OWN])) {
            super::etags(&line);
        }

        #[test]
        fn decisions(
            lines in text(&["\n0~", "\n1~", "\n2~", "\n0W/~", "\n1W/~", "\n2\"a\"", "\n0*", "\n1\"b\"", ",~", "\n3bytes=0-1", ",2-", ",-3", "\n39-"]),
            size in 0_u64..12,
        ) {
            super::conditions(&lines, size);
        }

        #[test]
        fn proxies(bytes in text(&[
            "PROXY ", "TCP4 ", "TCP6 ", "UNKNOWN", "192.0.2.1 ", "::1 ", "80", " ", "\r\n",
            "\r\n\r\n\0\r\nQUIT\n", "\u{21}\u{11}\0\u{c}", "\u{21}\u{21}\0\u{24}", "abcdefghijkl",
        ])) {
            super::proxy(&bytes);
        }

        #[test]
        fn forwarded(lines in text(&["192.0.2.1", "10.1.1.1", "[2001:db8::1]", "::ffff:10.0.0.1", ":80", ",", " ", "\n"])) {
            super::forwarded(&lines);
        }

        #[test]
        fn traces(line in "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-x)?") {
            super::traceparent(line.as_bytes());
        }
    }
}

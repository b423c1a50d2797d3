//! What holds of the parsers for every input. The fuzz targets (`tests/fuzz`) call these functions with anything, the
//! tests below with random text of the right letters. Each panics where its property does not hold.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::task::{Context, Waker};

use http::header::{AUTHORIZATION, CONNECTION, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE, REFERER, USER_AGENT};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::client::{self, FORWARDED_FOR};
use crate::config::Networks;
use crate::etag::{Etag, EtagList};
use crate::lane;
use crate::proxy;
use crate::range::{self, Asked};
use crate::target::{BasePath, Target};
use crate::trace::{TRACEPARENT, TraceContext};
use crate::uri;

/// A request that the lane takes is the request that hyper reads there, and any part of it is the beginning of one.
pub fn head(bytes: &[u8]) {
    let lane::head::Parsed::Head(head) = lane::head::parse(bytes, usize::MAX) else { return };
    for cut in [head.length / 2, head.length - 1] {
        let part = lane::head::parse(&bytes[..cut], usize::MAX);
        assert!(matches!(part, lane::head::Parsed::Partial), "{cut} bytes: {part:?}");
    }
    let (Ok(target), Some(headers)) = (PathAndQuery::try_from(head.target), head.headers()) else { return };
    let (seen, answer) = hyper(&bytes[..head.length]);
    let seen = seen.unwrap_or_else(|| panic!("hyper refuses it:\n{answer}"));
    assert_eq!((&seen.method, seen.uri.path_and_query()), (&head.method(), Some(&target)));
    for name in [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, TRACEPARENT, FORWARDED_FOR] {
        assert!(seen.headers.get_all(&name).iter().eq(headers.get_all(&name)), "{name}");
    }
    for name in [REFERER, USER_AGENT, AUTHORIZATION] {
        assert_eq!(seen.headers.get(&name), headers.get(&name), "{name}");
    }
    let closes = answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n");
    assert_eq!(closes, head.closes, "{:?}", seen.headers.get_all(CONNECTION).iter().collect::<Vec<_>>());
}

/// The first request that hyper reads from `bytes`, and what it sends.
fn hyper(bytes: &[u8]) -> (Option<Parts>, String) {
    let (seen, mut answer) = (RefCell::new(None), Vec::new());
    let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
        seen.borrow_mut().get_or_insert(request.into_parts().0);
        std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
    });
    let io = TokioIo::new(tokio::io::join(bytes, &mut answer));
    let connection = http1::Builder::new().half_close(true).serve_connection(io, service);
    // Everything that it waits for is there.
    let ended = pin!(connection).as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(ended.is_ready(), "all of it was sent");
    drop(ended);
    (seen.into_inner(), String::from_utf8_lossy(&answer).into_owned())
}

/// Parts lie in an object of less than 2^63 bytes, are not more than it, and mean the same as they are usually written.
pub fn range(value: &[u8], size: u64) {
    let asked = range::resolve(value, size);
    let parts = match &asked {
        Asked::One(part) => std::slice::from_ref(part),
        Asked::Many(parts) => parts,
        Asked::Ignored | Asked::Unsatisfiable => return,
    };
    assert!(parts.iter().all(|part| part.start < part.end && part.end <= size), "{parts:?} of {size}");
    assert!(parts.len() == 1 || parts.iter().map(|part| part.end - part.start).sum::<u64>() <= size);
    let specs: Vec<_> = parts.iter().map(|part| format!("{}-{}", part.start, part.end - 1)).collect();
    assert_eq!(range::resolve(format!("bytes={}", specs.join(",")).as_bytes(), size), asked);
}

/// A tag matches where it stands in front, whatever is behind it, and where it does not stand nothing but `*` matches.
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
    let is_there = line.windows(tag.len()).any(|part| part == tag);
    assert!(weakly || !strongly);
    assert!(is_there || weakly == (line.trim_ascii() == b"*"));
    assert_eq!(matches(&[tag, b" , ", line].concat()), Some((true, true)));
    assert_eq!(matches(&[b"W/", tag, b",", line].concat()).map(|(_, weakly)| weakly), Some(true));
}

/// A header says the same however it arrives in pieces, and what comes behind it is not looked at.
pub fn proxy(bytes: &[u8]) {
    let parsed = proxy::parse(bytes);
    let longer = proxy::parse(&[bytes, b"\r\n"].concat());
    match parsed {
        proxy::Parsed::Partial => assert!(bytes.len() < proxy::LONGEST),
        proxy::Parsed::Invalid => assert_eq!(longer, parsed),
        proxy::Parsed::Complete(_, length) => {
            assert!(length <= bytes.len() && length <= proxy::LONGEST);
            assert_eq!(longer, parsed);
            assert_eq!(proxy::parse(&bytes[..length]), parsed);
            assert!((0..length).all(|cut| proxy::parse(&bytes[..cut]) == proxy::Parsed::Partial));
        }
    }
}

/// Lines of `X-Forwarded-For`: whatever a client writes in front of what trusted proxies wrote changes nothing.
pub fn forwarded_for(text: &[u8]) {
    let trusted: Networks = "10.0.0.0/8, 2001:db8::/32".parse().expect("two networks");
    let lines = |text: &[u8]| -> Option<HeaderMap> {
        let lines =
            text.split(|&byte| byte == b'\n').map(|line| Some((FORWARDED_FOR, HeaderValue::from_bytes(line).ok()?)));
        lines.collect()
    };
    let Some(headers) = lines(text) else { return };
    let found = client::forwarded_for(&headers, &trusted);
    let Some(address) = found.filter(|address| !trusted.contains(*address)) else { return };
    assert_eq!(address, address.to_canonical());
    for invented in ["203.0.113.9", "10.0.0.1", "nonsense", "\u{e9}"] {
        for between in [",", "\n"] {
            let longer = lines(&[invented.as_bytes(), between.as_bytes(), text].concat()).expect("header text");
            // A line that is no text is none, from its beginning to its end.
            if between == "\n" || invented.is_ascii() {
                assert_eq!(client::forwarded_for(&longer, &trusted), found, "{invented:?}");
            }
        }
    }
    let own: IpAddr = "192.0.2.1".parse().expect("an address");
    let nearer = lines(&[text, b", 192.0.2.1, 10.0.0.1"].concat()).expect("header text");
    if text.is_ascii() {
        assert_eq!(client::forwarded_for(&nearer, &trusted), Some(own));
    }
}

/// A trace context has the lengths of the standard and comes back as it is written.
pub fn traceparent(line: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(line) else { return };
    let parse = |value| TraceContext::of(&HeaderMap::from_iter([(TRACEPARENT, value)]));
    let Some(context) = parse(value) else { return };
    let flags = u8::from(context.is_sampled);
    let written = format!("00-{}-{}-{flags:02x}", context.trace_id, context.parent_id);
    assert_eq!(written.len(), 55);
    assert_eq!(parse(written.parse().expect("header text")), Some(context));
}

/// A resource has one usual spelling, which names it as well, and no path to it leads out of a folder.
pub fn target(path: &str) {
    for base in ["", "/update", "/a/b"] {
        let base: BasePath = base.parse().expect("a base");
        let target = Target::parse(path, &base);
        let normal = uri::normal(path);
        assert_eq!(target == Target::Malformed, normal.is_err());
        if let Target::Resource(resource) = &target {
            assert!(!normal.expect("it was read").split('/').any(|segment| segment == ".."));
            assert_eq!(Target::parse(&format!("{base}/{resource}"), &base), target);
        }
    }
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

    /// The tag that [`super::etags`] looks for.
    const OWN: &str = "\"0707070707070707070707070707070707070707070707070707070707070707\"";

    proptest! {
        #[test]
        fn heads(lines in text(&[
            "Host: x\r\n", "Range: bytes=0-1\r\n", "connection: a, Close\r\n", "Connection: keep-alive\r\n", "A: b\n",
            "If-Match: \"a\"\r\n", "User-Agent:  b \r\n", "X-Forwarded-For: ::1\r\n", "Content-Length: 0\r\n", "Referer:\r\n",
        ]), path in "/[ -~]{0,6}", method in "GET|HEAD|POST", newline in "\r?\n") {
            super::head(&[format!("{method} {path} HTTP/1.1{newline}").as_bytes(), b"Host: y\r\n", &lines, b"\r\n"].concat());
        }

        #[test]
        fn ranges(specs in text(&["0", "1", "7", "-", ",", " ", "=", "99999999999999999999"]), size in 0_u64..12) {
            super::range(&[b"bytes=", &specs[..]].concat(), size);
        }

        #[test]
        fn tags(line in text(&["\"", "W/", ",", " ", "*", "a", "\"b\"", OWN])) {
            super::etags(&line);
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
            super::forwarded_for(&lines);
        }

        #[test]
        fn traces(line in "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-x)?") {
            super::traceparent(line.as_bytes());
        }

        #[test]
        fn paths(path in "(/|%2[eEfF5]|%31|\\.|10|update|/a|/b|/format|/files|Manifest|latest|version|[ -~]){0,10}") {
            super::target(&path);
        }
    }
}

//! Properties of request heads and paths that hold for every input. The fuzz targets (`tests/fuzz`) call these functions
//! with arbitrary bytes, the tests below with random text of meaningful words. Each panics if its property does not hold.
//! Those of the other parsers are in `clearwell_http::fuzzing`.

use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Waker};

use clearwell_http::forwarded::X_FORWARDED_FOR;
use clearwell_http::request_head::{self, Parsed};
use clearwell_http::trace_context::TRACEPARENT;
use http::Response;
use http::header::{AUTHORIZATION, CONNECTION, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE, REFERER, USER_AGENT};
use http::request::Parts;
use http::uri::PathAndQuery;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::target::{BasePath, Target};
use crate::uri;

/// A head that the fast lane accepts means the same to hyper, and every prefix of it is partial.
pub fn head(bytes: &[u8]) {
    let Parsed::Head(head) = request_head::parse(bytes, usize::MAX) else { return };
    for cut in [head.length / 2, head.length - 1] {
        let part = request_head::parse(&bytes[..cut], usize::MAX);
        assert!(matches!(part, Parsed::Partial), "{cut} bytes: {part:?}");
    }
    let (Ok(target), Some(headers)) = (PathAndQuery::try_from(head.target), head.headers()) else { return };
    let (seen, answer) = hyper(&bytes[..head.length]);
    let seen = seen.unwrap_or_else(|| panic!("hyper rejects it:\n{answer}"));
    assert_eq!((&seen.method, seen.uri.path_and_query()), (&head.method(), Some(&target)));
    for name in [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, TRACEPARENT, X_FORWARDED_FOR] {
        assert!(seen.headers.get_all(&name).iter().eq(headers.get_all(&name)), "{name}");
    }
    for name in [REFERER, USER_AGENT, AUTHORIZATION] {
        assert_eq!(seen.headers.get(&name), headers.get(&name), "{name}");
    }
    let closes = answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n");
    assert_eq!(closes, head.closes, "{:?}", seen.headers.get_all(CONNECTION).iter().collect::<Vec<_>>());
}

/// The first request that hyper parses from `bytes`, and the bytes it sends.
fn hyper(bytes: &[u8]) -> (Option<Parts>, String) {
    let (seen, mut answer) = (RefCell::new(None), Vec::new());
    let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
        seen.borrow_mut().get_or_insert(request.into_parts().0);
        std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
    });
    let io = TokioIo::new(tokio::io::join(bytes, &mut answer));
    let connection = http1::Builder::new().half_close(true).serve_connection(io, service);
    // All input is available: it never has to wait.
    let ended = pin!(connection).as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(ended.is_ready(), "all of it was sent");
    drop(ended);
    (seen.into_inner(), String::from_utf8_lossy(&answer).into_owned())
}

/// The usual spelling of a resource names the same resource, and no path to one contains `..`.
pub fn target(path: &str) {
    for base in ["", "/update", "/a/b"] {
        let base: BasePath = base.parse().expect("a valid base path");
        let target = Target::parse(path, &base);
        let normal = uri::normal(path);
        assert_eq!(target == Target::Malformed, normal.is_err());
        if let Target::Resource(resource) = &target {
            assert!(!normal.expect("it was parsed").split('/').any(|segment| segment == ".."));
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

    proptest! {
        #[test]
        fn heads(lines in text(&[
            "Host: x\r\n", "Range: bytes=0-1\r\n", "connection: a, Close\r\n", "Connection: keep-alive\r\n", "A: b\n",
            "If-Match: \"a\"\r\n", "User-Agent:  b \r\n", "X-Forwarded-For: ::1\r\n", "Content-Length: 0\r\n", "Referer:\r\n",
        ]), path in "/[ -~]{0,6}", method in "GET|HEAD|POST", newline in "\r?\n") {
            super::head(&[format!("{method} {path} HTTP/1.1{newline}").as_bytes(), b"Host: y\r\n", &lines, b"\r\n"].concat());
        }

        #[test]
        fn paths(path in "(/|%2[eEfF5]|%31|\\.|10|update|/a|/b|/format|/files|Manifest|latest|version|[ -~]){0,10}") {
            super::target(&path);
        }
    }
}

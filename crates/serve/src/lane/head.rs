//! The header of a request, if it is of the one shape that nearly all have: HTTP/1.1, GET or HEAD, a path, no body,
//! nothing that asks for more than an answer.
//!
//! What is not of that shape, correct or not, is not judged here.

use std::mem::MaybeUninit;

use http::header::{IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use httparse::{Header, Request, Status};

use crate::access::LoggedHeaders;
use crate::client::FORWARDED_FOR;
use crate::trace::TRACEPARENT;

/// More lines than this are not usual.
const LINES: usize = 32;

/// What stands at the start of some bytes.
#[derive(Debug)]
pub(crate) enum Parsed<'a> {
    /// The beginning of something.
    Partial,
    /// Not of the shape.
    Unusual,
    /// A request.
    Head(Head<'a>),
}

/// A request of the shape.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    /// Of the header, in bytes.
    pub(crate) length: usize,
    pub(crate) is_head: bool,
    /// As it stands there, with its query.
    pub(crate) target: &'a str,
    pub(crate) logged: LoggedHeaders<'a>,
    /// The client wants no further answer.
    pub(crate) closes: bool,
    /// No condition, no range, nothing to be passed on: the path says all.
    pub(crate) is_plain: bool,
    /// Lines that change the answer or its log; empty if it is plain.
    pub(crate) lines: Vec<(HeaderName, &'a [u8])>,
}

/// Reads the request at the start of `bytes`. `limit` is how many lines its header may have.
pub(crate) fn parse(bytes: &[u8], limit: usize) -> Parsed<'_> {
    if !bytes.contains(&b'\n') {
        return Parsed::Partial;
    }
    let mut lines = [const { MaybeUninit::<Header<'_>>::uninit() }; LINES];
    let mut request = Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, &mut lines) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Parsed::Partial,
        Err(_) => return Parsed::Unusual,
    };
    let is_head = match request.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Parsed::Unusual,
    };
    let (Some(target), Some(1)) = (request.path, request.version) else { return Parsed::Unusual };
    if !target.starts_with('/') || request.headers.len() > limit {
        return Parsed::Unusual;
    }
    let logged = LoggedHeaders::default();
    let mut head = Head { length, is_head, target, logged, closes: false, is_plain: true, lines: Vec::new() };
    let mut hosts = 0;
    for line in &*request.headers {
        let is = |name: &str| line.name.eq_ignore_ascii_case(name);
        let mut keep = |name: HeaderName| {
            head.is_plain = false;
            head.lines.push((name, line.value));
        };
        // By length first: most lines are none of these.
        match line.name.len() {
            4 if is("host") => hosts += 1,
            5 if is("range") => keep(RANGE),
            6 if is("expect") => return Parsed::Unusual,
            7 if is("referer") => head.logged.referer = head.logged.referer.or(Some(line.value)),
            8 if is("if-match") => keep(IF_MATCH),
            8 if is("if-range") => keep(IF_RANGE),
            10 if is("user-agent") => head.logged.agent = head.logged.agent.or(Some(line.value)),
            10 if is("connection") => match connection(line.value) {
                Some(closes) => head.closes |= closes,
                None => return Parsed::Unusual,
            },
            11 if is("traceparent") => keep(TRACEPARENT),
            13 if is("if-none-match") => keep(IF_NONE_MATCH),
            13 if is("authorization") => {
                head.logged.authorization = head.logged.authorization.or(Some(line.value));
            }
            14 if is("content-length") => return Parsed::Unusual,
            15 if is("x-forwarded-for") => keep(FORWARDED_FOR),
            17 if is("transfer-encoding") => return Parsed::Unusual,
            _ => {}
        }
    }
    if hosts == 1 { Parsed::Head(head) } else { Parsed::Unusual }
}

/// True if a `Connection` line has the option `close`; `None` if it is not plain ASCII, of which hyper reads nothing.
fn connection(value: &[u8]) -> Option<bool> {
    if !value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    Some(text.split(',').any(|option| option.trim().eq_ignore_ascii_case("close")))
}

impl Head<'_> {
    pub(crate) const fn method(&self) -> Method {
        if self.is_head { Method::HEAD } else { Method::GET }
    }

    /// The lines that an answer or its log depend on; `None` if one is no header text.
    pub(crate) fn headers(&self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::with_capacity(self.lines.len() + 3);
        for (name, value) in self.lines.iter().cloned().chain(self.logged.lines()) {
            headers.append(name, HeaderValue::from_bytes(value).ok()?);
        }
        Some(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> &'static str {
        match parse(text.as_bytes(), 100) {
            Parsed::Partial => "partial",
            Parsed::Unusual => "unusual",
            Parsed::Head(head) if head.closes => "last",
            Parsed::Head(head) if head.is_plain => "plain",
            Parsed::Head(_) => "conditional",
        }
    }

    #[test]
    fn a_connection_line_that_hyper_does_not_read_is_left_to_it() {
        // Found by fuzzing: the lane saw `close` where hyper sees no option at all.
        for value in ["\u{18b}, close", "close, \u{e9}", "a\u{b}, close"] {
            assert_ne!(
                kind(&format!("GET /a HTTP/1.1\r\nHost: x\r\nConnection: {value}\r\n\r\n")),
                "last",
                "{value:?}"
            );
        }
        assert_eq!(kind("GET /a HTTP/1.1\r\nHost: x\r\nConnection: a,\tclose\r\n\r\n"), "last");
    }

    #[test]
    fn the_shape_and_what_is_not_of_it() {
        for (lines, expected) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "plain"),
            ("HEAD /x?y HTTP/1.1\r\nhost: x\r\nAccept: */*\r\n\r\n", "plain"),
            ("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "plain"),
            ("GET / HTTP/1.1\nHost: x\n\n", "plain"),
            ("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n", "plain"),
            ("GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive , CLOSE\r\n\r\n", "last"),
            ("GET / HTTP/1.1\r\nHost: x\r\nrange: bytes=0-0\r\n\r\n", "conditional"),
            ("GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n", "conditional"),
            ("GET / HTTP/1.1\r\nHost: x\r\n", "partial"),
            ("GET", "partial"),
            ("", "partial"),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "unusual"),
            ("GET / HTTP/1.1\r\n\r\n", "unusual"),
            ("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "unusual"),
            ("GET / HTTP/1.0\r\nHost: x\r\n\r\n", "unusual"),
            ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", "unusual"),
            ("GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", "unusual"),
            ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "unusual"),
            ("GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "unusual"),
            ("GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n", "unusual"),
            ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", "unusual"),
            ("GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", "unusual"),
        ] {
            assert_eq!(kind(lines), expected, "{lines:?}");
        }
        assert_eq!(kind(&format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(40))), "unusual");
    }
}

//! The head of a plain request: HTTP/1.1, GET or HEAD, an absolute path, one `Host`, no body (RFC 9112 §2 to §6).
//!
//! Nearly all requests for content have this form, and the fast lane of the server answers them without an HTTP library.
//! Any other head, valid or not, is [`Parsed::Unsupported`]: a complete HTTP implementation has to handle it. Always
//! true: a head that is accepted here means the same to hyper (the fuzz target `http_head` compares them).

use std::mem::MaybeUninit;

use http::header::{IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use httparse::{Header, Request, Status};

use crate::forwarded::X_FORWARDED_FOR;
use crate::logged_headers::LoggedHeaders;
use crate::trace_context::TRACEPARENT;

/// Header lines of a plain request: stock clients send fewer than ten.
const MAX_LINES: usize = 32;

/// The result of parsing the bytes received so far.
#[derive(Debug)]
pub enum Parsed<'a> {
    /// The head is incomplete: read more.
    Partial,
    /// Not a plain request, or not HTTP.
    Unsupported,
    /// A plain request.
    Head(RequestHead<'a>),
}

/// The head of a plain request.
#[derive(Debug)]
pub struct RequestHead<'a> {
    /// Length of the head in bytes, with the empty line.
    pub length: usize,
    /// HEAD; otherwise GET.
    pub is_head: bool,
    /// The request target as received, with its query.
    pub target: &'a str,
    /// Headers that only the access log needs.
    pub logged: LoggedHeaders<'a>,
    /// `Connection: close`.
    pub closes: bool,
    /// The response depends on method and path only: no condition, range, forwarded address or trace.
    pub is_unconditional: bool,
    /// Headers that the response or its log line depends on, in order; empty if `is_unconditional`.
    pub lines: Vec<(HeaderName, &'a [u8])>,
}

/// Parses the request head at the start of `bytes`. A head with more than `max_lines` header lines is
/// [`Parsed::Unsupported`].
///
/// Allocates only if there are [`lines`](RequestHead::lines).
#[inline]
pub fn parse(bytes: &[u8], max_lines: usize) -> Parsed<'_> {
    if !bytes.contains(&b'\n') {
        return Parsed::Partial;
    }
    let mut lines = [const { MaybeUninit::<Header<'_>>::uninit() }; MAX_LINES];
    let mut request = Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, &mut lines) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Parsed::Partial,
        Err(_) => return Parsed::Unsupported,
    };
    let is_head = match request.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Parsed::Unsupported,
    };
    let (Some(target), Some(1)) = (request.path, request.version) else { return Parsed::Unsupported };
    if !target.starts_with('/') || request.headers.len() > max_lines {
        return Parsed::Unsupported;
    }
    let logged = LoggedHeaders::default();
    let mut head =
        RequestHead { length, is_head, target, logged, closes: false, is_unconditional: true, lines: Vec::new() };
    let mut hosts = 0;
    for line in &*request.headers {
        let is = |name: &str| line.name.eq_ignore_ascii_case(name);
        let mut keep = |name: HeaderName| {
            head.is_unconditional = false;
            head.lines.push((name, line.value));
        };
        // By length first, since most header lines match none of these.
        match line.name.len() {
            4 if is("host") => hosts += 1,
            5 if is("range") => keep(RANGE),
            6 if is("expect") => return Parsed::Unsupported,
            7 if is("referer") => head.logged.referer = head.logged.referer.or(Some(line.value)),
            8 if is("if-match") => keep(IF_MATCH),
            8 if is("if-range") => keep(IF_RANGE),
            10 if is("user-agent") => head.logged.agent = head.logged.agent.or(Some(line.value)),
            10 if is("connection") => match connection(line.value) {
                Some(closes) => head.closes |= closes,
                None => return Parsed::Unsupported,
            },
            11 if is("traceparent") => keep(TRACEPARENT),
            13 if is("if-none-match") => keep(IF_NONE_MATCH),
            13 if is("authorization") => {
                head.logged.authorization = head.logged.authorization.or(Some(line.value));
            }
            14 if is("content-length") => return Parsed::Unsupported,
            15 if is("x-forwarded-for") => keep(X_FORWARDED_FOR),
            17 if is("transfer-encoding") => return Parsed::Unsupported,
            _ => {}
        }
    }
    if hosts == 1 { Parsed::Head(head) } else { Parsed::Unsupported }
}

/// True if a `Connection` line has the option `close`. `None` if it is not visible ASCII: hyper ignores such a line.
fn connection(value: &[u8]) -> Option<bool> {
    if !value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    Some(text.split(',').any(|option| option.trim().eq_ignore_ascii_case("close")))
}

impl RequestHead<'_> {
    /// GET or HEAD.
    pub const fn method(&self) -> Method {
        if self.is_head { Method::HEAD } else { Method::GET }
    }

    /// The headers that the response or its log line depends on. `None` if a value is not valid (RFC 9110 §5.5).
    pub fn headers(&self) -> Option<HeaderMap> {
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
            Parsed::Unsupported => "unsupported",
            Parsed::Head(head) if head.closes => "last",
            Parsed::Head(head) if head.is_unconditional => "unconditional",
            Parsed::Head(_) => "conditional",
        }
    }

    #[test]
    fn a_connection_line_that_hyper_ignores_does_not_close() {
        // Found by fuzzing: the lane saw `close` where hyper ignores the line.
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
    fn plain_requests_and_others() {
        for (lines, expected) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "unconditional"),
            ("HEAD /x?y HTTP/1.1\r\nhost: x\r\nAccept: */*\r\n\r\n", "unconditional"),
            ("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "unconditional"),
            ("GET / HTTP/1.1\nHost: x\n\n", "unconditional"),
            (
                "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
                "unconditional",
            ),
            ("GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive , CLOSE\r\n\r\n", "last"),
            ("GET / HTTP/1.1\r\nHost: x\r\nrange: bytes=0-0\r\n\r\n", "conditional"),
            ("GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n", "conditional"),
            ("GET / HTTP/1.1\r\nHost: x\r\n", "partial"),
            ("GET", "partial"),
            ("", "partial"),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "unsupported"),
            ("GET / HTTP/1.1\r\n\r\n", "unsupported"),
            ("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "unsupported"),
            ("GET / HTTP/1.0\r\nHost: x\r\n\r\n", "unsupported"),
            ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", "unsupported"),
            ("GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", "unsupported"),
            ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "unsupported"),
            ("GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "unsupported"),
            ("GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n", "unsupported"),
            ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", "unsupported"),
            ("GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", "unsupported"),
        ] {
            assert_eq!(kind(lines), expected, "{lines:?}");
        }
        assert_eq!(kind(&format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(40))), "unsupported");
    }
}

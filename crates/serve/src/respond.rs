//! Responses: status, headers and body for each outcome, defined here and nowhere else.
//!
//! | response | headers in addition to `Content-Length` and `Date` |
//! |---|---|
//! | 200, 206 | `Content-Type`, `ETag`, `Cache-Control`, `Accept-Ranges`, `Content-Range` |
//! | 304 | `ETag`, `Cache-Control` |
//! | 412, 416 | as errors; 416 with `Content-Range: bytes */N` |
//! | errors | `Content-Type: text/plain`, `Cache-Control: no-store`; the body is the reason phrase |
//! | 405 | `Allow` |
//! | 429, 503 | `Retry-After` |
//!
//! Never a content coding, never a redirect: the stock client understands neither. A response to HEAD has all headers
//! of the response to GET; the caller drops its body.

use std::num::NonZeroU32;
use std::ops::Range;

use bytes::Bytes;
use clearwell_http::conditions::Outcome;
use http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, RETRY_AFTER,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::body::Content;
use crate::object::{Lifetime, Object, ObjectMeta, Segment};

const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The response for an object. Without `object`, as for HEAD, the body is empty and everything else is the same.
pub(crate) fn object(outcome: Outcome, meta: &ObjectMeta, object: Option<&Object>) -> Response<Content> {
    let part = |part: Range<u64>| object.map(|object| object.part(part));
    match outcome {
        Outcome::Whole => found(StatusCode::OK, meta, meta.size, part(0..meta.size)),
        Outcome::Part(range) => {
            let content_range = content_range(&range, meta.size);
            let mut response = found(StatusCode::PARTIAL_CONTENT, meta, range.end - range.start, part(range));
            response.headers_mut().insert(CONTENT_RANGE, header(content_range));
            response
        }
        Outcome::Parts(ranges) => parts(&ranges, meta, object),
        Outcome::NotModified => {
            let mut response = Response::new(Content::Empty);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            validators(&mut response, meta);
            response
        }
        Outcome::PreconditionFailed => plain(StatusCode::PRECONDITION_FAILED),
        Outcome::RangeUnsatisfiable => {
            let mut response = plain(StatusCode::RANGE_NOT_SATISFIABLE);
            response.headers_mut().insert(CONTENT_RANGE, header(format!("bytes */{}", meta.size)));
            response
        }
    }
}

/// The headers of the 200 response for an object as HTTP/1.1 writes them, without status line and date, with the empty
/// line.
pub(crate) fn head_of(meta: &ObjectMeta) -> Vec<u8> {
    let response = found(StatusCode::OK, meta, meta.size, None);
    let mut text = Vec::with_capacity(256);
    write_headers(response.headers(), &mut text);
    text.extend_from_slice(b"\r\n");
    text
}

/// Headers as HTTP/1.1 writes them.
pub(crate) fn write_headers(headers: &HeaderMap, text: &mut Vec<u8>) {
    for (name, value) in headers {
        for piece in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.extend_from_slice(piece);
        }
    }
}

/// 200 or 206 with `length` bytes.
fn found(
    status: StatusCode,
    meta: &ObjectMeta,
    length: u64,
    segments: impl IntoIterator<Item = Segment>,
) -> Response<Content> {
    let mut response = Response::new(Content::of(segments));
    *response.status_mut() = status;
    validators(&mut response, meta);
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(meta.content_type));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response
}

fn validators(response: &mut Response<Content>, meta: &ObjectMeta) {
    let headers = response.headers_mut();
    headers.insert(ETAG, meta.etag.header().clone());
    headers.insert(
        CACHE_CONTROL,
        match meta.lifetime {
            Lifetime::Immutable => IMMUTABLE,
            Lifetime::Revalidated => NO_CACHE,
        },
    );
}

/// `multipart/byteranges` (RFC 9110 §14.6).
fn parts(ranges: &[Range<u64>], meta: &ObjectMeta, object: Option<&Object>) -> Response<Content> {
    // From the digest of the whole object: no object can be made that contains its own boundary.
    let boundary = meta.etag.header().to_str().expect("hex digits in quotes").trim_matches('"')[..32].to_owned();
    let mut length = 0;
    let mut segments = Vec::new();
    let mut push = |text: String| {
        length += text.len() as u64;
        segments.push(Segment::Memory(Bytes::from(text)));
    };
    let mut line_end = "";
    let mut lengths = 0;
    for range in ranges {
        let content_range = content_range(range, meta.size);
        push(format!(
            "{line_end}--{boundary}\r\nContent-Type: {}\r\nContent-Range: {content_range}\r\n\r\n",
            meta.content_type
        ));
        line_end = "\r\n";
        lengths += range.end - range.start;
    }
    push(format!("\r\n--{boundary}--\r\n"));
    length += lengths;

    let body = object.map(|object| interleave(segments, ranges.iter().map(|range| object.part(range.clone()))));
    let mut response = found(StatusCode::PARTIAL_CONTENT, meta, length, body.into_iter().flatten());
    response.headers_mut().insert(CONTENT_TYPE, header(format!("multipart/byteranges; boundary={boundary}")));
    response
}

/// Text, part, text, part, …, text.
fn interleave(texts: Vec<Segment>, parts: impl Iterator<Item = Segment>) -> Vec<Segment> {
    let mut parts = parts.fuse();
    texts.into_iter().flat_map(|text| [Some(text), parts.next()]).flatten().collect()
}

fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

fn header(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("digits and words are a valid header value")
}

/// A status with its reason phrase as body.
pub(crate) fn plain(status: StatusCode) -> Response<Content> {
    let mut response = text(status, format!("{}\n", status.canonical_reason().unwrap_or("Error")));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

/// 503: the object is not available yet, or the server is busy.
pub(crate) fn unavailable(retry_after_seconds: NonZeroU32) -> Response<Content> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after_seconds.get()));
    response
}

/// 429: the client exceeds its request rate.
pub(crate) fn too_many(retry_after_seconds: NonZeroU32) -> Response<Content> {
    let mut response = plain(StatusCode::TOO_MANY_REQUESTS);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after_seconds.get()));
    response
}

/// A short text that is not from the store.
pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Content> {
    let text = text.into();
    let length = text.len();
    let mut response = Response::new(Content::Memory(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CONTENT_TYPE, PLAIN);
    headers.insert(CACHE_CONTROL, NO_STORE);
    response
}

//! The parts of HTTP that need no I/O: bytes and headers in, values and decisions out.
//!
//! | Module | Content | Defined by |
//! |---|---|---|
//! | [`etag`] | entity tags, and the lists of them in `If-Match` and `If-None-Match` | RFC 9110 §8.8.3 and §13.1 |
//! | [`range`] | the `Range` header, resolved against a size | RFC 9110 §14.1 and §14.2 |
//! | [`conditions`] | conditional and range requests: the resulting response | RFC 9110 §13.2.2 |
//! | [`request_head`] | the head of a plain GET or HEAD request, without allocation | RFC 9112 §2 to §6 |
//! | [`proxy_protocol`] | the client address in front of a connection, versions 1 and 2 | proxy-protocol.txt §2 |
//! | [`forwarded`] | the client address in `X-Forwarded-For` | convention; compare RFC 7239 |
//! | [`trace_context`] | the trace that a request belongs to | W3C Trace Context §3.2 |
//! | [`logged_headers`] | headers that an access log names, with the user of Basic authentication | RFC 7617 §2 |
//!
//! Always true: no I/O, no clock, no async. Every parser takes any bytes, never panics, and reads no more of its
//! input than it reports. Each has a fuzz target in `tests/fuzz`.
//!
//! Elsewhere: sockets, responses and limits are in `clearwell-serve`; the grammar of URLs in `clearwell-format`.
//!
//! ```
//! use clearwell_http::conditions::{Conditions, Outcome, decide};
//! use clearwell_http::etag::Etag;
//! use http::{HeaderMap, Method, header};
//!
//! let etag = Etag::of_digest(&[0xab; 32]);
//! let mut headers = HeaderMap::new();
//! headers.insert(header::RANGE, "bytes=-5".parse().unwrap());
//! assert_eq!(decide(&Conditions::of(&Method::GET, &headers), &etag, 100), Outcome::Part(95..100));
//!
//! headers.insert(header::IF_NONE_MATCH, etag.header().clone());
//! assert_eq!(decide(&Conditions::of(&Method::GET, &headers), &etag, 100), Outcome::NotModified);
//! ```

pub mod conditions;
pub mod etag;
pub mod forwarded;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod logged_headers;
pub mod proxy_protocol;
pub mod range;
pub mod request_head;
pub mod trace_context;

//! The trace that a request belongs to, as clients and proxies pass it on (W3C Trace Context §3.2).
//!
//! ```text
//! traceparent: 00-<trace id, 32 hex digits>-<parent id, 16 hex digits>-<flags, 2 hex digits>
//! ```

use http::HeaderMap;
use http::header::HeaderName;

/// `traceparent`.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The parsed `traceparent` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// 32 lowercase hex digits, not all zero.
    pub trace_id: Box<str>,
    /// 16 lowercase hex digits, not all zero.
    pub parent_id: Box<str>,
    /// The caller records this trace.
    pub is_sampled: bool,
}

impl TraceContext {
    /// Parses the header. `None` if it is missing, invalid, or given twice.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(TRACEPARENT).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else { return None };
        Self::parse(line.to_str().ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split('-');
        let mut field = |length: usize| {
            let is_hex = |text: &&str| {
                text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            };
            fields.next().filter(is_hex)
        };
        let (version, trace_id, parent_id, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
        // Version ff is invalid. Only versions after 00 may have more fields.
        let has_more = fields.next().is_some();
        let is_zero = |id: &str| id.bytes().all(|byte| byte == b'0');
        if version == "ff" || (version == "00" && has_more) || is_zero(trace_id) || is_zero(parent_id) {
            return None;
        }
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { trace_id: trace_id.into(), parent_id: parent_id.into(), is_sampled: flags & 1 == 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_valid_headers_are_accepted() {
        let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let good = TraceContext::parse(&format!("00-{trace}-{parent}-01")).unwrap();
        assert_eq!((&*good.trace_id, &*good.parent_id, good.is_sampled), (trace, parent, true));
        assert!(!TraceContext::parse(&format!("00-{trace}-{parent}-00")).unwrap().is_sampled);
        assert!(TraceContext::parse(&format!("01-{trace}-{parent}-00-later")).is_some());
        for bad in [
            String::new(),
            format!("00-{trace}-{parent}"),
            format!("00-{trace}-{parent}-01-more"),
            format!("ff-{trace}-{parent}-01"),
            format!("00-{}-{parent}-01", trace.to_uppercase()),
            format!("00-{}-{parent}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{trace}-{parent}-1"),
        ] {
            assert_eq!(TraceContext::parse(&bad), None, "{bad}");
        }
    }
}

//! Byte ranges (RFC 9110 §14.1.2 and §14.2).
//!
//! ```text
//! Range: bytes=0-99            the first hundred bytes
//! Range: bytes=100-            everything after them
//! Range: bytes=-5, 0-0         the last five, then the first
//! ```
//!
//! Always true: the parts never add up to more than the size of the object. A header that cannot be parsed, has more than
//! [`MAX_PARTS`] parts, or asks for more bytes than the object has, is ignored, which RFC 9110 §14.2 allows: the response
//! is the whole object.
//!
//! Not taken from a crate: callers need to distinguish ignored headers from unsatisfiable ones, and need parts in the
//! requested order and bounds on their number and total size.

use std::ops::Range;

/// The largest number of parts; a request for more is treated as an attack and gets the whole object.
pub const MAX_PARTS: usize = 32;

/// A `Range` header, resolved against the size of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolvedRange {
    /// Treat the request as one without the header.
    Ignored,
    /// None of the requested bytes exist: 416.
    Unsatisfiable,
    /// One part, not empty.
    Single(Range<u64>),
    /// Two or more parts in the requested order, none of them empty.
    Multiple(Vec<Range<u64>>),
}

/// Resolves the value of a `Range` header against an object of `size` bytes.
pub fn resolve(value: &[u8], size: u64) -> ResolvedRange {
    let Some(specs) = range_set(value) else { return ResolvedRange::Ignored };
    let mut parts: Vec<Range<u64>> = Vec::new();
    let mut total: u64 = 0;
    let mut any_spec = false;
    for spec in specs.split(|&byte| byte == b',') {
        let spec = spec.trim_ascii();
        if spec.is_empty() {
            continue;
        }
        any_spec = true;
        match resolve_spec(spec, size) {
            None => return ResolvedRange::Ignored,
            Some(part) if part.is_empty() => {}
            Some(part) => {
                total = total.saturating_add(part.end - part.start);
                parts.push(part);
            }
        }
        if parts.len() > MAX_PARTS {
            return ResolvedRange::Ignored;
        }
    }
    match parts.as_slice() {
        [] if any_spec => ResolvedRange::Unsatisfiable,
        [] => ResolvedRange::Ignored,
        [part] => ResolvedRange::Single(part.clone()),
        // Overlapping parts ask for more bytes than the object has.
        _ if total > size => ResolvedRange::Ignored,
        _ => ResolvedRange::Multiple(parts),
    }
}

/// The `range-set` after `bytes=`. Units are case-insensitive (RFC 9110 §14.1).
fn range_set(value: &[u8]) -> Option<&[u8]> {
    let equals = value.iter().position(|&byte| byte == b'=')?;
    let (unit, specs) = value.split_at(equals);
    unit.trim_ascii().eq_ignore_ascii_case(b"bytes").then_some(&specs[1..])
}

/// One `first-last`, `first-` or `-length`. `None` for any other text; an empty range if it is behind the end.
fn resolve_spec(spec: &[u8], size: u64) -> Option<Range<u64>> {
    let dash = spec.iter().position(|&byte| byte == b'-')?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    if first.is_empty() {
        let length = decimal(last)?;
        // A suffix of an empty object is satisfiable, but `Content-Range` cannot express it: ignore the header.
        return (size > 0 || length == 0).then(|| size.saturating_sub(length)..size);
    }
    let first = decimal(first)?;
    let end = if last.is_empty() {
        size
    } else {
        let last = decimal(last)?;
        if last < first {
            return None;
        }
        last.saturating_add(1).min(size)
    };
    Some(first.min(end)..end)
}

/// Digits only. Saturates: no object is larger than 2^64 bytes.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        digit.is_ascii_digit().then(|| number.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_of_ten_bytes() {
        let one = |part: Range<u64>| ResolvedRange::Single(part);
        let many = |parts: &[Range<u64>]| ResolvedRange::Multiple(parts.to_vec());
        let table: &[(&str, ResolvedRange)] = &[
            ("bytes=0-0", one(0..1)),
            ("bytes=0-9", one(0..10)),
            ("bytes=0-", one(0..10)),
            ("bytes=9-", one(9..10)),
            ("bytes=3-5", one(3..6)),
            ("bytes=3-99", one(3..10)),
            ("bytes=0-18446744073709551615", one(0..10)),
            ("bytes=0-99999999999999999999999", one(0..10)),
            ("bytes=-1", one(9..10)),
            ("bytes=-10", one(0..10)),
            ("bytes=-99999999999999999999999", one(0..10)),
            ("BYTES=0-0", one(0..1)),
            ("bytes= 0-0 ", one(0..1)),
            ("bytes=,0-0,", one(0..1)),
            ("bytes=20-, 0-0", one(0..1)),
            ("bytes=0-0,9-9", many(&[0..1, 9..10])),
            ("bytes=-1, 0-0", many(&[9..10, 0..1])),
            ("bytes=0-4,5-9", many(&[0..5, 5..10])),
            ("bytes=0-4,2-4", many(&[0..5, 2..5])),
            ("bytes=0-9,0-0", ResolvedRange::Ignored),
            ("bytes=10-", ResolvedRange::Unsatisfiable),
            ("bytes=10-20, 30-", ResolvedRange::Unsatisfiable),
            ("bytes=99999999999999999999999-", ResolvedRange::Unsatisfiable),
            ("bytes=-0", ResolvedRange::Unsatisfiable),
            ("bytes=5-4", ResolvedRange::Ignored),
            ("bytes=0-0,5-4", ResolvedRange::Ignored),
            ("bytes=", ResolvedRange::Ignored),
            ("bytes=,", ResolvedRange::Ignored),
            ("bytes=-", ResolvedRange::Ignored),
            ("bytes=a-b", ResolvedRange::Ignored),
            ("bytes=0", ResolvedRange::Ignored),
            ("bytes=0-1-2", ResolvedRange::Ignored),
            ("bytes=+0-1", ResolvedRange::Ignored),
            ("bytes=0 - 1", ResolvedRange::Ignored),
            ("bytes 0-1", ResolvedRange::Ignored),
            ("lines=0-1", ResolvedRange::Ignored),
            ("", ResolvedRange::Ignored),
        ];
        for (value, expected) in table {
            assert_eq!(resolve(value.as_bytes(), 10), *expected, "{value}");
        }
    }

    #[test]
    fn an_empty_object_has_no_parts() {
        for value in ["bytes=0-0", "bytes=0-", "bytes=-0"] {
            assert_eq!(resolve(value.as_bytes(), 0), ResolvedRange::Unsatisfiable, "{value}");
        }
        assert_eq!(resolve(b"bytes=-1", 0), ResolvedRange::Ignored);
    }

    #[test]
    fn too_many_parts_are_ignored() {
        let parts = |count: u64| {
            let specs: Vec<String> = (0..count).map(|at| format!("{0}-{0}", 2 * at)).collect();
            resolve(format!("bytes={}", specs.join(",")).as_bytes(), 1000)
        };
        assert!(matches!(parts(32), ResolvedRange::Multiple(parts) if parts.len() == 32));
        assert_eq!(parts(33), ResolvedRange::Ignored);
        assert_eq!(resolve(format!("bytes={}", "0-,".repeat(1300)).as_bytes(), 1000), ResolvedRange::Ignored);
    }

    proptest! {
        #[test]
        fn parts_lie_in_the_object(value in "bytes=[0-9,-]{0,30}", size in 0_u64..40) {
            match resolve(value.as_bytes(), size) {
                ResolvedRange::Single(part) => prop_assert!(part.start < part.end && part.end <= size),
                ResolvedRange::Multiple(parts) => {
                    prop_assert!(parts.len() >= 2);
                    prop_assert!(parts.iter().all(|part| part.start < part.end && part.end <= size));
                    prop_assert!(parts.iter().map(|part| part.end - part.start).sum::<u64>() <= size);
                }
                ResolvedRange::Ignored | ResolvedRange::Unsatisfiable => {}
            }
        }
    }
}

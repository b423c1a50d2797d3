//! Byte ranges (RFC 9110, 14.1.2 and 14.2).
//!
//! ```text
//! Range: bytes=0-99            the first hundred bytes
//! Range: bytes=100-            all behind them
//! Range: bytes=-5, 0-0         the last five, then the first
//! ```
//!
//! A header that is not understood, asks for too many parts, or asks for more bytes than the whole has, is ignored: the
//! answer is the whole. So no request makes the server send more than the object and some part headers.

use std::ops::Range;

/// More parts than this are a hostile wish; the whole answers it.
const MAX_PARTS: usize = 32;

/// What a `Range` header means for an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Not to be heeded: answer as if it were not there.
    Ignored,
    /// Nothing of what is asked lies in the object.
    Unsatisfiable,
    /// One part.
    One(Range<u64>),
    /// Two or more parts, in the order asked.
    Many(Vec<Range<u64>>),
}

/// Reads the value of a `Range` header for an object of `size` bytes.
pub(crate) fn resolve(value: &[u8], size: u64) -> Asked {
    let Some(specs) = ranges_specifier(value) else { return Asked::Ignored };
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
            None => return Asked::Ignored,
            Some(part) if part.is_empty() => {}
            Some(part) => {
                total = total.saturating_add(part.end - part.start);
                parts.push(part);
            }
        }
        if parts.len() > MAX_PARTS {
            return Asked::Ignored;
        }
    }
    match parts.as_slice() {
        [] if any_spec => Asked::Unsatisfiable,
        [] => Asked::Ignored,
        [part] => Asked::One(part.clone()),
        // Overlapping parts: more bytes than there are.
        _ if total > size => Asked::Ignored,
        _ => Asked::Many(parts),
    }
}

/// What stands behind `bytes=`; units are compared without regard to case.
fn ranges_specifier(value: &[u8]) -> Option<&[u8]> {
    let equals = value.iter().position(|&byte| byte == b'=')?;
    let (unit, specs) = value.split_at(equals);
    unit.trim_ascii().eq_ignore_ascii_case(b"bytes").then_some(&specs[1..])
}

/// One `first-last`, `first-` or `-length`. `None` if it is none of them; empty if it lies behind the end.
fn resolve_spec(spec: &[u8], size: u64) -> Option<Range<u64>> {
    let dash = spec.iter().position(|&byte| byte == b'-')?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    if first.is_empty() {
        let length = decimal(last)?;
        // The last bytes of nothing are nothing, and that is satisfiable, yet no part can say so: answer the whole.
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

/// Digits only. A number above 2^64 is as good as the largest: no object reaches it.
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
        let one = |part: Range<u64>| Asked::One(part);
        let many = |parts: &[Range<u64>]| Asked::Many(parts.to_vec());
        let table: &[(&str, Asked)] = &[
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
            ("bytes=0-9,0-0", Asked::Ignored),
            ("bytes=10-", Asked::Unsatisfiable),
            ("bytes=10-20, 30-", Asked::Unsatisfiable),
            ("bytes=99999999999999999999999-", Asked::Unsatisfiable),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=5-4", Asked::Ignored),
            ("bytes=0-0,5-4", Asked::Ignored),
            ("bytes=", Asked::Ignored),
            ("bytes=,", Asked::Ignored),
            ("bytes=-", Asked::Ignored),
            ("bytes=a-b", Asked::Ignored),
            ("bytes=0", Asked::Ignored),
            ("bytes=0-1-2", Asked::Ignored),
            ("bytes=+0-1", Asked::Ignored),
            ("bytes=0 - 1", Asked::Ignored),
            ("bytes 0-1", Asked::Ignored),
            ("lines=0-1", Asked::Ignored),
            ("", Asked::Ignored),
        ];
        for (value, expected) in table {
            assert_eq!(resolve(value.as_bytes(), 10), *expected, "{value}");
        }
    }

    #[test]
    fn nothing_lies_in_an_empty_object() {
        for value in ["bytes=0-0", "bytes=0-", "bytes=-0"] {
            assert_eq!(resolve(value.as_bytes(), 0), Asked::Unsatisfiable, "{value}");
        }
        assert_eq!(resolve(b"bytes=-1", 0), Asked::Ignored);
    }

    #[test]
    fn a_bomb_of_parts_is_ignored() {
        let parts = |count: u64| {
            let specs: Vec<String> = (0..count).map(|at| format!("{0}-{0}", 2 * at)).collect();
            resolve(format!("bytes={}", specs.join(",")).as_bytes(), 1000)
        };
        assert!(matches!(parts(32), Asked::Many(parts) if parts.len() == 32));
        assert_eq!(parts(33), Asked::Ignored);
        assert_eq!(resolve(format!("bytes={}", "0-,".repeat(1300)).as_bytes(), 1000), Asked::Ignored);
    }

    proptest! {
        #[test]
        fn what_is_answered_lies_in_the_object(value in "bytes=[0-9,-]{0,30}", size in 0_u64..40) {
            match resolve(value.as_bytes(), size) {
                Asked::One(part) => prop_assert!(part.start < part.end && part.end <= size),
                Asked::Many(parts) => {
                    prop_assert!(parts.len() >= 2);
                    prop_assert!(parts.iter().all(|part| part.start < part.end && part.end <= size));
                    prop_assert!(parts.iter().map(|part| part.end - part.start).sum::<u64>() <= size);
                }
                Asked::Ignored | Asked::Unsatisfiable => {}
            }
        }
    }
}

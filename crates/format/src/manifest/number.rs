//! Numbers as the stock client reads them: `strtol` and `strtoull` of the C library, in base 10.
//!
//! White space in front, a sign and leading zeros are taken.

/// A version, or a format: what follows the digits is nothing, or begins with white space, and no number at all is 0.
/// `None` outside 32 bits.
pub(super) fn integer(text: &[u8]) -> Option<i32> {
    let (negative, digits, rest) = split(text);
    if digits.is_empty() {
        return text.first().is_none_or(|byte| is_space(*byte)).then_some(0);
    }
    if rest.first().is_some_and(|byte| !is_space(*byte)) {
        return None;
    }
    let number = i64::from(u32::try_from(magnitude(digits)?).ok()?);
    i32::try_from(if negative { -number } else { number }).ok()
}

/// A count: anything after the digits is ignored, and no digits are 0. `None` above `largest`.
pub(super) fn count(text: &[u8], largest: u64) -> Option<u64> {
    let (negative, digits, _) = split(text);
    let number = magnitude(digits)?;
    let number = if negative { number.wrapping_neg() } else { number };
    (number <= largest).then_some(number)
}

/// Sign, digits and what follows them.
fn split(text: &[u8]) -> (bool, &[u8], &[u8]) {
    let text = &text[text.iter().take_while(|byte| is_space(**byte)).count()..];
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (digits, rest) = text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count());
    (negative, digits, rest)
}

/// `None` if the digits do not fit into 64 bits.
fn magnitude(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, digit| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// The white space of the C locale.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judged by the C library.
    #[test]
    fn integers_are_those_of_the_client() {
        for (text, number) in [
            ("30", Some(30)),
            ("030", Some(30)),
            (" \r+30 x", Some(30)),
            ("-3", Some(-3)),
            ("", Some(0)),
            (" x", Some(0)),
            ("+", None),
            ("2147483647", Some(i32::MAX)),
            ("2147483648", None),
            ("99999999999999999999", None),
            ("30x", None),
            ("x", None),
            ("3.0", None),
        ] {
            assert_eq!(integer(text.as_bytes()), number, "{text:?}");
        }
    }

    #[test]
    fn counts_are_those_of_the_client() {
        for (text, number) in [
            ("7", Some(7)),
            ("7x", Some(7)),
            (" +007", Some(7)),
            ("many", Some(0)),
            ("", Some(0)),
            ("-0", Some(0)),
            ("100", Some(100)),
            ("101", None),
            ("-1", None),
            ("18446744073709551616", None),
            ("-18446744073709551615", Some(1)),
        ] {
            assert_eq!(count(text.as_bytes(), 100), number, "{text:?}");
        }
    }
}

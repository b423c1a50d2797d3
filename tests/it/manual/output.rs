//! Output that a page shows, compared with what was printed.
//!
//! Times, dates, sizes and hashes may differ. `…` in a line stands for any text, and a line `…` for any number of lines.

/// Units of quantities that depend on the machine or on the version of a library.
const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "s", "ms", "%"];

/// # Errors
/// The first line that was expected and did not come, with all that was printed.
pub(crate) fn compare(expected: &[String], printed: &str) -> Result<(), String> {
    let expected: Vec<String> = expected.iter().map(|line| normal(line)).collect();
    let lines: Vec<String> = printed.trim_end().lines().map(normal).collect();
    if lines_match(&expected, &lines) {
        return Ok(());
    }
    // The longest beginning that still matches shows where the output went another way.
    let anything = ["…".to_owned()];
    let matched = (0..=expected.len())
        .rev()
        .find(|count| lines_match(&[&expected[..*count], &anything].concat(), &lines))
        .unwrap_or(0);
    let line = expected.get(matched).map_or("the end of the output", String::as_str);
    Err(format!("expected {line:?} in this place; printed was\n{printed}"))
}

/// The line with single spaces, and what may differ as a word in angle brackets.
fn normal(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let bare = word.trim_matches([',', ';', '(', ')', ':', '.']);
        let is_unit = UNITS.contains(&bare) || bare == "bytes";
        if is_unit && words.last().is_some_and(|last| is_number(last.trim_start_matches('('))) {
            words.pop();
            words.push("<quantity>".to_owned());
        } else if UNITS.iter().any(|unit| bare.strip_suffix(unit).is_some_and(is_number)) {
            words.push("<quantity>".to_owned());
        } else if is_time(bare) {
            words.push("<time>".to_owned());
        } else if bare.len() >= 12 && bare.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            words.push("<hash>".to_owned());
        } else {
            words.push(word.to_owned());
        }
    }
    words.join(" ")
}

fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b',')
}

/// `2026-11-29`, `01:46`, `2026-11-29T01:46:11Z`.
fn is_time(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let rest = text.bytes().filter(|byte| b"-:TZ.+".contains(byte)).count();
    digits >= 4 && rest >= 1 && digits + rest == text.len() && (text.contains(':') || text.matches('-').count() == 2)
}

fn lines_match(expected: &[String], lines: &[String]) -> bool {
    match (expected.split_first(), lines.split_first()) {
        (None, _) => lines.is_empty(),
        (Some((first, rest)), _) if first == "…" => {
            lines_match(rest, lines) || (!lines.is_empty() && lines_match(expected, &lines[1..]))
        }
        (Some((first, rest)), Some((line, others))) => line_matches(first, line) && lines_match(rest, others),
        (Some(_), None) => false,
    }
}

fn line_matches(expected: &str, line: &str) -> bool {
    let parts: Vec<&str> = expected.split('…').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return expected == line };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn output_is_compared_apart_from_what_depends_on_the_machine() {
    let matches = |expected: &str, printed: &str| {
        compare(&expected.lines().map(str::to_owned).collect::<Vec<_>>(), printed).is_ok()
    };
    assert!(matches("release 10 published\n  fullfile  8  2.91 KiB", "release 10 published\n  fullfile   8   3 B\n"));
    assert!(matches("  10  30 2026-11-29 01:46", "  10  30 2027-01-01 12:00"));
    assert!(matches("a\n…\nd", "a\nb\nc\nd"));
    assert!(matches("a\n…\nd", "a\nd"));
    assert!(matches("took … in all (2 s)", "took a, b in all (13ms)"));
    assert!(matches("hash 0123456789abcdef", "hash fedcba98765432100"));
    for (expected, printed) in [
        ("release 10 published", "release 20 published"),
        ("a\nb", "a"),
        ("a", "a\nb"),
        ("a\n…\nd", "a\nb"),
        ("fullfile 8 2.91 KiB", "fullfile 9 2.91 KiB"),
        ("took … in all", "took a"),
    ] {
        assert!(!matches(expected, printed), "{expected:?} {printed:?}");
    }
    let error = compare(&["a".to_owned(), "b".to_owned()], "a\nc\n").unwrap_err();
    assert!(error.starts_with("expected \"b\""), "{error}");
}

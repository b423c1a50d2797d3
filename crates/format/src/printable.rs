//! Foreign text, made safe for terminals and logs.
//!
//! Names of files, archive members, certificates, URLs and answers of servers are not ours. Printed unchanged, they
//! could move the cursor, fake a line of output, or reorder letters.
//!
//! | In the text | Printed |
//! |---|---|
//! | line feed, carriage return, tab | `\n` `\r` `\t` |
//! | other controls of ASCII | `\x1b` |
//! | C1 controls, line separators, bidirectional controls, invisible characters | `\u{202e}` |
//! | a backslash that would read as one of these | `\\` |
//!
//! The text can be recovered from the output. Letters of all scripts stay, and so do the joiners U+200C and U+200D,
//! without which some of them cannot be written.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write as _;

/// The text in one line, without characters that a terminal acts on.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(|character| character != '\\' && !acts(character)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let _ = match character {
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            '\\' if characters.peek().is_some_and(|&next| "\\nrtux".contains(next) || acts(next)) => {
                out.write_str("\\\\")
            }
            '\0'..='\x7f' if acts(character) => write!(out, "\\x{:02x}", u32::from(character)),
            _ if acts(character) => write!(out, "\\u{{{:x}}}", u32::from(character)),
            _ => out.write_char(character),
        };
    }
    Cow::Owned(out)
}

/// A JSON document without characters that terminals act on: those in its strings become escapes such as `\u202e`.
pub fn printable_json(document: &str) -> Cow<'_, str> {
    // Line feeds and blanks between values stay; inside strings, JSON has no raw ones.
    let acts = |character: char| !matches!(character, '\n' | '\r' | '\t') && acts(character);
    if !document.chars().any(acts) {
        return Cow::Borrowed(document);
    }
    let mut out = String::with_capacity(document.len() + 16);
    for character in document.chars() {
        if acts(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// An error and its causes: `failed to read x: permission denied`. Foreign text in it is unchanged.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// True for characters that are not shown as separate letters.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Bidirectional controls and marks.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Line and paragraph separators.
            | '\u{2028}' | '\u{2029}'
            // Invisible: soft hyphen, spaces without width, fillers, annotations, tags.
            | '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
            | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e00ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown_and_letters_stay() {
        for (text, shown) in [
            ("", ""),
            ("a plain name.txt", "a plain name.txt"),
            ("\u{1b}[31mred", "\\x1b[31mred"),
            ("a\nerror: b\r\t\0\u{7f}", "a\\nerror: b\\r\\t\\x00\\x7f"),
            ("\u{9b}2J \u{85}", "\\u{9b}2J \\u{85}"),
            ("gpj.\u{202e}exe \u{2066} \u{200f}", "gpj.\\u{202e}exe \\u{2066} \\u{200f}"),
            ("\u{2028}\u{feff}\u{200b}\u{e0041}", "\\u{2028}\\u{feff}\\u{200b}\\u{e0041}"),
            ("C:\\dir", "C:\\dir"),
            ("C:\\new \\x1b \\\\", "C:\\\\new \\\\x1b \\\\\\"),
            ("Grüße Ελληνικά Русский עברית العربية हिन्दी 日本語 한국어 👩\u{200d}🔬 می\u{200c}خواهم", ""),
        ] {
            let wanted = if shown.is_empty() { text } else { shown };
            assert_eq!(printable(text), wanted);
        }
        assert!(matches!(printable("plain"), Cow::Borrowed(_)));
    }

    /// Reads what `printable` writes.
    fn read(text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            rest = &rest[first.len_utf8()..];
            let escape = rest.chars().next().filter(|next| first == '\\' && "\\nrtux".contains(*next));
            let Some(escape) = escape else {
                out.push(first);
                continue;
            };
            rest = &rest[1..];
            let digits = match escape {
                'n' => "a",
                'r' => "d",
                't' => "9",
                'x' => &rest[..2],
                'u' => &rest[1..rest.find('}').unwrap()],
                _ => "5c",
            };
            out.push(char::from_u32(u32::from_str_radix(digits, 16).unwrap()).unwrap());
            rest = match escape {
                'x' => &rest[2..],
                'u' => &rest[rest.find('}').unwrap() + 1..],
                _ => rest,
            };
        }
        out
    }

    proptest::proptest! {
        #[test]
        fn the_text_can_be_told_from_what_is_printed(text in "([\\\\nrtux{}0-9a-f]|\\PC|[\u{0}-\u{9f}\u{2000}-\u{206f}])*") {
            let shown = printable(&text);
            proptest::prop_assert!(!shown.chars().any(acts));
            proptest::prop_assert_eq!(read(&shown), text);
        }
    }

    #[test]
    fn json_stays_the_same_document() {
        assert_eq!(
            printable_json("{\n  \"a\": \"\u{9b}\u{202e}ü\u{e0041}\u{7f}\"\n}"),
            "{\n  \"a\": \"\\u009b\\u202eü\\udb40\\udc41\\u007f\"\n}"
        );
        assert!(matches!(printable_json("{}\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_chain_has_all_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("failed to read x")]
        struct Failed(#[source] std::io::Error);
        assert_eq!(chain(&Failed(std::io::Error::other("no disk"))), "failed to read x: no disk");
    }
}

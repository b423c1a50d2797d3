//! The first lines of a 200 response: status and date. The date is rendered about twice per second.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use clearwell_store::clock;

/// How long a rendered date is used.
const DATE_LIFETIME: Duration = Duration::from_millis(500);

thread_local! {
    static DATE: RefCell<Option<(Instant, [u8; 29])>> = const { RefCell::new(None) };
}

/// The value of `Date`.
pub(crate) fn date(now: Instant) -> [u8; 29] {
    DATE.with_borrow_mut(|rendered| match rendered {
        Some((since, text)) if now.saturating_duration_since(*since) < DATE_LIFETIME => *text,
        _ => {
            let mut text = [b' '; 29];
            text.copy_from_slice(httpdate::fmt_http_date(clock::now()).as_bytes());
            *rendered = Some((now, text));
            text
        }
    })
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ndate: ";
const CLOSE: &[u8] = b"\r\nconnection: close\r\n";
const PREFIX_BYTES: usize = OK.len() + 29 + CLOSE.len();

/// The first lines of a 200 response.
pub(crate) struct Prefix {
    text: [u8; PREFIX_BYTES],
    length: usize,
}

impl Prefix {
    /// `closes` adds `Connection: close`.
    pub(crate) fn new(now: Instant, closes: bool) -> Self {
        let mut text = [0; PREFIX_BYTES];
        let mut length = 0;
        for piece in [OK, &date(now), if closes { CLOSE } else { b"\r\n" }] {
            text[length..length + piece.len()].copy_from_slice(piece);
            length += piece.len();
        }
        Self { text, length }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.text[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_status_and_date() {
        let text = |closes| String::from_utf8(Prefix::new(Instant::now(), closes).bytes().to_vec()).unwrap();
        assert!(text(false).starts_with("HTTP/1.1 200 OK\r\ndate: ") && text(false).ends_with(" GMT\r\n"));
        assert!(text(true).ends_with(" GMT\r\nconnection: close\r\n"));
    }
}

//! The request headers that an access log names; they never change the response.

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, REFERER, USER_AGENT};

/// The values of `Authorization`, `Referer` and `User-Agent`; of several lines the first.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoggedHeaders<'a> {
    /// `Authorization`.
    pub authorization: Option<&'a [u8]>,
    /// `Referer`.
    pub referer: Option<&'a [u8]>,
    /// `User-Agent`.
    pub agent: Option<&'a [u8]>,
}

impl<'a> LoggedHeaders<'a> {
    /// Takes them from the headers of a request.
    pub fn of(headers: &'a HeaderMap) -> Self {
        let first = |name: HeaderName| headers.get(name).map(|value| value.as_bytes());
        Self { authorization: first(AUTHORIZATION), referer: first(REFERER), agent: first(USER_AGENT) }
    }

    /// Those that are present, with their names.
    pub fn lines(&self) -> impl Iterator<Item = (HeaderName, &'a [u8])> {
        let lines = [(AUTHORIZATION, self.authorization), (REFERER, self.referer), (USER_AGENT, self.agent)];
        lines.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// The user name of Basic authentication (RFC 7617 §2), decoded but not verified. `None` if it is empty.
    pub fn user(&self) -> Option<Vec<u8>> {
        let (scheme, credentials) = self.authorization?.split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return None;
        }
        let mut user = decode_base64(credentials.trim_ascii())?;
        user.truncate(user.iter().position(|byte| *byte == b':')?);
        Some(user).filter(|user| !user.is_empty())
    }
}

/// Standard base64 (RFC 4648 §4), with or without padding.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.iter().take_while(|byte| **byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.push((bits >> count).to_le_bytes()[0]);
        }
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_of_basic_authentication() {
        let user = |text: &str| {
            let headers = LoggedHeaders { authorization: Some(text.as_bytes()), ..LoggedHeaders::default() };
            headers.user().map(|user| String::from_utf8(user).unwrap())
        };
        for (text, expected) in [
            ("Basic Ym9iOnNlY3JldA==", Some("bob")),
            ("basic Ym9iOnNlY3JldA", Some("bob")),
            ("Basic   Ym9iOnNlY3JldA==", Some("bob")),
            ("Basic Ym8gIlwKYjpzZWNyZXQ=", Some("bo \"\\\nb")),
            ("Basic Om5vbmFtZQ==", None),
            ("Basic bm9jb2xvbg==", None),
            ("Basic !!!", None),
            ("Basic ", None),
            ("Basic", None),
            ("Bearer Ym9iOnNlY3JldA==", None),
            ("", None),
        ] {
            assert_eq!(user(text).as_deref(), expected, "{text}");
        }
    }
}

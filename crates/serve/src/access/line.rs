//! One request as a line, in three forms.
//!
//! ```text
//! process    an event of the process's log, with fields
//! json       {"agent":"swupd-client/7.0.0","bytes":2,"client":"192.0.2.7",…}
//! combined   192.0.2.7 - - [28/Nov/2026:14:52:27 +0000] "GET /30/format HTTP/1.1" 200 2 "-" "swupd-client/7.0.0"
//! ```
//!
//! The combined form is nginx's, byte by byte: the user of Basic authentication, the end of the request in local time, the
//! bytes of the body; `-` where there is nothing; `\xHH` for quotes, backslashes and all that is not printable ASCII.

use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clearwell_format::printable::printable_json;
use clearwell_http::trace_context::TraceContext;
use http::{Method, StatusCode, Version};
use jiff::tz::TimeZone;

/// What is said of a request.
#[derive(Debug)]
pub(crate) struct Line {
    /// When the answer was decided on.
    pub(crate) time: SystemTime,
    /// `None` for a Unix socket.
    pub(crate) client: Option<IpAddr>,
    /// Of the client's certificate.
    pub(crate) subject: Option<Arc<str>>,
    pub(crate) method: Method,
    /// As the request line has it.
    pub(crate) target: String,
    pub(crate) version: Version,
    pub(crate) status: StatusCode,
    pub(crate) user: Option<Vec<u8>>,
    pub(crate) referer: Option<Vec<u8>>,
    pub(crate) agent: Option<Vec<u8>>,
    pub(crate) trace: Option<TraceContext>,
    /// Of the body.
    pub(crate) sent_bytes: u64,
    pub(crate) took: Duration,
}

impl Line {
    fn microseconds(&self) -> u64 {
        u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX)
    }

    /// "HTTP/1.1" and so on.
    fn protocol(&self) -> String {
        format!("{:?}", self.version)
    }

    /// Writes an event of the process's log.
    pub(crate) fn trace_event(&self) {
        let [user, referer, agent] = self.texts();
        tracing::info!(
            target: "clearwell::access",
            client = self.client.map(tracing::field::display),
            subject = self.subject.as_deref(),
            user,
            method = self.method.as_str(),
            path = self.target,
            version = self.protocol(),
            status = self.status.as_u16(),
            bytes = self.sent_bytes,
            microseconds = self.microseconds(),
            referer,
            agent,
            trace_id = self.trace.as_ref().map(|trace| &*trace.trace_id),
            parent_id = self.trace.as_ref().map(|trace| &*trace.parent_id),
        );
    }

    /// Writes a JSON object and a line end.
    pub(crate) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let [user, referer, agent] = self.texts();
        let line = serde_json::json!({
            "time": self.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            "client": self.client,
            "subject": self.subject.as_deref(),
            "user": user,
            "method": self.method.as_str(),
            "path": self.target,
            "version": self.protocol(),
            "status": self.status.as_u16(),
            "bytes": self.sent_bytes,
            "microseconds": self.microseconds(),
            "referer": referer,
            "agent": agent,
            "trace-id": self.trace.as_ref().map(|trace| &*trace.trace_id),
            "parent-id": self.trace.as_ref().map(|trace| &*trace.parent_id),
        });
        writeln!(out, "{}", printable_json(&line.to_string()))
    }

    /// User, referer and agent as text; what is not UTF-8 is replaced.
    fn texts(&self) -> [Option<String>; 3] {
        let text = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        [text(&self.user), text(&self.referer), text(&self.agent)]
    }

    /// Writes the combined form, with times of `zone`, and a line end.
    pub(crate) fn write_combined(&self, zone: &TimeZone, out: &mut impl Write) -> io::Result<()> {
        match self.client {
            Some(client) => write!(out, "{client}")?,
            None => write!(out, "unix:")?,
        }
        write!(out, " - ")?;
        write_escaped(self.user.as_deref(), out)?;
        let end = jiff::Timestamp::try_from(self.time + self.took).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let end = end.to_zoned(zone.clone());
        write!(out, " [{}] \"{} ", end.strftime("%d/%b/%Y:%H:%M:%S %z"), self.method)?;
        write_escaped(Some(self.target.as_bytes()), out)?;
        write!(out, " {:?}\" {} {} \"", self.version, self.status.as_u16(), self.sent_bytes)?;
        write_escaped(self.referer.as_deref(), out)?;
        write!(out, "\" \"")?;
        write_escaped(self.agent.as_deref(), out)?;
        writeln!(out, "\"")
    }
}

fn write_escaped(value: Option<&[u8]>, out: &mut impl Write) -> io::Result<()> {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    for run in value.unwrap_or(b"-").chunk_by(|left, right| is_plain(left) == is_plain(right)) {
        if is_plain(&run[0]) {
            out.write_all(run)?;
        } else {
            run.iter().try_for_each(|byte| write!(out, "\\x{byte:02X}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn line() -> Line {
        Line {
            time: SystemTime::UNIX_EPOCH,
            client: Some("192.0.2.7".parse().unwrap()),
            subject: Some("CN=fleet \"1\"".into()),
            method: Method::GET,
            target: "/30/form%61t?x".to_owned(),
            version: Version::HTTP_11,
            status: StatusCode::OK,
            user: None,
            referer: None,
            agent: Some(b"swupd \"x\"\x1b".to_vec()),
            trace: None,
            sent_bytes: 2,
            took: Duration::from_secs(61),
        }
    }

    fn combined(line: &Line, zone: &TimeZone) -> String {
        let mut written = Vec::new();
        line.write_combined(zone, &mut written).unwrap();
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn no_terminal_acts_on_a_line() {
        let agent = "\u{1b}[2J\u{9b}2J\u{202e}\n\u{2028}";
        let mut written = Vec::new();
        Line { agent: Some(agent.as_bytes().to_vec()), ..line() }.write_json(&mut written).unwrap();
        let written = String::from_utf8(written).unwrap();
        assert!(
            written.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')) && written.ends_with("}\n"),
            "{written:?}"
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap()["agent"], agent);
    }

    /// What nginx 1.22 wrote for such requests.
    #[test]
    fn the_combined_form_is_that_of_nginx() {
        let with = |user: Option<&[u8]>, referer: Option<&[u8]>, agent: Option<&[u8]>| {
            let bytes = |value: Option<&[u8]>| value.map(<[u8]>::to_vec);
            combined(
                &Line { user: bytes(user), referer: bytes(referer), agent: bytes(agent), ..line() },
                &TimeZone::UTC,
            )
        };
        let start = "[01/Jan/1970:00:01:01 +0000] \"GET /30/form%61t?x HTTP/1.1\" 200 2";
        for (user, referer, agent, expected) in [
            (None, None, None, format!("192.0.2.7 - - {start} \"-\" \"-\"\n")),
            (None, Some(&b""[..]), Some(&b""[..]), format!("192.0.2.7 - - {start} \"\" \"\"\n")),
            (
                Some(&b"bob"[..]),
                Some(b"http://r/"),
                Some(b"a"),
                format!("192.0.2.7 - bob {start} \"http://r/\" \"a\"\n"),
            ),
            (
                Some(b"bo \"\\\nb"),
                Some(b"\"\\\""),
                Some(b"a\"b\\c\td\x7f\xc3\xa4\xff~"),
                format!(
                    "192.0.2.7 - bo \\x22\\x5C\\x0Ab {start} \"\\x22\\x5C\\x22\" \"a\\x22b\\x5Cc\\x09d\\x7F\\xC3\\xA4\\xFF~\"\n"
                ),
            ),
        ] {
            assert_eq!(with(user, referer, agent), expected);
        }
        let zone = TimeZone::fixed(jiff::tz::offset(-5).saturating_sub(jiff::SignedDuration::from_mins(30)));
        assert!(combined(&line(), &zone).contains(" [31/Dec/1969:18:31:01 -0530] "));
        let http_2 = Line { client: None, version: Version::HTTP_2, ..line() };
        let text = combined(&http_2, &TimeZone::UTC);
        assert!(text.starts_with("unix: - - [") && text.contains(" HTTP/2.0\" "), "{text}");
        let six = Line { client: Some("2001:db8::1".parse().unwrap()), ..line() };
        assert!(combined(&six, &TimeZone::UTC).starts_with("2001:db8::1 - - ["));
    }

    #[test]
    fn json_has_the_same_without_marks() {
        let mut json = Vec::new();
        line().write_json(&mut json).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!((&json["client"], &json["status"]), (&"192.0.2.7".into(), &200.into()));
        assert_eq!((&json["path"], &json["version"]), (&"/30/form%61t?x".into(), &"HTTP/1.1".into()));
        assert_eq!(json["agent"], "swupd \"x\"\u{1b}");
        assert_eq!(json["subject"], "CN=fleet \"1\"");
        assert_eq!(json["referer"], serde_json::Value::Null);
    }
}

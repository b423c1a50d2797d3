//! Events for the journal of systemd, in its native protocol: one datagram each.
//!
//! ```text
//! MESSAGE            as in the text log: the message, then the fields
//! PRIORITY           of syslog: error 3, warn 4, info 6, debug and trace 7
//! CLEARWELL_<FIELD>  each field, so that `journalctl CLEARWELL_STATUS=503` finds it
//! SYSLOG_IDENTIFIER, TARGET, CODE_FILE, CODE_LINE
//! ```

use std::fmt::Debug;
use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::layer::Context;

use crate::logs::PrintableFields;

const SOCKET: &str = "/run/systemd/journal/socket";

/// Sends events to the journal.
#[derive(Debug)]
pub(crate) struct Journal(UnixDatagram);

impl Journal {
    /// # Errors
    /// If no journal runs.
    pub(crate) fn connect() -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(SOCKET)?;
        Ok(Self(socket))
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = String::new();
        // A string accepts every write.
        let _ = PrintableFields.format_fields(Writer::new(&mut message), event);
        if self.0.send(&entry(event, &message)).is_err() {
            // Too large for a datagram, or the journal is restarting: stderr is kept open for it.
            let _ = writeln!(io::stderr(), "{message}");
        }
    }
}

fn entry(event: &Event<'_>, message: &str) -> Vec<u8> {
    let metadata = event.metadata();
    let priority = match *metadata.level() {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    };
    let mut entry = Entry(Vec::with_capacity(512));
    entry.put("PRIORITY", priority);
    entry.put("SYSLOG_IDENTIFIER", "clearwell");
    entry.put("TARGET", metadata.target());
    if let (Some(file), Some(line)) = (metadata.file(), metadata.line()) {
        entry.put("CODE_FILE", file);
        entry.put("CODE_LINE", &line.to_string());
    }
    entry.put("MESSAGE", message);
    event.record(&mut entry);
    entry.0
}

struct Entry(Vec<u8>);

impl Entry {
    /// In the form for values of any bytes: name, line feed, length, value, line feed.
    fn put(&mut self, name: &str, value: &str) {
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'\n');
        self.0.extend_from_slice(&(value.len() as u64).to_le_bytes());
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'\n');
    }
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() != "message" {
            self.put(&format!("CLEARWELL_{}", field.name().to_uppercase().replace('.', "_")), value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn an_event_is_one_datagram_that_people_and_programs_can_read() {
        let (socket, journal) = UnixDatagram::pair().unwrap();
        let subscriber = tracing_subscriber::registry().with(Journal(socket));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(status = 503, path = "a\nMESSAGE=b", client = %"::1", "refused");
        });
        let mut bytes = [0; 4096];
        let length = journal.recv(&mut bytes).unwrap();
        let mut rest = &bytes[..length];
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let name_end = rest.iter().position(|byte| *byte == b'\n').unwrap();
            let (name, value) = (std::str::from_utf8(&rest[..name_end]).unwrap(), &rest[name_end + 9..]);
            let length = u64::from_le_bytes(rest[name_end + 1..name_end + 9].try_into().unwrap()) as usize;
            fields.push((name, std::str::from_utf8(&value[..length]).unwrap()));
            assert_eq!(value[length], b'\n');
            rest = &value[length + 1..];
        }
        for expected in [
            ("PRIORITY", "4"),
            ("SYSLOG_IDENTIFIER", "clearwell"),
            ("MESSAGE", "refused status=503 path=\"a\\nMESSAGE=b\" client=::1"),
            ("CLEARWELL_STATUS", "503"),
            ("CLEARWELL_PATH", "a\nMESSAGE=b"),
            ("CLEARWELL_CLIENT", "::1"),
        ] {
            assert!(fields.contains(&expected), "{expected:?}: {fields:?}");
        }
    }
}

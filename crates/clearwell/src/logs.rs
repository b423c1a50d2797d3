//! Logs: structured, on stderr or in the journal.
//!
//! Events contain names from outside. In text and in JSON their control characters are escaped; fields of the journal are
//! unchanged, and its readers escape them.

use std::fmt;
use std::io::{self, Write};

use clearwell_format::printable;
use clearwell_format::printable::printable_json;
use tracing::field::{Field, Visit};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::cli::{Global, LogStyle};
use crate::journal::Journal;

/// Begins logging for the whole process.
pub(crate) fn begin(global: &Global) {
    // The command line accepts only valid filters.
    let registry = tracing_subscriber::registry().with(EnvFilter::new(&global.log));
    let text = || {
        tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(crate::ui::takes_colours())
            .with_target(false)
            .fmt_fields(PrintableFields)
    };
    let json = || tracing_subscriber::fmt::layer().json().with_writer(|| PrintableJson(io::stderr()));
    match global.log_style {
        LogStyle::Json => registry.with(json()).init(),
        LogStyle::Text => registry.with(text()).init(),
        LogStyle::Auto if std::env::var_os("JOURNAL_STREAM").is_none() => registry.with(text()).init(),
        LogStyle::Auto | LogStyle::Journald => match Journal::connect() {
            Ok(journal) => registry.with(journal).init(),
            Err(error) => {
                registry.with(text()).init();
                tracing::warn!(%error, "the journal cannot be reached; logging to stderr");
            }
        },
    }
}

/// Fields of an event as text: the message, then `name=value` or `name="value"`.
pub(crate) struct PrintableFields;

impl<'w> FormatFields<'w> for PrintableFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = Line { writer, result: Ok(()), gap: "" };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'w> {
    writer: Writer<'w>,
    result: fmt::Result,
    /// Written before the next field.
    gap: &'static str,
}

impl Line<'_> {
    fn write(&mut self, field: &Field, value: &str, quote: &str) {
        let (gap, value) = (std::mem::replace(&mut self.gap, " "), printable(value));
        let written = match field.name() {
            "message" => write!(self.writer, "{gap}{value}"),
            name => write!(self.writer, "{gap}{name}={quote}{value}{quote}"),
        };
        self.result = self.result.and(written);
    }
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, value, "\"");
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field, &format!("{value:?}"), "");
    }
}

/// Each write is one event.
struct PrintableJson<W>(W);

impl<W: Write> Write for PrintableJson<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(event) {
            Ok(text) => self.0.write_all(printable_json(text).as_bytes())?,
            Err(_) => self.0.write_all(event)?,
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

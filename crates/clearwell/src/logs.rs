//! Logs: structured, on stderr or in the journal.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::cli::{Global, LogStyle};

/// Begins logging for the whole process.
pub(crate) fn begin(global: &Global) {
    // The command line took it only if it can be read.
    let registry = tracing_subscriber::registry().with(EnvFilter::new(&global.log));
    let text = || {
        tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(crate::ui::takes_colours())
            .with_target(false)
    };
    match global.log_style {
        LogStyle::Json => registry.with(tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr)).init(),
        LogStyle::Text => registry.with(text()).init(),
        LogStyle::Auto if std::env::var_os("JOURNAL_STREAM").is_none() => registry.with(text()).init(),
        LogStyle::Auto | LogStyle::Journald => match tracing_journald::layer() {
            Ok(journal) => registry.with(journal).init(),
            Err(error) => {
                registry.with(text()).init();
                tracing::warn!(%error, "the journal cannot be reached; logging to stderr");
            }
        },
    }
}

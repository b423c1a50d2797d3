//! `clearwell discard`.

use clearwell_format::Version;
use clearwell_store::Discarded;
use serde::Serialize;

use crate::config::StoreArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::page::Page;
use crate::ui::{Ui, bytes_text};

/// Drop a staged release that was never published, so that its version is free again.
///
/// Also drops what an interrupted build of the version left. A release that endpoints may have, or that others were built
/// on, is refused. It is not needed before building again: a build replaces a staged release of its version.
#[derive(Debug, clap::Args)]
pub(crate) struct Discard {
    /// The release.
    version: Version,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Serialize)]
struct Shown {
    version: u32,
    /// `release`, or `draft` for what an interrupted build left.
    discarded: &'static str,
    artifacts: u64,
    bytes: u64,
}

impl Discard {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let (_, store) = self.store.open()?;
        let discarded = store.writer(&format!("discard {}", self.version))?.discard(self.version)?;
        let version = self.version;
        let (shown, text) = match discarded {
            Discarded::Release(counts) => (
                Shown {
                    version: version.number(),
                    discarded: "release",
                    artifacts: counts.number,
                    bytes: counts.bytes,
                },
                format!(
                    "discarded release {version}: {} artifacts, {}; no endpoint had it",
                    counts.number,
                    bytes_text(counts.bytes)
                ),
            ),
            Discarded::Draft => (
                Shown { version: version.number(), discarded: "draft", artifacts: 0, bytes: 0 },
                format!("discarded what an interrupted build of {version} had left"),
            ),
        };
        ui.result(&shown, &Page::of(text))?;
        Ok(Exit::Done)
    }
}

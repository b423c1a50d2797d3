//! `clearwell discard`.

use clearwell_format::Version;
use clearwell_store::Discarded;
use serde::Serialize;

use crate::config::StoreArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::page::Page;
use crate::ui::{Ui, bytes_text, count};

/// Drop a staged release that was never published.
///
/// Its version can then be used again. Also drops the remains of an interrupted build of the version. Refuses a release that
/// endpoints may have or that other releases were built on. Not needed before building again: a build replaces a staged
/// release of its version.
#[derive(Debug, clap::Args)]
pub(crate) struct Discard {
    /// The release to drop.
    version: Version,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown {
    version: u32,
    /// `release`, or `draft` for the remains of an interrupted build.
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
                    "discarded release {version}, which was never published: {}, {}",
                    count(counts.number, "artifact"),
                    bytes_text(counts.bytes)
                ),
            ),
            Discarded::Draft => (
                Shown { version: version.number(), discarded: "draft", artifacts: 0, bytes: 0 },
                format!("discarded the remains of an interrupted build of {version}"),
            ),
        };
        ui.result(&shown, &Page::of(text))?;
        Ok(Exit::Done)
    }
}

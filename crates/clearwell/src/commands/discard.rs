//! `clearwell discard`.

use clearwell_format::Version;
use clearwell_store::Discarded;
use schemars::JsonSchema;
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

/// A discarded release.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Shown {
    /// The version.
    version: u32,
    /// What was discarded.
    discarded: What,
    /// Number of artifacts removed.
    artifacts: u64,
    /// Their size in bytes.
    bytes: u64,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum What {
    /// A staged release.
    Release,
    /// The remains of an interrupted build.
    Draft,
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
                    discarded: What::Release,
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
                Shown { version: version.number(), discarded: What::Draft, artifacts: 0, bytes: 0 },
                format!("discarded the remains of an interrupted build of {version}"),
            ),
        };
        ui.result(&shown, &Page::of(text))?;
        Ok(Exit::Done)
    }
}

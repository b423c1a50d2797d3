//! `clearwell restore`.

use std::path::PathBuf;

use clearwell_format::Version;
use clearwell_generate::inputs::following;
use clearwell_store::Store;
use clearwell_store::backup::{BackupNote, RestoreOptions, restore};
use clearwell_store::disk::Disk;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::backup::{CopyArgs, ShownCopy, exit, unfinished};
use crate::config::StoreArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::interrupt::interruptible;
use crate::page::Page;
use crate::ui::{Ui, date};

/// Restore a store from a backup, to a new or empty folder.
///
/// Every file is compared with the index while it is copied; the pointers come last. An interrupted restore continues when
/// the same command is run again. A folder that has releases is refused.
///
/// Endpoints may have releases that were published after the backup. Their versions must not be used again: give the newest of
/// them with --last-published.
#[derive(Debug, clap::Args)]
pub(crate) struct Restore {
    /// The backup, or any other store.
    backup: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    copy: CopyArgs,
    /// The newest release that was published before the store was lost. Builds then use higher versions only.
    #[arg(long, value_name = "N")]
    last_published: Option<Version>,
}

/// A restoration.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Shown {
    /// The backup.
    backup: String,
    /// The restored store.
    store: String,
    /// Time of the backup, in seconds since the epoch; null if the backup does not have it.
    taken: Option<i64>,
    #[serde(flatten)]
    copy: ShownCopy,
    /// The newest release that endpoints may have, as given by `--last-published`; null if it is not known.
    last_published: Option<u32>,
    /// The version that the next build should have; null if it is not known.
    next_version: Option<u32>,
}

impl Restore {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let config = self.store.config.load()?;
        let path = config.store(self.store.store.as_deref())?;
        let backup = Store::open(&self.backup)?;
        let taken = BackupNote::read(&backup)?.and_then(|note| note.taken);
        let options = RestoreOptions { copy: self.copy.options(&config, false), last_published: self.last_published };
        let left = "the store has no pointers yet; run the same command again to continue";
        let report = interruptible(ui, left, || {
            restore(&backup, path, Disk::default(), &options, ui).map_err(|error| unfinished(error, path, left))
        })?;
        let store = Store::open(path)?;
        let (newest, last) = (store.newest_seen()?, store.last_published()?);
        if last.is_none() {
            ui.warn(&unknown_last(newest, taken));
        }
        let shown = Shown {
            taken,
            copy: ShownCopy::of(&report, path)?,
            last_published: last.map(Version::number),
            next_version: newest.max(last).and_then(following).map(Version::number),
            store: path.display().to_string(),
            backup: self.backup.display().to_string(),
        };
        ui.result(&shown, &text(&shown))?;
        Ok(exit(&report))
    }
}

fn unknown_last(newest: Option<Version>, taken: Option<i64>) -> String {
    let newest = newest.map_or_else(|| "0".to_owned(), |newest| newest.to_string());
    let since = taken.map_or_else(|| "the backup was made".to_owned(), |taken| date(taken, DATE));
    format!(
        "if releases above {newest} were published after {since}, endpoints may have them: find out the newest with \"swupd \
         info\" on an endpoint, and give the next build a higher --version"
    )
}

fn text(shown: &Shown) -> Page {
    let mut text = shown.copy.text();
    let _ = writeln!(text, "pointers   generation {}", shown.copy.generation);
    if let Some(next) = shown.next_version {
        let _ = writeln!(text, "next       version {next} or higher");
    }
    let taken = shown.taken.map_or_else(String::new, |taken| format!(", of {}", date(taken, DATE)));
    let whole = if shown.copy.is_whole() { "restored" } else { "restored in part: the backup is damaged" };
    let _ = writeln!(text, "{whole} from {}{taken}; now run \"clearwell check\"", shown.backup);
    text
}

const DATE: &str = "%Y-%m-%d %H:%M UTC";

//! `clearwell releases`.

pub(crate) mod diff;
pub(crate) mod explain;
mod packs;
pub(crate) mod show;

use clap::Subcommand;
use clearwell_format::resource::Pointer;
use clearwell_format::{EntryPath, Version};
use clearwell_store::{PointerGeneration, ReleaseState, Store};
use schemars::JsonSchema;
use serde::Serialize;

use self::diff::diff;
use self::explain::explain;
use self::show::show;
use crate::config::StoreArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::names::require_release;
use crate::page::Page;
use crate::ui::{Ui, bytes_text, date, list};
use crate::values::absolute_path;

/// List releases, show one, compare two, or explain a path.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = false)]
pub(crate) struct Releases {
    #[command(flatten)]
    store: StoreArgs,
    #[command(subcommand)]
    question: Option<Question>,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// Show one release: its record, artifacts, bundles and packs.
    Show {
        /// The release.
        version: Version,
        /// List the files of each delta pack: as a delta or whole, and why.
        #[arg(long)]
        packs: bool,
    },
    /// Explain a path in a release: when it last changed, and how endpoints get it.
    Explain {
        /// The release.
        version: Version,
        /// The absolute path, such as /usr/bin/sh.
        #[arg(value_parser = absolute_path)]
        path: EntryPath,
    },
    /// List the differences between two releases: bundles and paths.
    Diff {
        /// The older release.
        from: Version,
        /// The newer release.
        to: Version,
    },
}

impl Question {
    fn versions(&self) -> impl Iterator<Item = Version> {
        let (first, second) = match self {
            Self::Show { version, .. } | Self::Explain { version, .. } => (*version, None),
            Self::Diff { from, to } => (*from, Some(*to)),
        };
        [first].into_iter().chain(second)
    }
}

impl Releases {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let (_, store) = self.store.open()?;
        if let Some(question) = &self.question {
            question.versions().try_for_each(|version| require_release(&store, version))?;
        }
        match self.question {
            None => show_all(&store, ui)?,
            Some(Question::Show { version, packs }) => show(&store, version, packs, ui)?,
            Some(Question::Explain { version, path }) => explain(&store, version, &path, ui)?,
            Some(Question::Diff { from, to }) => diff(&store, from, to, ui)?,
        }
        Ok(Exit::Done)
    }
}

/// The releases of a store.
#[derive(Serialize, JsonSchema)]
pub(crate) struct List {
    /// The releases, ascending.
    releases: Vec<Line>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Release")]
struct Line {
    /// The version.
    version: u32,
    /// Its format.
    format: u16,
    /// The previous version; null for the first release.
    previous: Option<u32>,
    /// `timestamp:` of its manifests, in seconds since the epoch.
    timestamp: i64,
    /// The timestamp as a date, `2026-01-31T12:30:00Z`.
    date: String,
    /// Its state.
    state: State,
    /// Number of bundles.
    bundles: usize,
    /// Number of bundles that it changed.
    changed: usize,
    /// Number of distinct paths that it installs.
    files: u64,
    /// Number of artifacts.
    artifacts: u64,
    /// Their size in bytes.
    bytes: u64,
    /// The pointers that name it, such as `format30/latest`.
    pointers: Vec<String>,
    /// When it was retracted, in seconds since the epoch; null if it is not retracted.
    retracted: Option<i64>,
}

/// The state of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// A pointer names it.
    Current,
    /// It was never published.
    Staged,
    /// It was published and retracted.
    Retracted,
    /// It was published; pointers now name a later release.
    Previous,
}

impl State {
    const fn of(state: ReleaseState, is_named: bool) -> Self {
        match state {
            _ if is_named => Self::Current,
            ReleaseState::Retracted => Self::Retracted,
            ReleaseState::Staged => Self::Staged,
            ReleaseState::Published => Self::Previous,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Staged => "staged",
            Self::Retracted => "retracted",
            Self::Previous => "previous",
        }
    }
}

fn show_all(store: &Store, ui: &Ui) -> Result<(), CliError> {
    let pointers = store.pointers()?;
    let mut lines = Vec::new();
    for (version, state) in store.states()? {
        let record = store.record(version)?;
        let total = record.total();
        let named_by = named_by(&pointers, version);
        lines.push(Line {
            version: version.number(),
            format: record.format.number(),
            previous: record.previous.map(Version::number),
            timestamp: record.timestamp,
            date: date(record.timestamp, "%Y-%m-%dT%H:%M:%SZ"),
            state: State::of(state, !named_by.is_empty()),
            bundles: record.bundles.len(),
            changed: record.bundles.iter().filter(|bundle| bundle.changed).count(),
            files: record.files,
            artifacts: total.number,
            bytes: total.bytes,
            pointers: named_by,
            retracted: record.retracted,
        });
    }
    let mut text = Page::of(format_args!(
        "{:>10} {:>6} {:16}  {:9} {:>10} {:>8} {:>8} {:>9} {:>10}  pointers",
        "version", "format", "date (UTC)", "state", "previous", "bundles", "changed", "files", "size"
    ));
    for line in &lines {
        let previous = line.previous.map_or_else(|| "-".to_owned(), |previous| previous.to_string());
        let _ = writeln!(
            text,
            "{:>10} {:>6} {:16}  {:9} {previous:>10} {:>8} {:>8} {:>9} {:>10}  {}",
            line.version,
            line.format,
            date(line.timestamp, DATE),
            line.state.word(),
            line.bundles,
            line.changed,
            line.files,
            bytes_text(line.bytes),
            if line.pointers.is_empty() { "-".to_owned() } else { list(&line.pointers) },
        );
    }
    ui.result(&List { releases: lines }, &text)
}

const DATE: &str = "%Y-%m-%d %H:%M";

/// The pointers that name the release.
fn named_by(pointers: &PointerGeneration, version: Version) -> Vec<String> {
    let mut names: Vec<String> = pointers
        .formats()
        .filter(|format| pointers.latest(*format) == Some(version))
        .map(|format| format!("format{format}/latest"))
        .collect();
    if pointers.latest_version() == Some(version) {
        names.push("latest_version".to_owned());
    }
    if pointers.version(Pointer::Staging) == Some(version) {
        names.push("formatstaging/latest".to_owned());
    }
    names
}

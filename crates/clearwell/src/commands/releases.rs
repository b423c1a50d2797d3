//! `clearwell releases`.

use std::collections::{BTreeMap, BTreeSet};

use clap::Subcommand;
use clearwell_format::resource::{Artifact, Pointer};
use clearwell_format::{BundleName, Entry, EntryPath, FileHash, ManifestName, Version};
use clearwell_generate::deltas::report::{Delivery, PackReport, packs_of};
use clearwell_store::{PointerGeneration, ReleaseRecord, ReleaseState, Store};
use serde::Serialize;

use super::explain::explain;
use crate::config::StoreArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::names::require_release;
use crate::page::Page;
use crate::ui::{Ui, bytes_text};

/// List what was released, show one release, or compare two.
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
    /// Everything known of one release.
    Show {
        /// The release.
        version: Version,
        /// For each pack, how each file travels and why.
        #[arg(long)]
        packs: bool,
    },
    /// Why a path is in a release at the version it has, and how it travels to endpoints.
    Explain {
        /// The release.
        version: Version,
        /// The path, from the root: /usr/bin/sh.
        path: EntryPath,
    },
    /// What an endpoint gets and loses between two releases.
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
            None => list(&store, ui)?,
            Some(Question::Show { version, packs }) => show(&store, version, packs, ui)?,
            Some(Question::Explain { version, path }) => explain(&store, version, &path, ui)?,
            Some(Question::Diff { from, to }) => diff(&store, from, to, ui)?,
        }
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Line {
    version: u32,
    format: u16,
    previous: Option<u32>,
    timestamp: i64,
    /// The timestamp as a date, `2026-01-31T12:30:00Z`.
    date: String,
    state: State,
    bundles: usize,
    changed: usize,
    files: u64,
    artifacts: u64,
    bytes: u64,
    pointed_at_by: Vec<String>,
    /// When it was retracted, in seconds since the epoch.
    retracted: Option<i64>,
}

/// What a release is to endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// A pointer names it.
    Current,
    /// It was never published.
    Staged,
    /// It was published, and retracted.
    Retracted,
    /// A later release took its place.
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

fn list(store: &Store, ui: &Ui) -> Result<(), CliError> {
    let pointers = store.pointers()?;
    let mut lines = Vec::new();
    for version in store.releases()? {
        let record = store.record(version)?;
        let total = record.total();
        let pointed_at_by = pointed_at_by(&pointers, version);
        lines.push(Line {
            version: version.number(),
            format: record.format.number(),
            previous: record.previous.map(Version::number),
            timestamp: record.timestamp,
            date: date(record.timestamp, "%Y-%m-%dT%H:%M:%SZ"),
            state: State::of(store.state(version)?, !pointed_at_by.is_empty()),
            bundles: record.bundles.len(),
            changed: record.bundles.iter().filter(|bundle| bundle.changed).count(),
            files: record.files,
            artifacts: total.number,
            bytes: total.bytes,
            pointed_at_by,
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
            date(line.timestamp, "%Y-%m-%d %H:%M"),
            line.state.word(),
            line.bundles,
            line.changed,
            line.files,
            bytes_text(line.bytes),
            if line.pointed_at_by.is_empty() { "-".to_owned() } else { line.pointed_at_by.join(", ") },
        );
    }
    ui.result(&lines, &text)
}

/// Seconds since the epoch as UTC.
fn date(seconds: i64, format: &str) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.strftime(format).to_string())
}

fn pointed_at_by(pointers: &PointerGeneration, version: Version) -> Vec<String> {
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

fn show(store: &Store, version: Version, packs_in_full: bool, ui: &Ui) -> Result<(), CliError> {
    let record = store.record(version)?;
    let index = store.index(version)?.iter().collect::<Result<Vec<_>, _>>()?;
    let mut text = Page::of(format_args!("release {version}, format {}", record.format));
    if let Some(previous) = record.previous {
        let _ = writeln!(text, "  previous     {previous}");
    }
    if let Some(min_version) = record.min_version {
        let _ = writeln!(text, "  minversion   {min_version}");
    }
    let _ = writeln!(text, "  timestamp    {} ({} UTC)", record.timestamp, date(record.timestamp, "%Y-%m-%d %H:%M"));
    let _ = writeln!(text, "  files        {}", record.files);
    let _ = writeln!(text, "  generator    {}", record.generator);
    if let Some(time) = record.retracted {
        let _ = writeln!(text, "  retracted    {} UTC", date(time, "%Y-%m-%d %H:%M"));
    }
    for source in &record.sources {
        let _ = writeln!(text, "  source       {} {}", source.kind, source.path);
    }
    for (option, value) in &record.options {
        let _ = writeln!(text, "  option       --{option} {value}");
    }
    for rule in &record.allowed_rules {
        let _ = writeln!(text, "  allowed      {rule}");
    }
    for note in &record.notes {
        let _ = writeln!(text, "  note         {note}");
    }
    text.gap();
    let _ = writeln!(text, "artifacts");
    for (kind, counts) in &record.artifacts {
        let _ = writeln!(text, "  {kind:16} {:>8}  {:>10}", counts.number, bytes_text(counts.bytes));
    }
    text.gap();
    let _ = writeln!(text, "bundles");
    for bundle in &record.bundles {
        let mark = if bundle.changed { "changed" } else { "" };
        let mark = if bundle.experimental { "experimental" } else { mark };
        let _ = writeln!(text, "  {:32} {:>10}  {mark}", bundle.name, bundle.version);
    }
    let packs: Vec<_> = index
        .iter()
        .filter(|(artifact, _)| matches!(artifact, Artifact::Pack { .. }))
        .map(|(artifact, meta)| (artifact.to_string(), meta.size))
        .collect();
    if !packs.is_empty() {
        text.gap();
        let _ = writeln!(text, "packs");
        for (name, size) in packs {
            let _ = writeln!(text, "  {name:48} {:>10}", bytes_text(size));
        }
    }
    if packs_in_full {
        for pack in packs_of(&record) {
            text.gap();
            text.append(&pack_text(&pack));
        }
    }
    ui.result(
        &Shown {
            record: &record,
            index: index.iter().map(|(artifact, meta)| (artifact.to_string(), meta.size)).collect(),
        },
        &text,
    )
}

fn pack_text(pack: &PackReport) -> Page {
    let mut text = Page::of(format_args!(
        "pack of {} from {} to {}: {}, {} deltas, {} whole, {} not needed",
        pack.bundle,
        pack.from,
        pack.to,
        bytes_text(pack.bytes),
        pack.deltas,
        pack.whole,
        pack.not_needed
    ));
    if pack.is_zero_pack {
        let _ = writeln!(text, "  a copy of the zero pack: nothing smaller was found");
    }
    for file in &pack.files {
        let _ = match &file.delivery {
            Delivery::Delta { base, base_bundle, found, whole_bytes, .. } => writeln!(
                text,
                "  {:>10}  delta {}  from {base} of {base_bundle} ({found}; whole {})",
                bytes_text(file.bytes),
                file.path,
                bytes_text(*whole_bytes)
            ),
            Delivery::Whole { why } => writeln!(text, "  {:>10}  whole {}  ({why})", bytes_text(file.bytes), file.path),
        };
    }
    text
}

#[derive(Serialize)]
struct Shown<'r> {
    record: &'r ReleaseRecord,
    /// Artifact to bytes.
    index: BTreeMap<String, u64>,
}

#[derive(Serialize, Default)]
struct Difference {
    bundles_added: Vec<String>,
    bundles_removed: Vec<String>,
    bundles: Vec<BundleDifference>,
}

#[derive(Serialize)]
struct BundleDifference {
    bundle: String,
    from: u32,
    to: u32,
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
    /// Bytes of the pack an endpoint on the older release fetches; `None` if there is none.
    pack_bytes: Option<u64>,
}

fn diff(store: &Store, from: Version, to: Version, ui: &Ui) -> Result<(), CliError> {
    let bundles = |version| -> Result<BTreeMap<BundleName, Version>, CliError> {
        Ok(store.mom(version)?.bundles().map(|entry| (entry.bundle.clone(), entry.version)).collect())
    };
    let (old, new) = (bundles(from)?, bundles(to)?);
    let mut difference = Difference::default();
    for name in old.keys().collect::<BTreeSet<_>>().union(&new.keys().collect()) {
        match (old.get(name), new.get(name)) {
            (None, _) => difference.bundles_added.push(name.to_string()),
            (_, None) => difference.bundles_removed.push(name.to_string()),
            (Some(before), Some(after)) if before != after => {
                difference.bundles.push(bundle_difference(store, name, *before, *after)?);
            }
            _ => {}
        }
    }
    let mut text = Page::default();
    for (mark, names) in [('+', &difference.bundles_added), ('-', &difference.bundles_removed)] {
        for name in names {
            let _ = writeln!(text, "{mark} bundle {name}");
        }
    }
    for bundle in &difference.bundles {
        let pack =
            bundle.pack_bytes.map_or_else(|| "no pack".to_owned(), |bytes| format!("pack of {}", bytes_text(bytes)));
        let _ = writeln!(text, "bundle {} {} -> {}: {pack}", bundle.bundle, bundle.from, bundle.to);
        for (mark, paths) in [('+', &bundle.added), ('~', &bundle.changed), ('-', &bundle.removed)] {
            for path in paths {
                let _ = writeln!(text, "  {mark} {path}");
            }
        }
    }
    if text.as_str().is_empty() {
        text = Page::of(format_args!("releases {from} and {to} hold the same"));
    }
    ui.result(&difference, &text)
}

fn bundle_difference(
    store: &Store,
    bundle: &BundleName,
    from: Version,
    to: Version,
) -> Result<BundleDifference, CliError> {
    let paths = |version| -> Result<BTreeMap<EntryPath, BTreeSet<FileHash>>, CliError> {
        let manifest = store.manifest(version, &ManifestName::Bundle(bundle.clone()))?;
        let mut paths: BTreeMap<EntryPath, BTreeSet<FileHash>> = BTreeMap::new();
        for entry in manifest.entries.into_iter().filter(Entry::is_present) {
            let (hash, path) = (entry.hash(), entry.path);
            // The builds of a path for several processors share it.
            paths.entry(path).or_default().insert(hash);
        }
        Ok(paths)
    };
    let (old, new) = (paths(from)?, paths(to)?);
    let pack = Artifact::Pack { bundle: bundle.clone(), from: Some(from) };
    let pack = store.lookup(&clearwell_format::Resource::of(to, pack))?;
    Ok(BundleDifference {
        bundle: bundle.to_string(),
        from: from.number(),
        to: to.number(),
        added: new.keys().filter(|path| !old.contains_key(*path)).map(ToString::to_string).collect(),
        changed: new
            .iter()
            .filter(|(path, hashes)| old.get(*path).is_some_and(|before| before != *hashes))
            .map(|(path, _)| path.to_string())
            .collect(),
        removed: old.keys().filter(|path| !new.contains_key(*path)).map(ToString::to_string).collect(),
        pack_bytes: pack.map(|meta| meta.size),
    })
}

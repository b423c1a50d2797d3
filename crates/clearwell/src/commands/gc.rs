//! `clearwell gc`.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::ArgGroup;
use clearwell_format::{FormatNumber, Version};
use clearwell_store::clock;
use clearwell_store::gc::{GcPlan, Outcome, Reason, Retention, collect, plan};
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::StoreArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::interrupt::interruptible;
use crate::names::{require_format, require_release};
use crate::page::Page;
use crate::ui::{Ui, bytes_text, count, list};
use crate::values::{time, whole_number};

/// Remove releases that endpoints no longer need.
///
/// A release is kept if any rule keeps it. Always kept: releases that pointers name, or named within the grace time; staged
/// releases; and the releases through which endpoints cross from one format into the next. Of a removed release, files that
/// kept releases refer to stay, and the manifests that an endpoint still on it needs to start its update. Safe while a
/// server runs; refused while a build runs.
///
/// Each changed release is one of: "removed", nothing is left of it; "remnant", the release is removed, but files and
/// manifests of it that are still needed are left; "trimmed", the release is kept, only without delta packs from removed
/// releases.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("rules").required(true).multiple(true).args(["keep", "keep_format", "keep_days"]))]
pub(crate) struct Gc {
    #[command(flatten)]
    store: StoreArgs,
    /// Keep the newest K releases of each format.
    #[arg(long, value_name = "K", value_parser = whole_number::<usize>)]
    keep: Option<usize>,
    /// Keep all releases of these formats.
    #[arg(long, value_name = "F,…", value_delimiter = ',')]
    keep_format: Vec<FormatNumber>,
    /// Keep releases of the last DAYS days, by the timestamp of their manifests.
    #[arg(long, value_name = "DAYS", value_parser = whole_number::<u64>)]
    keep_days: Option<u64>,
    /// Keep these releases.
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pin: Vec<Version>,
    /// Grace time: how long a release is kept after the pointers have moved on, such as 90m, 12h or 2d, because an endpoint
    /// may still be updating to it.
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = time)]
    grace: Duration,
    /// Also remove the manifests of removed releases. Endpoints still on these releases can then no longer update.
    #[arg(long)]
    drop_manifests: bool,
    /// How long to wait between notifying servers and removing files; servers check once per second.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time)]
    settle: Duration,
    /// Show what would be removed, with sizes, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// What was removed from a store, or with `--dry-run` would be.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Shown {
    /// True if nothing was changed.
    dry_run: bool,
    /// The releases that are kept.
    kept: Vec<ShownKept>,
    /// The releases that change.
    changes: Vec<ShownChange>,
    /// Number of artifacts removed.
    artifacts: u64,
    /// Their size in bytes.
    bytes: u64,
    /// The pointers that move, one line each.
    pointers: Vec<String>,
    /// Number of files removed that an interrupted `gc` left behind.
    strays: u64,
    /// Number of the generation of pointers afterwards; absent with `--dry-run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Kept")]
struct ShownKept {
    /// The release.
    version: u32,
    /// Why it is kept.
    reasons: BTreeSet<Reason>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Change")]
struct ShownChange {
    /// The release.
    version: u32,
    /// What is left of it.
    outcome: Outcome,
    /// Number of artifacts removed.
    artifacts: u64,
    /// Their size in bytes.
    bytes: u64,
    /// Number of artifacts that are left.
    artifacts_left: u64,
    /// Their size in bytes.
    bytes_left: u64,
}

impl Gc {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let (_, store) = self.store.open()?;
        self.pin.iter().try_for_each(|version| require_release(&store, *version))?;
        self.keep_format.iter().try_for_each(|format| require_format(&store, *format))?;
        let retention = self.retention();
        let shown = if self.dry_run {
            shown(&plan(&store, &retention, ui)?, true)
        } else {
            let mut writer = store.writer("gc")?;
            let left = "all remaining releases are complete; the next gc finishes the removal";
            let report = interruptible(ui, left, || Ok(collect(&mut writer, &retention, self.settle, ui)?))?;
            Shown { strays: report.strays, generation: Some(report.generation), ..shown(&report.plan, false) }
        };
        if self.drop_manifests && shown.changes.iter().any(|change| change.outcome != Outcome::Trimmed) {
            ui.warn("endpoints on a removed release can no longer update, because swupd starts with its manifests");
        }
        ui.result(&shown, &text(&shown))?;
        Ok(Exit::Done)
    }

    fn retention(&self) -> Retention {
        Retention {
            formats: self.keep_format.iter().copied().collect(),
            pinned: self.pin.iter().copied().collect(),
            within: self.keep_days.map(|days| Duration::from_secs(days.saturating_mul(24 * 3600))),
            grace: self.grace,
            leave_manifests: !self.drop_manifests,
            ..Retention::new(self.keep.unwrap_or(0), clock::now())
        }
    }
}

fn shown(plan: &GcPlan, dry_run: bool) -> Shown {
    let removed = plan.removed();
    Shown {
        dry_run,
        kept: plan
            .kept
            .iter()
            .map(|(version, reasons)| ShownKept { version: version.number(), reasons: reasons.clone() })
            .collect(),
        changes: plan
            .changes
            .iter()
            .map(|change| ShownChange {
                version: change.version.number(),
                outcome: change.outcome,
                artifacts: change.removed.number,
                bytes: change.removed.bytes,
                artifacts_left: change.left.number,
                bytes_left: change.left.bytes,
            })
            .collect(),
        artifacts: removed.number,
        bytes: removed.bytes,
        pointers: plan
            .pointers
            .iter()
            .map(|(pointer, bytes)| format!("{pointer} -> {}", String::from_utf8_lossy(bytes)))
            .collect(),
        strays: 0,
        generation: None,
    }
}

const fn outcome_text(left: Outcome) -> &'static str {
    match left {
        Outcome::Removed => "removed",
        Outcome::Remnant => "remnant",
        Outcome::Trimmed => "trimmed",
    }
}

const fn reason_text(reason: Reason) -> &'static str {
    match reason {
        Reason::Pointer => "named by a pointer",
        Reason::Grace => "within the grace time",
        Reason::Boundary => "endpoints cross formats through it",
        Reason::Staged => "staged",
        Reason::Last => "--keep",
        Reason::Format => "--keep-format",
        Reason::Pinned => "--pin",
        Reason::Recent => "--keep-days",
    }
}

fn text(shown: &Shown) -> Page {
    let mut text = Page::default();
    for kept in &shown.kept {
        let reasons = list(kept.reasons.iter().copied().map(reason_text));
        let _ = writeln!(text, "keep     {:>8}  {reasons}", kept.version);
    }
    for change in &shown.changes {
        let _ = writeln!(
            text,
            "{:8} {:>8}  removed {}, {}; left {}, {}",
            outcome_text(change.outcome),
            change.version,
            count(change.artifacts, "artifact"),
            bytes_text(change.bytes),
            count(change.artifacts_left, "artifact"),
            bytes_text(change.bytes_left),
        );
    }
    for pointer in &shown.pointers {
        let _ = writeln!(text, "pointer  {pointer}");
    }
    if shown.strays > 0 {
        let _ = writeln!(text, "strays   removed {} of an interrupted gc", count(shown.strays, "file"));
    }
    let (artifacts, bytes) = (count(shown.artifacts, "artifact"), bytes_text(shown.bytes));
    let _ = match (shown.dry_run, shown.artifacts) {
        (_, 0) => writeln!(text, "nothing to remove"),
        (true, _) => writeln!(text, "would remove {artifacts}, {bytes}; nothing was changed"),
        (false, _) => writeln!(text, "removed {artifacts}, {bytes}"),
    };
    text
}

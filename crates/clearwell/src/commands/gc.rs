//! `clearwell gc`.

use std::time::{Duration, SystemTime};

use clap::ArgGroup;
use clearwell_format::{FormatNumber, Version};
use clearwell_store::gc::{Fate, GcPlan, Retention, collect, plan};
use serde::Serialize;

use crate::config::StoreArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::interrupt::interruptible;
use crate::names::{require_format, require_release};
use crate::page::Page;
use crate::ui::{Ui, bytes_text, count};

/// Remove releases that no endpoint needs any more.
///
/// A release is kept if any rule holds it. Always kept: what pointers name, or named within the grace time, staged
/// releases, and the releases by which endpoints cross from one format into the next. Of a release that goes, files that
/// kept releases point at stay, and the manifests with which an endpoint that still sits on it begins its update. Safe
/// beside a server; waits for no build: while one runs, it is refused.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("rules").required(true).multiple(true).args(["keep", "keep_format", "keep_days"]))]
pub(crate) struct Gc {
    #[command(flatten)]
    store: StoreArgs,
    /// Keep the newest K releases of each format.
    #[arg(long, value_name = "K", default_value = None)]
    keep: Option<usize>,
    /// Keep all releases of these formats.
    #[arg(long, value_name = "F,…", value_delimiter = ',')]
    keep_format: Vec<FormatNumber>,
    /// Keep releases made so many days ago at most, by the timestamp of their manifests.
    #[arg(long, value_name = "DAYS")]
    keep_days: Option<u64>,
    /// Keep these releases, whatever else.
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pin: Vec<Version>,
    /// How long a release is kept after pointers left it, such as 90m, 12h or 2d: an endpoint may be in the middle of its
    /// update to it.
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = parse_time)]
    grace: Duration,
    /// Remove the manifests of releases that go, too. Endpoints that still sit on them can then no longer update.
    #[arg(long)]
    drop_manifests: bool,
    /// How long servers have to notice what goes before it does; they look once a second.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = parse_time)]
    settle: Duration,
    /// Say what would go, with bytes, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown {
    dry_run: bool,
    kept: Vec<ShownKept>,
    changes: Vec<ShownChange>,
    artifacts: u64,
    bytes: u64,
    pointers: Vec<String>,
    strays: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
}

#[derive(Serialize)]
struct ShownKept {
    version: u32,
    reasons: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ShownChange {
    version: u32,
    fate: &'static str,
    artifacts: u64,
    bytes: u64,
    artifacts_left: u64,
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
            let left = "all releases that are left are whole; the next collection ends what was begun";
            let report = interruptible(ui, left, || Ok(collect(&mut writer, &retention, self.settle, ui)?))?;
            Shown { strays: report.strays, generation: Some(report.generation), ..shown(&report.plan, false) }
        };
        if self.drop_manifests && shown.changes.iter().any(|change| change.fate != Fate::Trimmed.word()) {
            ui.warn("endpoints on a release that is gone can no longer update: swupd begins with its manifests");
        }
        ui.result(&shown, &text(&shown))?;
        Ok(Exit::Done)
    }

    fn retention(&self) -> Retention {
        let now = SystemTime::now();
        Retention {
            formats: self.keep_format.iter().copied().collect(),
            pinned: self.pin.iter().copied().collect(),
            within: self.keep_days.map(|days| Duration::from_secs(days.saturating_mul(24 * 3600))),
            grace: self.grace,
            leave_manifests: !self.drop_manifests,
            ..Retention::new(self.keep.unwrap_or(0), now)
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
            .map(|(version, reasons)| ShownKept {
                version: version.number(),
                reasons: reasons.iter().map(|reason| reason.word()).collect(),
            })
            .collect(),
        changes: plan
            .changes
            .iter()
            .map(|change| ShownChange {
                version: change.version.number(),
                fate: change.fate.word(),
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

fn text(shown: &Shown) -> Page {
    let mut text = Page::default();
    for kept in &shown.kept {
        let _ = writeln!(text, "keep     {:>8}  {}", kept.version, kept.reasons.join(", "));
    }
    for change in &shown.changes {
        let _ = writeln!(
            text,
            "{:8} {:>8}  removed: {}, {}; kept: {}, {}",
            change.fate,
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
        let _ = writeln!(text, "strays   {} of an interrupted collection removed", count(shown.strays, "file"));
    }
    let (artifacts, bytes) = (count(shown.artifacts, "artifact"), bytes_text(shown.bytes));
    let _ = match (shown.dry_run, shown.artifacts) {
        (_, 0) => writeln!(text, "nothing to remove"),
        (true, _) => writeln!(text, "{artifacts}, {bytes} would be removed; nothing was changed"),
        (false, _) => writeln!(text, "{artifacts}, {bytes} removed"),
    };
    text
}

/// Reads `90m`, `12h`, `2d`, or seconds.
fn parse_time(text: &str) -> Result<Duration, String> {
    let units = [("d", 24 * 3600), ("h", 3600), ("m", 60), ("s", 1)];
    let unit = units.into_iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
    let (number, seconds) = unit.unwrap_or((text, 1));
    let number: u64 = number.parse().map_err(|_| "use a number with s, m, h or d, such as 12h".to_owned())?;
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, seconds) in [("0", 0), ("90", 90), ("90m", 5400), ("12h", 43_200), ("2d", 172_800), ("5s", 5)] {
            assert_eq!(parse_time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "d", "-1h", "1w", "1.5h"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }
}

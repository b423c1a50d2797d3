//! `clearwell backup`.

mod separately;

use std::path::{Path, PathBuf};

use clearwell_format::Version;
use clearwell_store::backup::{BackupOptions, CopyOptions, CopyReport, back_up};
use clearwell_store::disk::Disk;
use clearwell_store::verify::Defect;
use clearwell_store::{Fault, Store, StoreError};
use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use self::separately::Separate;
use crate::config::{MixConfig, StoreArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::interrupt::interruptible;
use crate::page::Page;
use crate::signing::unix_now;
use crate::ui::{Ui, bytes_text, count, list};
use crate::values::{jobs, rate};

/// Copy a store to a folder that is itself a store: for another disk or another machine.
///
/// The first backup creates the folder, later ones copy what is new. All releases, indexes, records and pointers are as they
/// were at one instant; every file is compared with the index while it is copied. Builds, publications, gc and servers may
/// run concurrently, and are not delayed. An interrupted backup keeps the previous one usable and continues the next time.
/// Releases that gc removes from the store stay in the backup, unless --prune is given.
///
/// Keys, certificates, configuration files and the sources of the bundles are not copied; the command lists them.
#[derive(Debug, clap::Args)]
pub(crate) struct Backup {
    /// The folder of the backup.
    #[arg(value_name = "BACKUP")]
    folder: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    copy: CopyArgs,
    /// Also remove from the backup what gc removed from the store. Nothing is removed if the store is damaged.
    #[arg(long)]
    prune: bool,
    /// Read every file of the backup again. Default: those whose size or time of modification differ from the store.
    #[arg(long)]
    paranoid: bool,
}

/// Options of commands that copy a store.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CopyArgs {
    /// Number of threads; 0 for one per processor.
    #[arg(long, env = "CLEARWELL_JOBS", value_name = "N", value_parser = jobs)]
    jobs: Option<usize>,
    /// Read at most this number of bytes per second from disk, such as 50MiB/s. Default: no limit.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    rate: Option<std::num::NonZeroU64>,
}

impl CopyArgs {
    pub(crate) fn options(&self, config: &MixConfig, paranoid: bool) -> CopyOptions {
        let default = CopyOptions::default();
        let jobs = config.jobs(self.jobs).unwrap_or(default.jobs);
        CopyOptions { jobs, bytes_per_second: self.rate, paranoid }
    }
}

/// A backup.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Shown {
    /// The folder of the backup.
    folder: String,
    /// The store.
    store: String,
    /// Time of the backup, in seconds since the epoch.
    taken: i64,
    #[serde(flatten)]
    copy: ShownCopy,
    /// The releases that the store no longer has and that stay in the backup.
    kept: Vec<u32>,
    /// The releases that the store no longer has and that were removed from the backup.
    removed: Vec<u32>,
    /// Files of `content/` that are not copied, because they do not belong to a release.
    left_out: Vec<String>,
    /// What the backup does not contain and a restoration needs.
    save_separately: Vec<Separate>,
}

/// What backup and restore have in common.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ShownCopy {
    /// The releases of the copy.
    pub(crate) releases: Vec<u32>,
    /// The release that the pointers of the copy name; null if there is none.
    pub(crate) newest: Option<u32>,
    /// Number of the generation of pointers of the copy.
    pub(crate) generation: u64,
    /// True if the pointers stay at the previous backup, because the release that they should name is damaged.
    pointers_held: bool,
    /// The releases that are new in the copy.
    added: Vec<u32>,
    /// The releases with other files or another record than before.
    changed: Vec<u32>,
    /// Number of artifacts copied.
    artifacts: u64,
    /// Their size in bytes.
    bytes: u64,
    /// Number of artifacts that the copy had already.
    artifacts_unchanged: u64,
    /// Their size in bytes.
    bytes_unchanged: u64,
    /// Paths of the copy that were missing or damaged and were copied again.
    repaired: Vec<PathBuf>,
    /// What is wrong with the original.
    damage: Vec<ShownDamage>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Damage")]
struct ShownDamage {
    /// The file.
    path: PathBuf,
    /// The problem in one line.
    problem: String,
}

impl Backup {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let (config, store) = self.store.open()?;
        let options =
            BackupOptions { copy: self.copy.options(&config, self.paranoid), prune: self.prune, now: unix_now() };
        let left = "a previous backup stays usable; run the same command again to continue";
        let report = interruptible(ui, left, || {
            back_up(&store, &self.folder, Disk::default(), &options, ui)
                .map_err(|error| unfinished(error, &self.folder, left))
        })?;
        if report.same_file_system {
            ui.warn(&format!(
                "{} is on the same file system as the store: the loss of that disk would lose both",
                self.folder.display()
            ));
        }
        if !report.left_out.is_empty() {
            ui.warn(&format!("not copied, as not part of a release: {}", list(&report.left_out)));
        }
        let shown = Shown {
            store: store.root().display().to_string(),
            taken: options.now,
            copy: ShownCopy::of(&report, &self.folder)?,
            kept: numbers(&report.kept),
            removed: numbers(&report.removed),
            left_out: report.left_out.clone(),
            save_separately: Separate::all(&config, self.store.config.path()),
            folder: self.folder.display().to_string(),
        };
        ui.result(&shown, &text(&shown))?;
        Ok(exit(&report))
    }
}

/// An error in the middle of a copy also says what is `left`.
pub(crate) fn unfinished(error: StoreError, folder: &Path, left: &str) -> CliError {
    match error.fault() {
        Fault::Disk => CliError::new(Exit::Disk, format!("{} is not complete ({left})", folder.display()), error),
        _ => error.into(),
    }
}

pub(crate) fn exit(report: &CopyReport) -> Exit {
    match (report.damage.is_empty(), report.mended.is_empty()) {
        (false, _) => Exit::Findings,
        (true, false) => Exit::Repaired,
        (true, true) => Exit::Done,
    }
}

impl ShownCopy {
    pub(crate) fn of(report: &CopyReport, folder: &Path) -> Result<Self, CliError> {
        let copy = Store::open(folder)?;
        Ok(Self {
            releases: numbers(&copy.releases()?),
            newest: copy.latest_version()?.map(Version::number),
            generation: report.generation,
            pointers_held: report.pointers_held,
            added: numbers(&report.added),
            changed: numbers(&report.changed),
            artifacts: report.copied.number,
            bytes: report.copied.bytes,
            artifacts_unchanged: report.unchanged.number,
            bytes_unchanged: report.unchanged.bytes,
            repaired: report.mended.clone(),
            damage: report.damage.iter().map(ShownDamage::of).collect(),
        })
    }

    /// True if nothing is wrong with the original.
    pub(crate) fn is_whole(&self) -> bool {
        self.damage.is_empty()
    }

    pub(crate) fn text(&self) -> Page {
        let mut text = Page::default();
        let _ = writeln!(text, "copied     {}, {}", count(self.artifacts, "file"), bytes_text(self.bytes));
        let _ = writeln!(
            text,
            "unchanged  {}, {}",
            count(self.artifacts_unchanged, "file"),
            bytes_text(self.bytes_unchanged)
        );
        let newest = self.newest.map_or_else(|| "no pointers".to_owned(), |newest| format!("newest {newest}"));
        let _ = writeln!(text, "releases   {} ({newest})", list(&self.releases));
        for path in &self.repaired {
            let _ = writeln!(text, "repaired   {}", path.display());
        }
        for damage in &self.damage {
            let _ = writeln!(text, "damage     {}: {}", damage.path.display(), damage.problem);
        }
        text
    }
}

impl ShownDamage {
    fn of(defect: &Defect) -> Self {
        Self { path: defect.path.clone(), problem: defect.problem() }
    }
}

pub(crate) fn numbers(versions: &[Version]) -> Vec<u32> {
    versions.iter().map(|version| version.number()).collect()
}

fn text(shown: &Shown) -> Page {
    let mut text = shown.copy.text();
    for (what, versions) in [("kept", &shown.kept), ("removed", &shown.removed)] {
        if !versions.is_empty() {
            let _ = writeln!(text, "{what:10} {}, which the store does not have any more", list(versions));
        }
    }
    for Separate { what, path } in &shown.save_separately {
        let path = path.as_ref().map_or_else(String::new, |path| format!("  {}", path.display()));
        let _ = writeln!(text, "also save  {what}{path}");
    }
    if shown.copy.pointers_held {
        let _ = writeln!(text, "the pointers of the backup stay at the previous snapshot until the damage is repaired");
    }
    let _ = writeln!(
        text,
        "{}",
        if shown.copy.is_whole() {
            "the backup is complete"
        } else {
            "backup FAILED in part: the store is damaged; run \"clearwell check --repair\" on it, then back up again"
        }
    );
    text
}

//! `clearwell check`.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use clearwell_generate::deltas::DeltaOptions;
use clearwell_generate::progress::{Merged, Phase, Progress};
use clearwell_generate::remake::remake_packs;
use clearwell_sign::Trust;
use clearwell_store::check::{CheckOptions, CheckReport, Finding, Severity, check};
use clearwell_store::repair::{How, RepairOptions, RepairReport, Repaired, repair, restamp};
use clearwell_store::verify::DefectCode;
use clearwell_store::{Store, StoreError, Writer};
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::{MixConfig, StoreArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::interrupt::interruptible;
use crate::page::Page;
use crate::signing::{TrustArgs, unix_now};
use crate::ui::{Ui, bytes_text, count, list};
use crate::values::{jobs, rate};

/// Check every byte of a store against its index, and the content of every file.
///
/// Unpacks fullfiles, applies packs and deltas in memory, and verifies manifests, signatures, certificates and pointers.
/// Signatures are checked with --cert, else with the certificates that the releases install, else with that of
/// clearwell.toml. Servers, builds and gc may run concurrently. With --repair, damaged files are restored from other
/// files of the store; the damaged bytes are moved to meta/damaged, never deleted.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    #[command(flatten)]
    store: StoreArgs,
    /// Number of threads; 0 for one per processor.
    #[arg(long, env = "CLEARWELL_JOBS", value_name = "N", value_parser = jobs)]
    jobs: Option<usize>,
    /// Read at most this number of bytes per second from disk, such as 50MiB/s. Default: no limit.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    rate: Option<NonZeroU64>,
    /// Continue an interrupted check.
    #[arg(long)]
    resume: bool,
    /// Only compare bytes with the index; do not unpack fullfiles, packs and deltas.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    trust: TrustArgs,
    /// Restore damaged files.
    #[arg(long)]
    repair: bool,
    /// With --repair: if the released bytes of a fullfile or pack cannot be restored, replace them with others that
    /// unpack to the same content. The SHA-256 and ETag of the file change, and the release record says so.
    #[arg(long, requires = "repair")]
    equivalent: bool,
}

/// A check of a store.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Shown {
    /// Number of versions checked.
    versions: u64,
    /// Number of artifacts checked.
    artifacts: u64,
    /// Bytes read.
    bytes: u64,
    /// Number of artifacts that were skipped, because an interrupted check had checked them (`--resume`).
    resumed: u64,
    /// Number of signatures checked.
    signatures: u64,
    /// Number of deltas that were not applied, because their base is not in the store.
    deltas_without_base: u64,
    /// Number of findings that are damage.
    damage: usize,
    /// Everything that is wrong.
    findings: Vec<ShownFinding>,
    /// The repair; only with `--repair`.
    #[serde(skip_serializing_if = "Option::is_none")]
    repair: Option<ShownRepair>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Finding")]
struct ShownFinding {
    /// The consequence.
    severity: Severity,
    /// The kind of problem.
    kind: DefectCode,
    /// The file, below the store.
    path: PathBuf,
    /// The problem in one line.
    problem: String,
    /// What to do about it.
    remedy: &'static str,
    /// The releases whose endpoints are affected: those on them, or updating to them.
    versions: Vec<u32>,
    /// The bundles that endpoints need to be affected; empty if all are.
    bundles: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Repair")]
struct ShownRepair {
    /// The files that were repaired.
    repaired: Vec<ShownRepaired>,
    /// Where the damaged bytes were moved to, below the store.
    moved_aside: Vec<PathBuf>,
    /// The files that could not be repaired.
    not_repaired: Vec<PathBuf>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Repaired")]
struct ShownRepaired {
    /// The file, below the store.
    path: PathBuf,
    /// How it was repaired.
    how: How,
}

/// What a repair restored, and what it could not.
struct Outcome {
    report: RepairReport,
    left: Vec<PathBuf>,
}

impl Check {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let left = match self.repair {
            true => "repaired files are kept; run the same command again for the rest",
            false => "nothing was changed; check --resume skips what was already checked",
        };
        interruptible(ui, left, || self.check(ui))
    }

    fn check(&self, ui: &Ui) -> Result<Exit, CliError> {
        let config = self.store.config.load()?;
        let options = self.options(&config)?;
        let (store, restamped) = self.open(config.store(self.store.store.as_deref())?, ui)?;
        let mut report = check(&store, &options, ui)?;
        let repaired = match self.repair {
            true => {
                // The checks and builds of packs during the repair count as parts of it.
                let repairing = Merged::begin(ui, Phase::Repair);
                let outcome = self.repair(&store, &options, &mut report, &repairing)?;
                repairing.finish();
                Some(outcome)
            }
            false => None,
        };
        let left = repaired.as_ref().map(|outcome| outcome.left.len());
        let exit = match (report.is_sound(), left) {
            (true, _) if restamped => Exit::Repaired,
            (true, _) => Exit::Done,
            (false, Some(0)) => Exit::Repaired,
            (false, _) => Exit::Findings,
        };
        let shown = shown(&report, repaired.as_ref());
        ui.result(&shown, &text(&shown))?;
        Ok(exit)
    }

    /// Opens the store. With --repair, restores a lost layout stamp, and says so.
    fn open(&self, path: &Path, ui: &Ui) -> Result<(Store, bool), CliError> {
        match Store::open(path) {
            Err(error @ (StoreError::NotAStore { .. } | StoreError::LayoutUnreadable { .. })) if self.repair => {
                if !restamp(path)? {
                    return Err(error.into());
                }
                ui.warn("meta/layout was missing or unreadable and was written again");
                Ok((Store::open(path)?, true))
            }
            other => Ok((other?, false)),
        }
    }

    fn options(&self, config: &MixConfig) -> Result<CheckOptions, CliError> {
        let mut options = CheckOptions::new(unix_now());
        options.jobs = config.jobs(self.jobs).unwrap_or(options.jobs);
        options.bytes_per_second = self.rate;
        options.resume = self.resume;
        options.contents = !self.quick;
        let anchors = |trust: &Option<Trust>| -> Vec<_> { trust.iter().flat_map(Trust::anchors).cloned().collect() };
        // Read once: the file may be a pipe.
        let typed = self.trust.typed()?;
        options.anchors = anchors(&typed);
        options.fallback_anchors = match typed {
            Some(_) => options.anchors.clone(),
            None => anchors(&self.trust.trust(config)?),
        };
        Ok(options)
    }

    /// Repairs the findings. A restored index or record can reveal more damage, so the check is repeated after it.
    fn repair(
        &self,
        store: &Store,
        options: &CheckOptions,
        report: &mut CheckReport,
        progress: &dyn Progress,
    ) -> Result<Outcome, CliError> {
        let mut writer = store.writer("check --repair")?;
        let mut whole = self.repair_rounds(&mut writer, options, &report.findings, progress)?;
        let mut left = whole.left(&report.findings).into_iter().map(|finding| finding.defect.path.clone()).collect();
        let mut hidden = report.findings.iter().any(Finding::hides_others);
        for _ in 0..MOST_ROUNDS {
            if !hidden {
                break;
            }
            let seen: BTreeSet<PathBuf> = report.findings.iter().map(|finding| finding.defect.path.clone()).collect();
            let next = check(store, options, progress)?;
            let again = self.repair_rounds(&mut writer, options, &next.findings, progress)?;
            left = again.left(&next.findings).into_iter().map(|finding| finding.defect.path.clone()).collect();
            hidden = next.findings.iter().any(|finding| finding.hides_others() && !seen.contains(&finding.defect.path));
            whole.repaired.extend(again.repaired);
            whole.aside.extend(again.aside);
            report.findings.extend(next.findings.into_iter().filter(|finding| !seen.contains(&finding.defect.path)));
        }
        Ok(Outcome { report: whole, left })
    }

    /// Repairs until nothing more can be repaired: packs are made from restored fullfiles, and fullfiles from packs.
    fn repair_rounds(
        &self,
        writer: &mut Writer,
        options: &CheckOptions,
        findings: &[Finding],
        progress: &dyn Progress,
    ) -> Result<RepairReport, CliError> {
        let repair_options = RepairOptions { equivalent: self.equivalent, check: options.clone() };
        let deltas = DeltaOptions { workers: options.jobs, ..DeltaOptions::default() };
        let mut whole = repair(writer, findings, &repair_options)?;
        for _ in 0..MOST_ROUNDS {
            let packs = remake_packs(writer, &whole.left(findings), self.equivalent, &deltas, progress)?;
            let is_stuck = packs.is_empty();
            whole.repaired.extend(packs.iter().map(|(resource, how)| Repaired {
                path: PathBuf::from("content").join(resource.to_string()),
                how: *how,
            }));
            if is_stuck || whole.left(findings).is_empty() {
                break;
            }
            let again = repair(writer, findings, &repair_options)?;
            whole.repaired.extend(again.repaired);
            whole.aside.extend(again.aside);
        }
        Ok(whole)
    }
}

fn shown(report: &CheckReport, outcome: Option<&Outcome>) -> Shown {
    Shown {
        versions: report.versions,
        artifacts: report.artifacts,
        bytes: report.bytes,
        resumed: report.resumed,
        signatures: report.signatures,
        deltas_without_base: report.unapplied,
        damage: report.findings.iter().filter(|finding| finding.severity() == Severity::Damage).count(),
        findings: report.findings.iter().map(shown_finding).collect(),
        repair: outcome.map(|outcome| ShownRepair {
            repaired: outcome
                .report
                .repaired
                .iter()
                .map(|repaired| ShownRepaired { path: repaired.path.clone(), how: repaired.how })
                .collect(),
            moved_aside: outcome.report.aside.clone(),
            not_repaired: outcome.left.clone(),
        }),
    }
}

const fn how_text(how: How) -> &'static str {
    match how {
        How::SameBytes => "the released bytes",
        How::Equivalent => "other bytes of the same content",
        How::FromContent => "made from the content",
        How::Added => "was missing in the release",
    }
}

fn shown_finding(finding: &Finding) -> ShownFinding {
    ShownFinding {
        severity: finding.severity(),
        kind: finding.defect.kind.code(),
        path: finding.defect.path.clone(),
        problem: finding.defect.problem(),
        remedy: finding.remedy(),
        versions: finding.affected.versions.iter().map(|version| version.number()).collect(),
        bundles: finding.affected.bundles.iter().map(ToString::to_string).collect(),
    }
}

fn text(shown: &Shown) -> Page {
    let mut text = Page::of(format_args!(
        "checked    {}, {}, {}, {}",
        count(shown.versions, "version"),
        count(shown.artifacts, "artifact"),
        bytes_text(shown.bytes),
        count(shown.signatures, "signature")
    ));
    if shown.resumed > 0 {
        let _ = writeln!(text, "skipped    {}, checked before", count(shown.resumed, "artifact"));
    }
    if shown.deltas_without_base > 0 {
        let _ =
            writeln!(text, "untested   {}: the base is not in the store", count(shown.deltas_without_base, "delta"));
    }
    for finding in &shown.findings {
        let severity = match finding.severity {
            Severity::Note => "note",
            Severity::Damage => "damage",
        };
        let _ = writeln!(text, "{severity:7}  {}: {}", finding.path.display(), finding.problem);
        if !finding.versions.is_empty() {
            let bundles = match &finding.bundles[..] {
                [] => String::new(),
                [bundle] => format!(" with bundle {bundle}"),
                bundles => format!(" with bundles {}", list(bundles)),
            };
            let _ = writeln!(text, "         affects endpoints on or updating to {}{bundles}", list(&finding.versions));
        }
        let _ = writeln!(text, "         {}", finding.remedy);
    }
    if let Some(repair) = &shown.repair {
        for repaired in &repair.repaired {
            let _ = writeln!(text, "repaired {} ({})", repaired.path.display(), how_text(repaired.how));
        }
        for path in &repair.moved_aside {
            let _ = writeln!(text, "moved    {}", path.display());
        }
        for path in &repair.not_repaired {
            let _ = writeln!(text, "NOT REPAIRED  {}", path.display());
        }
    }
    let _ = writeln!(
        text,
        "{}",
        match (shown.damage, &shown.repair) {
            (0, _) => "the store is undamaged",
            (_, Some(repair)) if repair.not_repaired.is_empty() => "the store was damaged and is repaired",
            _ => "check FAILED: the store is damaged",
        }
    );
    text
}

/// Each round restores what the previous one made possible.
const MOST_ROUNDS: usize = 4;

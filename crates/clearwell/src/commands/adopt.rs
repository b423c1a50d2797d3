//! `clearwell adopt`.

use std::path::PathBuf;

use clearwell_format::Version;
use clearwell_store::adopt::{AdoptOptions, AdoptReport, Severity, SignatureState, adopt, versions};
use clearwell_store::{Store, StoreError, Transfer};
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::StoreArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::fresh::Fresh;
use crate::interrupt::interruptible;
use crate::page::Page;
use crate::signing::{TrustArgs, UNCHECKED};
use crate::ui::{Ui, bytes_text, count, list};

/// Import the releases of a www tree made by mixer.
///
/// Checks every hash and signature; damaged files are left out and listed. The tree is not changed. A missing store is
/// created. Run the command again to import newer releases. Without a certificate, signatures are not checked.
#[derive(Debug, clap::Args)]
pub(crate) struct Adopt {
    /// The www tree: the folder with version/ and one numbered folder per release.
    www: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    trust: TrustArgs,
    /// Import files as hard links. Saves space, but programs that write to the tree then damage the store.
    #[arg(long)]
    hard_link: bool,
}

/// An import of a www tree.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Shown {
    /// The releases that were imported.
    adopted: Vec<u32>,
    /// The releases of the store that got files that were missing.
    extended: Vec<u32>,
    /// The releases that the store had already.
    unchanged: Vec<u32>,
    /// The releases that cannot be imported.
    refused: Vec<u32>,
    /// Number of artifacts imported.
    artifacts: u64,
    /// Their size in bytes.
    bytes: u64,
    /// Number of the new generation of pointers; null if no pointer moved.
    generation: Option<u64>,
    /// The pointers that were imported.
    pointers: Vec<ShownPointer>,
    /// Everything that is wrong with the tree.
    problems: Vec<ShownProblem>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Pointer")]
struct ShownPointer {
    /// The pointer, such as `version/format30/latest`.
    path: String,
    /// The release that it names.
    version: u32,
    /// The state of its signature.
    signature: SignatureState,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Problem")]
struct ShownProblem {
    /// The consequence.
    severity: Severity,
    /// The file, below the tree.
    path: PathBuf,
    /// The problem in one line.
    problem: String,
}

impl Adopt {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let config = self.store.config.load()?;
        let path = config.store(self.store.store.as_deref())?;
        let trust = self.trust.trust(&config)?;
        if trust.is_none() {
            ui.warn(UNCHECKED);
        }
        let opened = match Store::open(path) {
            Err(StoreError::NotAStore { .. }) => None,
            opened => Some(opened?),
        };
        versions(&self.www)?;
        let mut fresh = Fresh::default();
        let store = opened.map_or_else(|| fresh.create_store(path), Ok)?;
        let transfer = if self.hard_link { Transfer::HardLink } else { Transfer::Copy };
        let options = AdoptOptions { transfer, trust };
        let mut writer = store.writer(&format!("adopt {}", self.www.display()))?;
        let left = "adopted releases are kept; run the same command again for the others";
        let report = interruptible(ui, left, || Ok(adopt(&self.www, &mut writer, &options, ui)?))?;
        drop(writer);
        if !report.adopted.is_empty() {
            fresh.keep();
        }
        let is_whole = report.findings.iter().all(|finding| finding.severity() == Severity::Note);
        let shown = shown(&report);
        ui.result(&shown, &text(&shown))?;
        Ok(if is_whole { Exit::Done } else { Exit::Findings })
    }
}

fn shown(report: &AdoptReport) -> Shown {
    let numbers = |versions: &[Version]| versions.iter().map(|version| version.number()).collect();
    Shown {
        adopted: numbers(&report.adopted),
        extended: numbers(&report.extended),
        unchanged: numbers(&report.unchanged),
        refused: numbers(&report.refused),
        artifacts: report.stored.number,
        bytes: report.stored.bytes,
        generation: report.generation,
        pointers: report
            .pointers
            .iter()
            .map(|adopted| ShownPointer {
                path: adopted.pointer.to_string(),
                version: adopted.version.number(),
                signature: adopted.signature,
            })
            .collect(),
        problems: report
            .findings
            .iter()
            .map(|finding| ShownProblem {
                severity: finding.severity(),
                path: finding.defect.path.clone(),
                problem: finding.to_string(),
            })
            .collect(),
    }
}

fn text(shown: &Shown) -> Page {
    let mut text = Page::default();
    for (what, versions) in [
        ("adopted", &shown.adopted),
        ("extended", &shown.extended),
        ("unchanged", &shown.unchanged),
        ("REFUSED", &shown.refused),
    ] {
        if !versions.is_empty() {
            let _ = writeln!(text, "{what:10} {}", list(versions));
        }
    }
    let _ = writeln!(text, "stored     {}, {}", count(shown.artifacts, "artifact"), bytes_text(shown.bytes));
    if let Some(generation) = shown.generation {
        let _ = writeln!(text, "pointers   generation {generation}");
    }
    for ShownPointer { path, version, signature } in &shown.pointers {
        let _ = writeln!(text, "  {path}: {version}, signature {}", signature_text(*signature));
    }
    let _ = writeln!(text, "found      {}", count(shown.problems.len() as u64, "problem"));
    for problem in &shown.problems {
        let _ = writeln!(text, "  {:8} {}", severity_text(problem.severity), problem.problem);
    }
    text
}

const fn signature_text(signature: SignatureState) -> &'static str {
    match signature {
        SignatureState::Valid => "sound",
        SignatureState::Unchecked => "unchecked",
        SignatureState::None => "none",
    }
}

const fn severity_text(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Artifact => "artifact",
        Severity::Release => "release",
    }
}

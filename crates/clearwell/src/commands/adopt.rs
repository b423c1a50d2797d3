//! `clearwell adopt`.

use std::path::PathBuf;

use clearwell_format::Version;
use clearwell_store::adopt::{AdoptOptions, AdoptReport, Severity, SignatureState, adopt, versions};
use clearwell_store::{Store, StoreError, Transfer};
use serde::Serialize;

use crate::config::StoreArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::fresh::Fresh;
use crate::interrupt::interruptible;
use crate::page::Page;
use crate::signing::{TrustArgs, UNCHECKED};
use crate::ui::{Ui, bytes_text, count};

/// Take over a www tree that mixer made.
///
/// Every hash and signature is checked; what is damaged is left out and listed. The tree itself is never changed, and the
/// store is made if it is missing. Run it again to take over what has come since. Without a certificate signatures are
/// not checked.
#[derive(Debug, clap::Args)]
pub(crate) struct Adopt {
    /// The tree: the folder with version/ and a numbered folder for each release.
    www: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    trust: TrustArgs,
    /// Take files over as second names of the same file. Saves room, but whoever writes to the tree damages the store.
    #[arg(long)]
    hard_link: bool,
}

#[derive(Serialize)]
struct Shown {
    adopted: Vec<u32>,
    extended: Vec<u32>,
    unchanged: Vec<u32>,
    refused: Vec<u32>,
    artifacts: u64,
    bytes: u64,
    generation: Option<u64>,
    pointers: Vec<ShownPointer>,
    problems: Vec<ShownProblem>,
}

#[derive(Serialize)]
struct ShownPointer {
    path: String,
    version: u32,
    signature: &'static str,
}

#[derive(Serialize)]
struct ShownProblem {
    severity: &'static str,
    path: PathBuf,
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
        let left = "releases that were adopted stay; the same command goes on with the others";
        let report = interruptible(ui, left, || Ok(adopt(&self.www, &mut writer, &options, ui)?))?;
        drop(writer);
        if !report.adopted.is_empty() {
            fresh.keep();
        }
        let is_whole = report.problems.iter().all(|problem| problem.severity() == Severity::Note);
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
                signature: match adopted.signature {
                    SignatureState::Sound => "sound",
                    SignatureState::Unchecked => "not checked",
                    SignatureState::None => "none",
                },
            })
            .collect(),
        problems: report
            .problems
            .iter()
            .map(|problem| ShownProblem {
                severity: match problem.severity() {
                    Severity::Note => "note",
                    Severity::Artifact => "artifact",
                    Severity::Release => "release",
                },
                path: problem.path.clone(),
                problem: problem.to_string(),
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
            let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "{what:10} {}", versions.join(", "));
        }
    }
    let _ = writeln!(text, "stored     {}, {}", count(shown.artifacts, "artifact"), bytes_text(shown.bytes));
    if let Some(generation) = shown.generation {
        let _ = writeln!(text, "pointers   generation {generation}");
    }
    for ShownPointer { path, version, signature } in &shown.pointers {
        let _ = writeln!(text, "  {path} names {version}; signature: {signature}");
    }
    let _ = writeln!(text, "problems   {}", shown.problems.len());
    for problem in &shown.problems {
        let _ = writeln!(text, "  {:8} {}", problem.severity, problem.problem);
    }
    text
}

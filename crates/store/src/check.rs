//! Checking a store: every byte against the index, and everything that the bytes promise to endpoints.
//!
//! | Step | What is held against what |
//! |---|---|
//! | records | the record of each release against its index |
//! | artifacts | size and SHA-256 of each file against the index; then what is inside it (see `content`) |
//! | manifests | each MoM, each bundle manifest it names against its hash, each entry against a fullfile that exists |
//! | signatures | those of each MoM, in its archive and beside it, and the certificates behind them |
//! | pointers | what they name, and their signatures |
//! | strays | files in the public tree that no index names |
//!
//! Nothing is locked and nothing of the store is changed: a server, a build and a collection may run beside. What was
//! collected while it was looked at is no finding. How far a check came stands in `meta/check`, so that an interrupted
//! one can be resumed.
//!
//! Repairing lies in [`repair`].

mod artifacts;
mod finding;
mod journal;
mod manifests;
mod notice;
mod pointers;
mod records;
pub mod repair;
mod strays;
mod trust;

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Mutex;

use clearwell_sign::TrustAnchor;

use crate::fan_out::processors;
use crate::progress::{Meter, Phase, Progress};
use crate::throttle::Throttle;
use crate::{Store, StoreError};
pub use finding::{Finding, FindingKind, Notice, Severity};
use journal::Journal;
use trust::Trust;

/// Choices for [`check`].
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// Threads.
    pub jobs: NonZeroUsize,
    /// Bytes that may be read from disk each second.
    pub bytes_per_second: Option<NonZeroU64>,
    /// Pass over what an interrupted check has found sound already.
    pub resume: bool,
    /// Look into fullfiles, packs and deltas too. Without it their bytes are only compared with the index.
    pub contents: bool,
    /// The certificates that endpoints trust. Where none are given, those that the releases install.
    pub anchors: Vec<TrustAnchor>,
    /// Those to check with where none are given and the releases install none.
    pub fallback_anchors: Vec<TrustAnchor>,
    /// The time certificates must be valid at, in seconds since the epoch.
    pub now: i64,
}

impl CheckOptions {
    /// All of it, on all processors.
    pub fn new(now: i64) -> Self {
        Self {
            jobs: processors(),
            bytes_per_second: None,
            resume: false,
            contents: true,
            anchors: Vec::new(),
            fallback_anchors: Vec::new(),
            now,
        }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// Everything that is wrong, in order of path.
    pub findings: Vec<Finding>,
    /// Releases, and versions of which something is left.
    pub versions: u64,
    /// Artifacts that were read.
    pub artifacts: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Artifacts that an earlier, interrupted check has read.
    pub resumed: u64,
    /// Deltas whose base is nowhere, so that they were not applied.
    pub unapplied: u64,
    /// Signatures that were verified.
    pub signatures: u64,
}

impl CheckReport {
    /// True if endpoints would notice nothing.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity() == Severity::Note)
    }
}

/// Checks everything in the store.
///
/// # Errors
/// [`StoreError::Cancelled`]; or the disk's, where not even a listing can be read. What is wrong with the store is no error
/// but a [`Finding`].
pub fn check(store: &Store, options: &CheckOptions, progress: &dyn Progress) -> Result<CheckReport, StoreError> {
    let mut run = Run {
        store,
        options,
        progress,
        throttle: Throttle::new(options.bytes_per_second),
        large: Mutex::new(()),
        journal: Journal::open(store, options),
        report: CheckReport::default(),
    };
    run.folders();
    if !run.report.findings.is_empty() {
        // Without them nothing else can be said.
        return Ok(run.report);
    }
    run.records()?;
    run.artifacts()?;
    let meter = Meter::begin(progress, Phase::Manifests, 0, 0);
    let trust = Trust::of(store, options);
    run.certificates(&trust);
    run.manifests(&trust, &meter)?;
    progress.go_on()?;
    run.pointers(&trust);
    run.strays()?;
    run.notices();
    meter.finish();
    run.journal.done();
    run.report.findings.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(run.report)
}

/// One check under way.
struct Run<'a> {
    store: &'a Store,
    options: &'a CheckOptions,
    progress: &'a dyn Progress,
    throttle: Throttle,
    large: Mutex<()>,
    journal: Journal<'a>,
    report: CheckReport,
}

impl Run<'_> {
    /// The folders that every store has.
    fn folders(&mut self) {
        let layout = self.store.layout();
        for folder in layout.folders() {
            if !folder.is_dir() {
                self.find(Finding::at(&folder, layout, FindingKind::Missing));
            }
        }
    }

    fn find(&mut self, finding: Finding) {
        self.report.findings.push(finding);
    }
}

//! Checking a store: every byte against the index, and everything that the bytes promise to endpoints.
//!
//! | Step | What is compared with what |
//! |---|---|
//! | records | the record of each release against its index |
//! | artifacts | size and SHA-256 of each file against the index; then what is inside it |
//! | manifests | each MoM, each bundle manifest it names against its hash, each entry against a fullfile that exists |
//! | signatures | those of each MoM, in its archive and in its own file, and the certificates behind them |
//! | pointers | what they name, and their signatures |
//! | strays | files in the public tree that no index names |
//!
//! Nothing is locked and nothing of the store is changed: a server, a build and a collection may run meanwhile. A
//! file that `gc` removed while it was being read is not a finding. The progress of a check is in `meta/check`, so
//! that an interrupted one can be resumed.
//!
//! [`verify`](crate::verify) judges what is wrong with a file; here is the order of the steps, what is reported,
//! how severe it is and which endpoints it affects. [`repair`](crate::repair) recreates files.

mod affected;
mod artifacts;
mod certificates;
mod finding;
mod journal;
mod manifests;
mod pointers;
mod records;
mod strays;

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Mutex;

use clearwell_sign::TrustAnchor;

use crate::fan_out::processors;
use crate::progress::{Meter, Phase, Progress};
use crate::throttle::Throttle;
use crate::verify::{Anchors, Defect, DefectKind};
use crate::{Store, StoreError};
pub use finding::{Affected, Finding, Severity};
use journal::Journal;

/// Choices for [`check`].
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// Threads.
    pub jobs: NonZeroUsize,
    /// Bytes to read from disk per second at most.
    pub bytes_per_second: Option<NonZeroU64>,
    /// Skip what an interrupted check has found sound.
    pub resume: bool,
    /// Look into fullfiles, packs and deltas too. Without it their bytes are only compared with the index.
    pub contents: bool,
    /// The certificates that endpoints trust. If none are given, those that the releases install.
    pub anchors: Vec<TrustAnchor>,
    /// The certificates to use if none are given and the releases install none.
    pub fallback_anchors: Vec<TrustAnchor>,
    /// The time certificates must be valid at, in seconds since the epoch.
    pub now: i64,
}

impl CheckOptions {
    /// A full check, on all processors.
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

/// The outcome of a check.
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
    /// Deltas that were not applied, because the store does not have their base.
    pub unapplied: u64,
    /// Signatures that were verified.
    pub signatures: u64,
}

impl CheckReport {
    /// True if no endpoint is affected.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity() == Severity::Note)
    }
}

/// Checks everything in the store.
///
/// # Errors
/// [`StoreError::Cancelled`], and [`StoreError::Io`] or [`StoreError::NotPermitted`] if a folder cannot be listed. What
/// is wrong with the store is not an error but a [`Finding`].
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
        // Nothing else can be checked without them.
        return Ok(run.report);
    }
    run.records()?;
    run.artifacts()?;
    let meter = Meter::begin(progress, Phase::Manifests, 0, 0);
    let anchors = Anchors::of(store, &options.anchors, &options.fallback_anchors);
    run.certificates(&anchors);
    run.manifests(&anchors, &meter)?;
    progress.go_on()?;
    run.pointers(&anchors);
    run.strays()?;
    run.affected();
    meter.finish();
    run.journal.done();
    run.report.findings.sort_by(|left, right| left.defect.path.cmp(&right.defect.path));
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
                self.find(Defect::of_file(&folder, layout, DefectKind::Missing));
            }
        }
    }

    fn find(&mut self, defect: Defect) {
        self.report.findings.extend(Finding::of(defect));
    }
}

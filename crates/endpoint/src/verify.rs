//! Verifying releases: simulated endpoints install them and update to them.
//!
//! | Check | What is done |
//! |---|---|
//! | pointers | the newest version is read, with its signatures |
//! | install | all bundles are installed into an empty root, then every file is compared again |
//! | signature | `Manifest.MoM.sig` verifies as the signature in the archive does |
//! | update | all bundles of an earlier release are installed and updated |
//! | alone | each bundle with its includes only: every path has its parent directory |
//! | fullfiles | every file that endpoints keep is fetched as a fullfile, as without packs |
//!
//! Everything is checked by an [`Endpoint`], the way endpoints check it.

mod bundles;
mod report;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clearwell_format::{BundleName, Version};
use clearwell_store::progress::{Meter, Progress};

use self::bundles::{fetch_all, installed_manifests, orphans};
pub use self::report::{Check, CheckOutcome, VerifyReport};
use crate::endpoint::Stop;
use crate::problem::Problem;
use crate::source::{Counted, MOST_STRIKES, Source, Strike, Tally};
use crate::{Endpoint, EndpointError, EndpointOptions, ExitCode, Report, Root};

/// What to verify.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// The releases; none means the newest.
    pub versions: Vec<Version>,
    /// Earlier releases to update from.
    pub from: Vec<Version>,
    /// The bundles; none means all.
    pub bundles: Vec<BundleName>,
    /// True to fetch and compare every fullfile.
    pub fullfiles: bool,
    /// The folder for scratch roots; `None` is the system's folder for temporary files. A root needs the disk space of
    /// the installed system, twice that during an installation.
    pub scratch: Option<PathBuf>,
    /// Time limit for everything together; `None` for unlimited.
    pub time_limit: Option<Duration>,
    /// Options of the endpoints. The format is that of the pointers; releases of another format are installed as well.
    pub endpoint: EndpointOptions,
}

impl VerifyOptions {
    /// The newest release of a format, all bundles, everything checked, no update.
    pub const fn new(endpoint: EndpointOptions) -> Self {
        Self {
            versions: Vec::new(),
            from: Vec::new(),
            bundles: Vec::new(),
            fullfiles: true,
            scratch: None,
            time_limit: None,
            endpoint,
        }
    }
}

/// Verifies releases; each check is a phase of progress.
///
/// # Errors
/// [`EndpointError::UnknownRelease`], [`EndpointError::UnknownBundle`] and [`EndpointError::NotEarlier`] for options
/// that name an unknown release or bundle; [`EndpointError::Unresponsive`] and [`EndpointError::TimeLimit`] for a
/// server that stalls; [`EndpointError::Folder`] and the others for faults of this machine. Faults of a release are in
/// the report.
pub async fn verify(
    source: Arc<dyn Source>,
    options: &VerifyOptions,
    progress: &dyn Progress,
) -> Result<VerifyReport, EndpointError> {
    let tally = Arc::new(Tally::default());
    let source = Arc::new(Counted::new(source, Arc::clone(&tally)));
    let stage = Stage { progress, tally: Arc::clone(&tally), meter: RefCell::default() };
    let mut work = pin!(verify_all(source, options, &stage));
    let mut ticks = tokio::time::interval(TICK);
    let mut given_up = pin!(tally.strikes.out());
    let mut late = pin!(async {
        match options.time_limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    });
    let report = loop {
        tokio::select! {
            report = &mut work => break report?,
            () = &mut given_up => break VerifyReport::default(),
            () = &mut late => {
                let seconds = options.time_limit.unwrap_or_default().as_secs();
                return Err(EndpointError::TimeLimit { seconds });
            }
            _ = ticks.tick() => stage.count(),
        }
    };
    stage.end();
    match tally.strikes.last() {
        Some(Strike { url, reason }) => Err(EndpointError::Unresponsive { answers: MOST_STRIKES, url, reason }),
        None => Ok(report),
    }
}

async fn verify_all(
    source: Arc<dyn Source>,
    options: &VerifyOptions,
    stage: &Stage<'_>,
) -> Result<VerifyReport, EndpointError> {
    let mut verifier = Verifier { source, options, stage, report: VerifyReport::default() };
    let versions = match options.versions.as_slice() {
        [] => verifier.pointers().await?.into_iter().collect(),
        given => given.to_vec(),
    };
    if let Some(&to) = versions.iter().max()
        && let Some(&from) = options.from.iter().find(|from| **from >= to)
    {
        return Err(EndpointError::NotEarlier { from, to });
    }
    verifier.refuse_unknown(&versions).await?;
    for version in versions {
        verifier.release(version).await?;
    }
    Ok(verifier.report)
}

/// Progress of the current check.
struct Stage<'p> {
    progress: &'p dyn Progress,
    /// Answers and bytes since the last count.
    tally: Arc<Tally>,
    meter: RefCell<Option<Meter<'p>>>,
}

impl<'p> Stage<'p> {
    fn begin(&self, check: &Check) {
        self.end();
        let (phase, object) = check.phase();
        *self.meter.borrow_mut() = Some(Meter::begin_about(self.progress, phase, object, 0, 0));
    }

    /// Counts what was received: the unit of all checks is an answer.
    fn count(&self) {
        let (answers, bytes) = self.tally.take();
        if let Some(meter) = &*self.meter.borrow() {
            meter.advance(answers, bytes);
        }
    }

    /// The expected number of answers, or a few more.
    fn expect(&self, answers: usize) {
        if let Some(meter) = &*self.meter.borrow() {
            meter.expect(answers as u64, 0);
        }
    }

    fn end(&self) {
        self.count();
        if let Some(meter) = self.meter.borrow_mut().take() {
            meter.finish();
        }
    }
}

struct Verifier<'a, 'p> {
    source: Arc<dyn Source>,
    options: &'a VerifyOptions,
    stage: &'a Stage<'p>,
    report: VerifyReport,
}

impl Verifier<'_, '_> {
    fn simulated(&self) -> Result<Endpoint, EndpointError> {
        Endpoint::open(self.source.clone(), Root::Simulated, self.options.endpoint.clone())
    }

    async fn pointers(&mut self) -> Result<Option<Version>, EndpointError> {
        self.stage.begin(&Check::Pointers);
        let mut endpoint = self.simulated()?;
        let mut run = endpoint.begin();
        let latest = match endpoint.check_trust(&mut run) {
            Ok(()) => endpoint.latest(&mut run).await,
            Err(stop) => Err(stop),
        };
        let (newest, outcome) = match latest {
            Ok(newest) => (newest, Ok(())),
            Err(stop) => (None, Err(stop)),
        };
        let report = endpoint.conclude(run, outcome)?;
        self.report.add(Check::Pointers, report);
        Ok(newest)
    }

    /// Refuses releases and bundles that were named and do not exist. All other faults of a MoM are left to the checks.
    async fn refuse_unknown(&self, versions: &[Version]) -> Result<(), EndpointError> {
        let VerifyOptions { versions: named, from, bundles, .. } = self.options;
        let mut endpoint = self.simulated()?;
        let mut known = BTreeSet::new();
        let asked = if bundles.is_empty() { named } else { versions };
        for version in asked.iter().chain(from) {
            let mut run = endpoint.begin();
            match endpoint.mom(&mut run, *version).await {
                Ok(mom) if versions.contains(version) => known.extend(mom.bundles().map(|entry| entry.bundle.clone())),
                Ok(_) => {}
                Err(Stop::Fault(error)) => return Err(error),
                Err(Stop::Exit(_)) => {
                    let status = run.report.problems.iter().find_map(|problem| match problem {
                        Problem::Fetch { status, .. } => *status,
                        _ => None,
                    });
                    return self.refuse_missing(*version, status).await;
                }
            }
        }
        match bundles.iter().find(|bundle| !known.contains(*bundle)) {
            Some(bundle) => Err(EndpointError::UnknownBundle { bundle: bundle.clone(), known }),
            None => Ok(()),
        }
    }

    /// A release that is not served counts as unknown only if the server serves others. In a folder or a store it is
    /// lost. Status 404 means that it does not exist, other statuses that it is not here yet.
    async fn refuse_missing(&self, version: Version, status: Option<u16>) -> Result<(), EndpointError> {
        if self.source.is_local() || status.is_none() {
            return Ok(());
        }
        let endpoint = self.simulated()?;
        match endpoint.latest(&mut endpoint.begin()).await {
            Ok(Some(newest)) if newest < version || (newest > version && status == Some(404)) => {
                Err(EndpointError::UnknownRelease { version, newest })
            }
            Ok(_) | Err(Stop::Exit(_)) => Ok(()),
            Err(Stop::Fault(error)) => Err(error),
        }
    }

    async fn release(&mut self, version: Version) -> Result<(), EndpointError> {
        let check = Check::Install { version };
        self.stage.begin(&check);
        let folder = self.folder()?;
        let mut endpoint = self.scratch(&folder)?;
        let mut report = self.install(&mut endpoint, version).await?;
        let installed = report.exit_code.is_success();
        if installed {
            let diagnosed = endpoint.diagnose().await?;
            report.exit_code = diagnosed.exit_code;
            report.problems.extend(diagnosed.problems);
            report.faulty = diagnosed.faulty;
        }
        self.report.add(check, report);
        if installed {
            self.signature(&mut endpoint, version).await?;
            self.alone(&mut endpoint, version).await?;
            if self.options.fullfiles {
                self.fullfiles(&mut endpoint, version).await?;
            }
        }
        drop(endpoint);
        drop(folder);
        for from in self.options.from.clone() {
            if from < version {
                self.update(from, version).await?;
            }
        }
        Ok(())
    }

    async fn update(&mut self, from: Version, to: Version) -> Result<(), EndpointError> {
        let check = Check::Update { from, to };
        self.stage.begin(&check);
        let folder = self.folder()?;
        let mut endpoint = self.scratch(&folder)?;
        let before = self.install(&mut endpoint, from).await?;
        if !before.exit_code.is_success() {
            self.report.add(check, before);
            return Ok(());
        }
        self.report.traffic.add(&before.traffic);
        let mut report = endpoint.update(Some(to)).await?;
        if report.exit_code.is_success() {
            if let Some(at) = endpoint.version().filter(|at| *at < to) {
                report.problems.push(Problem::NotReached { from, at, format: endpoint.format(), to });
            }
            let diagnosed = endpoint.diagnose().await?;
            if diagnosed.exit_code != ExitCode::Negative {
                report.exit_code = diagnosed.exit_code;
            }
            report.problems.extend(diagnosed.problems);
            // An update does not install configuration, and diagnose reports it: not a fault of the release.
            report.faulty = diagnosed.faulty;
            report.faulty.retain(|faulty| !faulty.path.class().is_not_updated());
        }
        self.report.add(check, report);
        Ok(())
    }

    /// Installs those of the chosen bundles that the release has.
    async fn install(&self, endpoint: &mut Endpoint, version: Version) -> Result<Report, EndpointError> {
        let mut run = endpoint.begin();
        let mom = match endpoint.mom(&mut run, version).await {
            Ok(mom) => mom,
            Err(stop) => return endpoint.conclude(run, Err(stop)),
        };
        let before = endpoint.conclude(run, Ok(()))?;
        endpoint.state.format = mom.header.format;
        let all = mom.bundles().map(|entry| &entry.bundle);
        let asked = |bundle: &&BundleName| self.options.bundles.is_empty() || self.options.bundles.contains(bundle);
        let bundles: Vec<_> = all.filter(asked).cloned().collect();
        let mut report = endpoint.install(Some(version), &bundles).await?;
        report.traffic.add(&before.traffic);
        Ok(report)
    }

    async fn signature(&mut self, endpoint: &mut Endpoint, version: Version) -> Result<(), EndpointError> {
        if self.options.endpoint.trust.is_none() {
            return Ok(());
        }
        let check = Check::Signature { version };
        self.stage.begin(&check);
        let mut run = endpoint.begin();
        if let Err(problem) = endpoint.signature_beside(&run, version).await {
            run.note(problem);
        }
        let report = endpoint.conclude(run, Ok(()))?;
        self.report.add(check, report);
        Ok(())
    }

    /// Each bundle with its includes: every path must have its parent directory there (manifest §3.4).
    async fn alone(&mut self, endpoint: &mut Endpoint, version: Version) -> Result<(), EndpointError> {
        let check = Check::Alone { version };
        self.stage.begin(&check);
        let mut run = endpoint.begin();
        let outcome = match installed_manifests(endpoint, &mut run, version).await {
            Ok(manifests) => {
                let orphans: Vec<_> = manifests.keys().flat_map(|bundle| orphans(bundle, &manifests)).collect();
                orphans.into_iter().for_each(|orphan| run.note(orphan));
                Ok(())
            }
            Err(stop) => Err(stop),
        };
        let report = endpoint.conclude(run, outcome)?;
        self.report.add(check, report);
        Ok(())
    }

    async fn fullfiles(&mut self, endpoint: &mut Endpoint, version: Version) -> Result<(), EndpointError> {
        let check = Check::Fullfiles { version };
        self.stage.begin(&check);
        let mut run = endpoint.begin();
        let outcome = match installed_manifests(endpoint, &mut run, version).await {
            Ok(manifests) => {
                fetch_all(&mut run, &manifests, self.options.endpoint.parallel_downloads, self.stage).await
            }
            Err(stop) => Err(stop),
        };
        let report = endpoint.conclude(run, outcome)?;
        self.report.add(check, report);
        Ok(())
    }

    fn folder(&self) -> Result<tempfile::TempDir, EndpointError> {
        let parent = self.options.scratch.clone().unwrap_or_else(std::env::temp_dir);
        let mut builder = tempfile::Builder::new();
        builder.prefix("clearwell-verify-");
        builder.tempdir_in(&parent).map_err(EndpointError::folder("create a scratch root in", parent))
    }

    fn scratch(&self, folder: &tempfile::TempDir) -> Result<Endpoint, EndpointError> {
        let options = EndpointOptions { asks_for_latest: false, ..self.options.endpoint.clone() };
        Endpoint::open(self.source.clone(), Root::folder(folder.path()), options)
    }
}

/// Interval of progress.
const TICK: Duration = Duration::from_millis(100);

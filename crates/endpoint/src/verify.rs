//! Verifying releases: what happens to endpoints that install them or update to them.
//!
//! | Check | What is done |
//! |---|---|
//! | pointers | the newest version is learned, with its signatures |
//! | install | all bundles are installed in an empty root, and every file compared once more |
//! | signature | the signature beside the MoM is as good as the one in its archive |
//! | update | all bundles of an earlier release are installed, and updated |
//! | alone | each bundle with its includes only: has every path its folder? |
//! | fullfiles | every file that endpoints keep is fetched alone, as by an endpoint that no pack helped |
//!
//! The first three are what an [`Endpoint`] does; nothing is checked in another way than an endpoint checks it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clearwell_format::{BundleName, EntryPath, FileHash, Resource, Version};
use clearwell_store::fullfiles::OsCore;
use clearwell_store::progress::{Meter, Phase, Progress};
use serde::{Serialize, Serializer};
use tokio::task::JoinSet;

use crate::endpoint::{Run, Stop};
use crate::files::Listed;
use crate::fullfiles::{self, Outcome, fullfile};
use crate::manifests::Loaded;
use crate::pointers::fetch_problem;
use crate::problem::Problem;
use crate::report::shown;
use crate::source::{Counted, MOST_STRIKES, Source, Strike, Tally};
use crate::staging::StageFolder;
use crate::{Endpoint, EndpointError, EndpointOptions, ExitCode, Place, Report, SingleFile, Traffic};

/// What to verify.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// The releases; none means the newest.
    pub versions: Vec<Version>,
    /// Earlier releases to update from.
    pub from: Vec<Version>,
    /// The bundles; none means all.
    pub bundles: Vec<BundleName>,
    /// Whether every fullfile is fetched and compared.
    pub fullfiles: bool,
    /// Where scratch roots are made; `None` is the system's folder for temporary files. A root takes as much room as
    /// the installed system, twice during an installation.
    pub scratch: Option<PathBuf>,
    /// Longest time that everything together may take; `None` is without end.
    pub time_limit: Option<Duration>,
    /// How the endpoints behave. The format is that of the pointers; releases of another format are installed all the
    /// same.
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

/// One thing that was verified.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The pointers and their signatures.
    Pointers,
    /// An installation of all bundles.
    Install {
        /// The release.
        version: Version,
    },
    /// The signature beside the MoM: clients ask for it where the one in the archive fails them (content layout §5).
    Signature {
        /// The release.
        version: Version,
    },
    /// An update of all bundles.
    Update {
        /// The installed release.
        from: Version,
        /// The release.
        to: Version,
    },
    /// Each bundle without the others.
    Alone {
        /// The release.
        version: Version,
    },
    /// Every single file.
    Fullfiles {
        /// The release.
        version: Version,
    },
}

impl Check {
    /// The phase, and what it is about.
    fn phase(&self) -> (Phase, Option<String>) {
        match self {
            Self::Pointers => (Phase::Pointers, None),
            Self::Install { version } => (Phase::Install, Some(version.to_string())),
            Self::Signature { version } => (Phase::Signature, Some(version.to_string())),
            Self::Update { from, to } => (Phase::Update, Some(format!("{from} to {to}"))),
            Self::Alone { version } => (Phase::Bundles, Some(version.to_string())),
            Self::Fullfiles { version } => (Phase::Fullfiles, Some(version.to_string())),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pointers => f.write_str("pointers"),
            Self::Install { version } => write!(f, "install {version}"),
            Self::Signature { version } => write!(f, "signature of {version}"),
            Self::Update { from, to } => write!(f, "update {from} to {to}"),
            Self::Alone { version } => write!(f, "bundles of {version}, each alone"),
            Self::Fullfiles { version } => write!(f, "fullfiles of {version}"),
        }
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        shown(self, serializer)
    }
}

/// How a check went.
#[derive(Clone, Debug, Serialize)]
pub struct CheckOutcome {
    /// What was checked.
    pub check: Check,
    /// What the endpoint did and met. `checked` counts the fullfiles where those were checked.
    pub report: Report,
}

/// How everything went.
#[derive(Clone, Debug, Default, Serialize)]
pub struct VerifyReport {
    /// Each check, in the order they were made.
    pub checks: Vec<CheckOutcome>,
    /// All that went over the wire.
    pub traffic: Traffic,
}

impl VerifyReport {
    /// True if no check met anything wrong and every endpoint ended well. Files that came one by one are not wrong.
    pub fn is_clean(&self) -> bool {
        self.checks.iter().all(|outcome| outcome.report.is_clean())
    }

    /// True if nothing was ever served: no answer, or none with content.
    pub fn is_unanswered(&self) -> bool {
        let gets = self.checks.iter().flat_map(|outcome| &outcome.report.traffic.gets);
        gets.into_iter().all(|((_, status), _)| !matches!(status, 200 | 206))
    }

    /// True if a request got no answer at all, also after its repetitions.
    pub fn lost_the_server(&self) -> bool {
        self.problems().iter().any(|(_, problem)| matches!(problem, Problem::Fetch { status: None, .. }))
    }

    /// Everything that is wrong, each thing once, with the first check that met it. Never empty unless the report is
    /// clean.
    pub fn problems(&self) -> Vec<(&Check, &Problem)> {
        let mut problems: Vec<(&Check, &Problem)> = Vec::new();
        for outcome in &self.checks {
            for problem in &outcome.report.problems {
                if problems.iter().all(|(_, known)| *known != problem) {
                    problems.push((&outcome.check, problem));
                }
            }
        }
        problems
    }

    /// What endpoints would have to fetch file by file, by check.
    pub fn fetched_one_by_one(&self) -> impl Iterator<Item = (&Check, &SingleFile)> {
        self.checks
            .iter()
            .flat_map(|outcome| outcome.report.fetched_one_by_one.iter().map(|file| (&outcome.check, file)))
    }

    fn add(&mut self, check: Check, mut report: Report) {
        report.problems.extend(report.faulty.iter().cloned().map(Problem::Faulty));
        if !report.exit_code.is_success() && report.problems.is_empty() {
            report.problems.push(Problem::Ended(report.exit_code));
        }
        self.traffic.add(&report.traffic);
        self.checks.push(CheckOutcome { check, report });
    }
}

/// Verifies releases; each check is a phase of its own.
///
/// # Errors
/// [`EndpointError::UnknownRelease`], [`EndpointError::UnknownBundle`] and [`EndpointError::NotEarlier`] for options that
/// name what is not there; [`EndpointError::Unresponsive`] and [`EndpointError::TimeLimit`] for a server that holds the
/// endpoint; else for reasons of this machine. What is wrong with a release is in the report.
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

/// The check under way, as its progress is told.
struct Stage<'p> {
    progress: &'p dyn Progress,
    /// What was received since it was last looked at.
    tally: Arc<Tally>,
    meter: RefCell<Option<Meter<'p>>>,
}

impl<'p> Stage<'p> {
    fn begin(&self, check: &Check) {
        self.end();
        let (phase, object) = check.phase();
        *self.meter.borrow_mut() = Some(Meter::begin_about(self.progress, phase, object, 0, 0));
    }

    /// Counts what was received: answers are the things of all checks.
    fn count(&self) {
        let (answers, bytes) = self.tally.take();
        if let Some(meter) = &*self.meter.borrow() {
            meter.advance(answers, bytes);
        }
    }

    /// How many answers the check takes, or a few more.
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
        Endpoint::open(self.source.clone(), Place::Simulated, self.options.endpoint.clone())
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

    /// Refuses releases and bundles that were asked for by name and are not there. Whatever else is wrong with a MoM is
    /// left to the checks.
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

    /// A release that is not served is unknown only to a server that serves others. In a folder or a store it is lost.
    /// 404 says that there is no such release, another status that it is not here yet.
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
            // An update installs no configuration, and diagnosis misses it: no fault of the release.
            report.faulty = diagnosed.faulty;
            report.faulty.retain(|faulty| !faulty.path.class().is_not_updated());
        }
        self.report.add(check, report);
        Ok(())
    }

    /// Installs the bundles in question, as far as the release has them.
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

    /// Each bundle with its includes: every path must have its folder there (manifest §3.4).
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
        Endpoint::open(self.source.clone(), Place::folder(folder.path()), options)
    }
}

type Manifests = BTreeMap<BundleName, Arc<Loaded>>;

async fn installed_manifests(endpoint: &mut Endpoint, run: &mut Run, version: Version) -> Result<Manifests, Stop> {
    let mom = endpoint.mom(run, version).await?;
    endpoint.follow_installed(run, &mom, None).await
}

/// The paths of a bundle whose folder is neither in it nor in what it includes.
fn orphans(bundle: &BundleName, manifests: &Manifests) -> Vec<Problem> {
    let mut together = BTreeSet::from([bundle]);
    let mut waiting = vec![bundle];
    while let Some(loaded) = waiting.pop().and_then(|next| manifests.get(next)) {
        let includes = loaded.manifest.header.includes.iter().filter(|include| manifests.contains_key(*include));
        waiting.extend(includes.filter(|include| together.insert(include)).collect::<Vec<_>>());
    }
    let folders: BTreeSet<&EntryPath> = together
        .iter()
        .filter_map(|name| manifests.get(*name))
        .flat_map(|loaded| loaded.manifest.present())
        .filter(|entry| entry.is_directory())
        .map(|entry| &entry.path)
        .collect();
    let Some(loaded) = manifests.get(bundle) else { return Vec::new() };
    let orphaned = loaded.manifest.present().filter_map(|entry| {
        let parent = entry.path.parent().filter(|parent| !folders.contains(parent))?;
        Some(Problem::NoParent { path: entry.path.clone(), parent })
    });
    orphaned.collect()
}

/// Fetches and compares every file of some bundles, each once.
async fn fetch_all(run: &mut Run, manifests: &Manifests, parallel: usize, stage: &Stage<'_>) -> Result<(), Stop> {
    // By resource: one content may be wanted out of the folders of two versions.
    let mut wanted: BTreeMap<Resource, FileHash> = BTreeMap::new();
    let os_core = OsCore::new(manifests.get(&BundleName::os_core()).map(|loaded| &loaded.manifest));
    for (bundle, loaded) in manifests {
        for entry in loaded.manifest.present().filter(|entry| !os_core.carries(entry)) {
            let listed = Listed { entry: entry.clone(), bundle: bundle.clone() };
            wanted.insert(fullfile(&listed, entry.hash()), entry.hash());
        }
    }
    stage.expect(wanted.len());
    let limit = manifests.values().map(|loaded| loaded.content_limit()).max().unwrap_or_default();
    let mut waiting = wanted.into_iter();
    let mut running = JoinSet::new();
    let mut code = ExitCode::Success;
    loop {
        while running.len() < parallel.max(1) {
            let Some((resource, hash)) = waiting.next() else { break };
            running.spawn(fullfiles::fetch(
                run.fetcher.clone(),
                StageFolder::without_contents(),
                hash,
                resource,
                limit,
            ));
        }
        let Some(done) = running.join_next().await else { break };
        let (_, resource, outcome) = done.map_err(EndpointError::Worker)?;
        run.report.checked += 1;
        let problem = match outcome {
            Outcome::Staged(_, oddities) => {
                oddities.note(&resource, run);
                continue;
            }
            Outcome::NoArchive(reason) => (Problem::Fullfile { resource, reason }, ExitCode::Stage),
            Outcome::OtherFile => {
                (Problem::Fullfile { resource, reason: "its content is another file".into() }, ExitCode::Negative)
            }
            Outcome::Missing(failed) => (fetch_problem(resource, failed), ExitCode::Download),
        };
        run.note(problem.0);
        code = problem.1;
    }
    if code.is_success() { Ok(()) } else { Err(Stop::Exit(code)) }
}

/// How often it is counted what was received.
const TICK: Duration = Duration::from_millis(100);

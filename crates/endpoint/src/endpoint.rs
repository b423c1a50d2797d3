//! The endpoint: its source, the installed system, and its state between operations.
//!
//! ```text
//! FOLDER/root/               the installed system
//! FOLDER/state/endpoint.json installed bundles, version, owners
//! FOLDER/state/manifest/     manifests that were fetched, compared with their hash again when they are used
//! FOLDER/state/staged/       staged files
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use clearwell_format::{BundleName, EntryPath, FormatNumber, Version, pointer};
use clearwell_sign::Trust;

use crate::disk::{Disk, Ownership, Scratch, Simulated};
use crate::fetch::{Fetcher, Retry};
use crate::files::{FileList, Level, consolidate};
use crate::manifests::{Library, Loaded};
use crate::pool::Pool;
use crate::problem::Problem;
use crate::source::Source;
use crate::staging::{StageFolder, Staging};
use crate::state::State;
use crate::{EndpointError, ExitCode, Report};

/// What an endpoint installs into.
#[derive(Clone, Debug)]
pub enum Root {
    /// A folder with the subfolders `root` and `state`.
    Folder {
        /// The folder; created if missing.
        folder: PathBuf,
        /// How owners and modes are kept.
        ownership: Ownership,
    },
    /// Memory: everything is fetched and every hash compared, but only paths and hashes are kept.
    ///
    /// Without files there is nothing to apply a delta to. Deltas of files are read and count as good unless they are
    /// damaged at first sight; to have them applied, use a folder.
    Simulated,
}

impl Root {
    /// A folder, with owners recorded.
    pub fn folder(folder: impl Into<PathBuf>) -> Self {
        Self::Folder { folder: folder.into(), ownership: Ownership::Recorded }
    }
}

/// Options of an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointOptions {
    /// The trusted certificates; `None` checks no signatures, as `--nosigcheck`.
    pub trust: Option<Trust>,
    /// The format of a new endpoint; an existing one keeps its format.
    pub format: FormatNumber,
    /// The processor level, which selects optimised builds.
    pub level: Level,
    /// Retries of requests.
    pub retry: Retry,
    /// True to install optional includes (`also-add:`).
    pub optional_bundles: bool,
    /// True if an update to a given version requests the pointers first, as the stock client does. False for releases
    /// that no pointer names yet.
    pub asks_for_latest: bool,
    /// The time for certificate checks, in Unix seconds; `None` is the clock.
    pub now: Option<i64>,
    /// Bytes of one download that stay in memory; more goes to a temporary file.
    pub memory_per_download: usize,
    /// Number of concurrent fullfile downloads.
    pub parallel_downloads: usize,
    /// Shared with other endpoints of the process, to save memory.
    pub pool: Option<Pool>,
}

impl EndpointOptions {
    /// As a stock client of this format, without a trusted certificate.
    pub const fn new(format: FormatNumber) -> Self {
        Self {
            trust: None,
            format,
            level: Level::Sse,
            retry: Retry::STOCK,
            optional_bundles: true,
            asks_for_latest: true,
            now: None,
            memory_per_download: 4 << 20,
            parallel_downloads: 15,
            pool: None,
        }
    }
}

/// A swupd endpoint: installs, updates and checks a system from a [`Source`].
pub struct Endpoint {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) options: EndpointOptions,
    pub(crate) disk: Disk,
    pub(crate) state: State,
    pub(crate) library: Library,
    pub(crate) staging: Staging,
    /// Packs that were read to their end: bundle, old and new version.
    pub(crate) markers: BTreeSet<(BundleName, Option<Version>, Version)>,
    folder: Option<PathBuf>,
}

impl Endpoint {
    /// Opens the endpoint at a place, or begins a new one.
    ///
    /// # Errors
    /// [`EndpointError::Folder`] and [`EndpointError::State`].
    pub fn open(source: Arc<dyn Source>, place: Root, options: EndpointOptions) -> Result<Self, EndpointError> {
        let markers = BTreeSet::new();
        match place {
            Root::Folder { folder, ownership } => {
                let kept = folder.join("state");
                let stage = StageFolder::create(&kept)?;
                stage.clear()?;
                let (state, ledger) = State::load(&kept, options.format)?;
                Ok(Self {
                    source,
                    options,
                    disk: Disk::Scratch(Scratch::open(&folder.join("root"), ownership, ledger)?),
                    state,
                    library: Library::in_folder(kept.join("manifest")),
                    staging: Staging::new(stage),
                    markers,
                    folder: Some(folder),
                })
            }
            Root::Simulated => Ok(Self {
                source,
                state: State::new(options.format),
                options,
                disk: Disk::Simulated(Simulated::default()),
                library: Library::in_memory(),
                staging: Staging::new(StageFolder::without_contents()),
                markers,
                folder: None,
            }),
        }
    }

    /// Takes content from elsewhere from now on.
    pub fn set_source(&mut self, source: Arc<dyn Source>) {
        self.source = source;
    }

    /// The root of the installed system, if it is in a folder.
    pub fn root(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join("root"))
    }

    /// The installed version: that of `os-release`; for content without it, the version that was installed.
    pub fn version(&self) -> Option<Version> {
        self.version_on_disk().or(self.state.version)
    }

    /// The format it follows.
    pub fn format(&self) -> FormatNumber {
        self.state.format
    }

    /// The installed bundles.
    pub fn bundles(&self) -> impl Iterator<Item = &BundleName> {
        self.state.installed.iter()
    }

    /// `VERSION_ID` of the installed `os-release` (client behaviour §2).
    pub(crate) fn version_on_disk(&self) -> Option<Version> {
        let text =
            [OS_RELEASE, OS_RELEASE_IN_ETC].into_iter().find_map(|path| self.disk.content(&known(path), 64 << 10))?;
        let value =
            text.split(|&byte| byte == b'\n').find_map(|line| line.trim_ascii().strip_prefix(b"VERSION_ID="))?;
        let quotes = |value: &[u8], quote: u8| {
            value.strip_prefix(&[quote]).and_then(|rest| rest.strip_suffix(&[quote])).map(<[u8]>::to_vec)
        };
        let value = quotes(value, b'"').or_else(|| quotes(value, b'\'')).unwrap_or_else(|| value.to_vec());
        pointer::parse(&value)
    }

    /// The format that the installed files say.
    pub(crate) fn format_on_disk(&self) -> Option<FormatNumber> {
        let text = self.disk.content(&known(FORMAT_FILE), 64)?;
        FormatNumber::parse(text.trim_ascii()).ok()
    }

    /// Begins an operation, as a new process of the client would.
    pub(crate) fn begin(&self) -> Run {
        let fetcher = Fetcher::new(self.source.clone(), self.options.retry, self.options.memory_per_download);
        Run { fetcher, report: Report::new(self.version()) }
    }

    /// Ends an operation: keeps what must be remembered and closes the report.
    pub(crate) fn conclude(&mut self, mut run: Run, outcome: Result<(), Stop>) -> Result<Report, EndpointError> {
        run.report.traffic = run.fetcher.take_traffic();
        match outcome {
            Ok(()) => {}
            Err(Stop::Exit(code)) => run.report.exit_code = code,
            Err(Stop::Fault(error)) => return Err(error),
        }
        run.report.to = self.version();
        if let (Some(folder), Disk::Scratch(scratch)) = (&self.folder, &self.disk) {
            self.state.save(&folder.join("state"), &scratch.ledger)?;
        }
        if let (Some(pool), Disk::Simulated(simulated), Some(version)) =
            (&self.options.pool, &mut self.disk, self.state.version)
        {
            pool.share_system(version, &self.state.installed, &mut simulated.files);
        }
        Ok(run.report)
    }

    /// Refuses to start with a certificate that the stock client refuses to start with (client behaviour §6).
    pub(crate) fn check_trust(&self, run: &mut Run) -> Result<(), Stop> {
        let Some(trust) = &self.options.trust else { return Ok(()) };
        match trust.refusals(self.now()).first() {
            None => Ok(()),
            Some(problem) => run.stop(Problem::TrustAnchor { reason: problem.to_string() }, ExitCode::Signature),
        }
    }

    pub(crate) fn now(&self) -> i64 {
        self.options.now.unwrap_or_else(clearwell_store::clock::unix_seconds)
    }

    /// The list of files of some bundles together.
    pub(crate) fn list(&self, manifests: &BTreeMap<BundleName, Arc<Loaded>>, run: &mut Run) -> FileList {
        let manifests = manifests.iter().map(|(name, loaded)| (name, &loaded.manifest));
        consolidate(manifests, &self.state.asked_for, self.options.level, &mut run.report.problems)
    }
}

/// True for the files that the endpoint reads itself.
pub(crate) fn reads(path: &EntryPath) -> bool {
    [OS_RELEASE, OS_RELEASE_IN_ETC, FORMAT_FILE].iter().any(|known| path.as_bytes() == known.as_bytes())
}

fn known(path: &str) -> EntryPath {
    EntryPath::parse(path.as_bytes()).expect("the path is a constant")
}

/// One operation: what the stock client does in one process.
pub(crate) struct Run {
    pub fetcher: Fetcher,
    pub report: Report,
}

impl Run {
    /// Notes a problem and ends the operation.
    pub(crate) fn stop<T>(&mut self, problem: Problem, code: ExitCode) -> Result<T, Stop> {
        self.note(problem);
        Err(Stop::Exit(code))
    }

    pub(crate) fn note(&mut self, problem: Problem) {
        if !self.report.problems.contains(&problem) {
            self.report.problems.push(problem);
        }
    }
}

/// Why an operation ends before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// As the stock client would.
    Exit(ExitCode),
    /// [`EndpointError`] for faults of this machine: folders, options, certificates.
    Fault(EndpointError),
}

impl From<EndpointError> for Stop {
    fn from(error: EndpointError) -> Self {
        Self::Fault(error)
    }
}

/// Runs blocking work outside of the runtime.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, EndpointError> {
    tokio::task::spawn_blocking(work).await.map_err(EndpointError::Worker)
}

const OS_RELEASE: &str = "/usr/lib/os-release";
const OS_RELEASE_IN_ETC: &str = "/etc/os-release";
const FORMAT_FILE: &str = "/usr/share/defaults/swupd/format";

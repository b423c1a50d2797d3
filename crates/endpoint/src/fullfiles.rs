//! Fullfiles: one archive for each file that no pack contained (client behaviour §3 to §5).

use std::collections::{BTreeMap, VecDeque};

use clearwell_format::archive::{ArchiveError, Shape, archive_limit, read_shaped};
use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, Resource};
use tokio::task::JoinSet;

use crate::endpoint::{Endpoint, Run, Stop};
use crate::fetch::{Failed, Fetcher};
use crate::files::Listed;
use crate::packs::ArchiveWarnings;
use crate::pointers::fetch_problem;
use crate::problem::{Problem, reason};
use crate::report::SingleFile;
use crate::source::Target;
use crate::spool::Spool;
use crate::staging::{Object, StageFolder};
use crate::{EndpointError, ExitCode};

impl Endpoint {
    /// Fetches what is not staged: each hash once, ascending, several concurrently.
    ///
    /// Ends the operation if a file cannot be fetched or has another hash than its name. A damaged archive is only
    /// noted: the client notices when it installs the file.
    pub(crate) async fn fullfiles(&mut self, run: &mut Run, files: &[Listed]) -> Result<(), Stop> {
        let mut needed: BTreeMap<FileHash, &Listed> = BTreeMap::new();
        for file in files.iter().filter(|file| !self.staging.contains(&file.entry.hash())) {
            needed.entry(file.entry.hash()).or_insert(file);
        }
        if needed.is_empty() {
            return Ok(());
        }
        run.report.fetched_individually.extend(needed.values().map(|file| SingleFile {
            path: file.entry.path.clone(),
            hash: file.entry.hash(),
            version: file.entry.version,
            bundle: file.bundle.clone(),
        }));
        run.fetcher.head(Target::Root).await;
        let resources: Vec<_> = needed.iter().map(|(hash, file)| (*hash, fullfile(file, *hash))).collect();
        if resources.len() < MOST_HEADS {
            for (_, resource) in &resources {
                if run.fetcher.head(resource.clone().into()).await != Some(200) {
                    break;
                }
            }
        }
        self.fetch_parallel(run, resources.into()).await
    }

    async fn fetch_parallel(&mut self, run: &mut Run, mut waiting: VecDeque<(FileHash, Resource)>) -> Result<(), Stop> {
        let limit = self.library.content_limit();
        let mut running = JoinSet::new();
        let mut most = self.options.parallel_downloads.max(1);
        let (mut missing, tries) = (false, run.fetcher.retries());
        loop {
            // Filled up again when half of the downloads are left, as by the client.
            if running.len() <= most / 2 {
                while running.len() < most {
                    let Some((hash, resource)) = waiting.pop_front() else { break };
                    running.spawn(fetch(run.fetcher.clone(), self.staging.folder.clone(), hash, resource, limit));
                }
            }
            let Some(done) = running.join_next().await else { break };
            let (hash, resource, outcome) = done.map_err(EndpointError::Worker)?;
            if run.fetcher.retries() > tries {
                most = 1;
            }
            match outcome {
                Outcome::Staged(object, warnings) => {
                    self.staging.add(hash, object);
                    warnings.note(&resource, run);
                }
                Outcome::NoArchive(reason) => run.note(Problem::Fullfile { resource, reason }),
                Outcome::OtherFile => {
                    let reason = "the hash of its content differs from its name".into();
                    return run.stop(Problem::Fullfile { resource, reason }, ExitCode::Negative);
                }
                Outcome::Missing(failed) => {
                    run.note(fetch_problem(resource, failed));
                    missing = true;
                }
            }
        }
        if missing { Err(Stop::Exit(ExitCode::Download)) } else { Ok(()) }
    }
}

pub(crate) fn fullfile(file: &Listed, hash: FileHash) -> Resource {
    Resource::of(file.entry.version, Artifact::Fullfile(hash))
}

/// The outcome of one fullfile.
pub(crate) enum Outcome {
    Staged(Object, ArchiveWarnings),
    NoArchive(String),
    OtherFile,
    Missing(Failed),
}

/// Fetches and stages one fullfile whose content has at most `limit` bytes.
pub(crate) async fn fetch(
    fetcher: Fetcher,
    folder: StageFolder,
    hash: FileHash,
    resource: Resource,
    limit: u64,
) -> (FileHash, Resource, Outcome) {
    let outcome = match fetcher.resuming(&resource, archive_limit(limit, 1)).await {
        Err(failed) => Outcome::Missing(failed),
        Ok(spool) => {
            let opened = tokio::task::spawn_blocking(move || open(spool, &folder, hash, limit)).await;
            opened.unwrap_or_else(|error| Outcome::NoArchive(reason(&error)))
        }
    };
    (hash, resource, outcome)
}

/// Takes the one member out of the archive (content layout §4).
fn open(spool: Spool, folder: &StageFolder, hash: FileHash, limit: u64) -> Outcome {
    let mut accepted = None;
    let mut warnings = ArchiveWarnings::default();
    let read = read_shaped::<ArchiveError>(spool.into_reader(), Shape::fullfile(hash, limit), |_, member| {
        warnings.look_at(&member.header);
        accepted = folder.accept(member, hash)?;
        Ok(())
    });
    match (read, accepted) {
        (Ok(()), Some(object)) => Outcome::Staged(object, warnings),
        (Ok(()), None) => Outcome::OtherFile,
        (Err(error), _) => Outcome::NoArchive(reason(&error)),
    }
}

/// With more files, the client asks for no lengths.
const MOST_HEADS: usize = 1000;

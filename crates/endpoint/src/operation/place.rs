//! Installing staged files and removing others (manifest §3.4).

use std::collections::BTreeSet;

use clearwell_format::{EntryPath, FileKind};

use crate::ExitCode;
use crate::disk::{Placed, Removed, WhenFull};
use crate::endpoint::{Endpoint, Run, Stop};
use crate::files::{FileList, Listed};
use crate::fullfiles::{self, Outcome, fullfile};
use crate::pointers::fetch_problem;
use crate::problem::{Problem, reason};

/// The outcome of installing files.
#[derive(Debug, Default)]
pub(super) struct Placement {
    /// Files that could not be installed.
    pub failed: u64,
    /// True if a regular file replaced a directory that was not empty.
    pub left_remains: bool,
}

impl Endpoint {
    /// Checks before any change that every file is staged and has a parent. The first failure ends the operation, with
    /// nothing changed.
    pub(super) fn check_staged(&self, run: &mut Run, files: &[Listed], list: &FileList) -> Result<(), Stop> {
        for file in files {
            if let Some(parent) = self.missing_parent(&file.entry.path, list) {
                let path = file.entry.path.clone();
                return run.stop(Problem::NoParent { path, parent }, ExitCode::Stage);
            }
            if !self.staging.contains(&file.entry.hash()) {
                return run.stop(not_staged(file), ExitCode::Stage);
            }
        }
        Ok(())
    }

    /// Installs files, in the order of their paths.
    pub(super) async fn place(&mut self, run: &mut Run, files: &[Listed], list: &FileList) -> Result<Placement, Stop> {
        let mut placement = Placement::default();
        for file in files {
            match self.place_one(run, file, list).await? {
                Ok(placed) => {
                    run.report.installed += 1;
                    if placed == Placed::OverDirectory {
                        run.note(Problem::DirectoryReplaced { path: file.entry.path.clone() });
                        placement.left_remains |= file.entry.kind() == Some(FileKind::File);
                    }
                }
                Err(problem) => {
                    placement.failed += 1;
                    run.note(problem);
                }
            }
        }
        Ok(placement)
    }

    async fn place_one(
        &mut self,
        run: &mut Run,
        file: &Listed,
        list: &FileList,
    ) -> Result<Result<Placed, Problem>, Stop> {
        let path = &file.entry.path;
        if !self.disk.has_parent(path) {
            if let Some(parent) = self.missing_parent(path, list) {
                return Ok(Err(Problem::NoParent { path: path.clone(), parent }));
            }
            for folder in ancestors(path) {
                let Some(listed) = list.find(&folder) else { continue };
                let is_there = self.disk.look(&folder)?.is(listed.entry.hash());
                if is_there {
                    continue;
                }
                if let Err(problem) = self.fetch_folder(run, listed).await? {
                    return Ok(Err(problem));
                }
                if let Err(problem) = self.put(listed) {
                    return Ok(Err(problem));
                }
            }
        }
        Ok(self.put(file))
    }

    /// A folder that another program removed is fetched as a fullfile.
    async fn fetch_folder(&mut self, run: &mut Run, folder: &Listed) -> Result<Result<(), Problem>, Stop> {
        let hash = folder.entry.hash();
        if self.staging.contains(&hash) {
            return Ok(Ok(()));
        }
        let resource = fullfile(folder, hash);
        let (stage, limit) = (self.staging.folder.clone(), self.library.content_limit());
        let (_, resource, outcome) = fullfiles::fetch(run.fetcher.clone(), stage, hash, resource, limit).await;
        match outcome {
            Outcome::Staged(object, warnings) => {
                self.staging.add(hash, object);
                warnings.note(&resource, run);
                Ok(Ok(()))
            }
            Outcome::NoArchive(reason) => Ok(Err(Problem::Fullfile { resource, reason })),
            Outcome::OtherFile => run.stop(
                Problem::Fullfile { resource, reason: "the hash of its content differs from its name".into() },
                ExitCode::Negative,
            ),
            Outcome::Missing(failed) => Ok(Err(fetch_problem(resource, failed))),
        }
    }

    fn put(&mut self, file: &Listed) -> Result<Placed, Problem> {
        let Some(object) = self.staging.get(&file.entry.hash()) else {
            return Err(not_staged(file));
        };
        let (path, hash) = (&file.entry.path, file.entry.hash());
        self.disk
            .install(path, hash, object, &self.staging.folder)
            .map_err(|error| Problem::Install { path: path.clone(), reason: reason(&error) })
    }

    /// The first folder above a path that is neither listed nor on disk.
    fn missing_parent(&self, path: &EntryPath, list: &FileList) -> Option<EntryPath> {
        if self.disk.has_parent(path) {
            return None;
        }
        let listed =
            |folder: &EntryPath| list.find(folder).is_some_and(|file| file.entry.kind() == Some(FileKind::Directory));
        // A folder exists if an object can be created in it.
        let on_disk = |folder: &EntryPath| {
            let inside = [folder.as_bytes(), b"/x"].concat();
            EntryPath::parse(&inside).is_ok_and(|inside| self.disk.has_parent(&inside))
        };
        ancestors(path).into_iter().find(|folder| !listed(folder) && !on_disk(folder))
    }

    /// Removes paths, the deepest first.
    pub(super) fn remove_all<'a>(
        &mut self,
        run: &mut Run,
        paths: impl IntoIterator<Item = &'a EntryPath>,
        when_full: WhenFull,
    ) -> Result<(), Stop> {
        let paths: BTreeSet<_> = paths.into_iter().collect();
        for path in paths.into_iter().rev() {
            match self.disk.remove(path, when_full)? {
                Removed::Nothing => {}
                Removed::Gone => run.report.removed += 1,
                Removed::MovedAside => {
                    run.report.removed += 1;
                    run.note(Problem::DirectoryNotEmpty { path: path.clone() });
                }
            }
        }
        Ok(())
    }
}

/// The folders above a path, from the root down.
fn ancestors(path: &EntryPath) -> Vec<EntryPath> {
    let mut folders: Vec<_> = std::iter::successors(path.parent(), EntryPath::parent).collect();
    folders.reverse();
    folders
}

fn not_staged(file: &Listed) -> Problem {
    Problem::Install { path: file.entry.path.clone(), reason: "its content could not be had".into() }
}

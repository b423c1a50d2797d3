//! Version, previous version and format of a release: from the options, else from `clearwell.toml`, the workspace and the
//! store.
//!
//! A build continues the history of its store. A workspace that would begin another history, and a release that would
//! leave a format bump unfinished, are refused here, before a tree is read. The guard checks every release by the same
//! rules.

use std::path::Path;

use clearwell_format::{FormatNumber, Version};
use clearwell_generate::bump::{Destination, FirstHalf, FormatBump};
use clearwell_generate::guard::Rule;
use clearwell_generate::inputs::{Release, following};
use clearwell_generate::source::mix::{PreviousVersion, Workspace};
use clearwell_store::{ReleaseState, Store};

use super::Build;
use super::source::Source;
use crate::config::MixConfig;
use crate::error::CliError;
use crate::exit::Exit;
use crate::signing::unix_now;

impl Build {
    pub(super) fn numbers(&self, config: &MixConfig, source: &Source, store: &Store) -> Result<Release, CliError> {
        let (version, previous, format) = match self.bump() {
            Some(FormatBump::New) => self.second_half(source, store)?,
            _ => self.ordinary(config, source, store)?,
        };
        let timestamp = self.timestamp.unwrap_or_else(unix_now);
        Ok(Release { version, previous, format, min_version: self.min_version, timestamp })
    }

    pub(super) fn bump(&self) -> Option<FormatBump> {
        self.format_bump.map(Into::into)
    }

    /// An ordinary release, or the first half of a format bump.
    fn ordinary(
        &self,
        config: &MixConfig,
        source: &Source,
        store: &Store,
    ) -> Result<(Version, Option<Version>, FormatNumber), CliError> {
        let newest = store.latest_version()?;
        let last = last_released(store, newest)?;
        let lost = store.last_published()?;
        let version = match (self.version, source) {
            (Some(version), _) => version,
            (None, Source::Mix(workspace)) => workspace.version,
            (None, Source::Trees(_)) => match last {
                Some(last) => next_version(lost.map_or(last, |lost| last.max(lost)))?,
                None => Version::new(10).expect("in range"),
            },
        };
        check_lost(version, lost)?;
        self.check_bump_is_finished(version, store)?;
        let mut previous = match (self.previous, source) {
            (Some(typed), _) => typed_version(typed)?,
            (None, Source::Mix(workspace)) => workspace.previous.version,
            (None, Source::Trees(_)) => last,
        };
        if self.previous.is_none() {
            if let Some(lost) = newest.filter(|newest| previous == Some(*newest) && !store.has_release(*newest)) {
                return Err(lost_record(lost, store));
            }
            match source {
                // A staged release of this version is built again; it is not its own previous release.
                _ if store.has_release(version) => {
                    if previous == Some(version) {
                        previous = store.record(version)?.previous;
                    }
                }
                Source::Mix(workspace) => {
                    let has = |version| store.has_release(version);
                    check_adopted(workspace, version, store.root(), has, store.releases()?.is_empty())?;
                    check_newest(workspace, version, last)?;
                }
                Source::Trees(_) => {}
            }
        }
        let before = match previous.filter(|previous| store.has_release(*previous)) {
            Some(previous) => Some((previous, store.record(previous)?.format)),
            None => None,
        };
        let of_config = config.format.and_then(FormatNumber::new);
        let of_workspace = match source {
            Source::Mix(workspace) => workspace.format,
            Source::Trees(_) => None,
        };
        let of_before = before.map(|(_, format)| format);
        let format = match (self.bump(), self.format, of_before) {
            (Some(_), Some(typed), Some(format)) if typed != format => {
                return Err(CliError::usage(format!(
                    "the first half of a format bump stays in format {format} of the previous release; leave out --format, \
                     and give the new format with --next-format"
                )));
            }
            (Some(_), _, Some(format)) => format,
            (_, typed, _) => {
                typed.or(of_config).or(of_workspace).or(of_before).unwrap_or(FormatNumber::new(30).expect("not zero"))
            }
        };
        if let Some((previous, newer)) = before.filter(|(_, before)| *before > format) {
            let said = match (self.format, of_config) {
                (Some(_), _) => "--format asks for",
                (None, Some(_)) => "the configuration file asks for",
                (None, None) => "the workspace asks for",
            };
            return Err(CliError::plain(
                Exit::Version,
                format!(
                    "{said} format {format}, but the previous release {previous} has format {newer}; use format {newer}"
                ),
            ));
        }
        Ok((version, previous, format))
    }

    /// Refuses another release between the two halves of a format bump: endpoints on the first half look for the second.
    fn check_bump_is_finished(&self, version: Version, store: &Store) -> Result<(), CliError> {
        let Some(first) = FirstHalf::pending(store)?.filter(|first| first.version < version) else {
            return Ok(());
        };
        if self.allowed.rules().contains(&Rule::FormatBoundary) {
            return Ok(());
        }
        let is_staged = store.state(first.version)? == ReleaseState::Staged;
        let drop = if is_staged { ", or drop the first half with discard" } else { "" };
        Err(CliError::plain(
            Exit::Guard,
            format!(
                "release {} is the first half of a format bump; endpoints on it look for version {} in format {}: release \
                 that first with --format-bump new{drop}; --allow {} leaves these endpoints behind",
                first.version,
                first.next_version,
                first.next_format,
                Rule::FormatBoundary,
            ),
        ))
    }

    /// The warning after publishing a second half whose first half no pointer names.
    pub(super) fn endpoints_left_behind(store: &Store) -> Result<Option<String>, CliError> {
        let Some(first) = FirstHalf::to_follow(store)? else { return Ok(None) };
        let latest = store.latest(first.format)?;
        if latest.is_none_or(|latest| latest >= first.version) {
            return Ok(None);
        }
        let again = if store.state(first.version)? == ReleaseState::Retracted { " --again" } else { "" };
        Ok(Some(format!(
            "endpoints in format {} cannot reach format {}: release {}, the first half, is {}; publish it with \"clearwell \
             publish {}{again}\"",
            first.format,
            first.next_format,
            first.version,
            store.state(first.version)?.word(),
            first.version,
        )))
    }

    fn second_half(
        &self,
        source: &Source,
        store: &Store,
    ) -> Result<(Version, Option<Version>, FormatNumber), CliError> {
        if self.next_format.is_some() {
            return Err(CliError::usage(
                "--next-format belongs to --format-bump old; the first half decides the format of the second",
            ));
        }
        if self.min_version.is_some() {
            return Err(CliError::usage("--format-bump new releases everything again; leave out --min-version"));
        }
        let refuse = |message: String| Err(CliError::plain(Exit::Version, message));
        let Some(first) = FirstHalf::to_follow(store)? else {
            return refuse(no_first_half());
        };
        let FirstHalf { version, next_version, next_format, .. } = first;
        check_lost(next_version, store.last_published()?)?;
        if store.latest(next_format)?.is_some_and(|latest| latest >= next_version) {
            return refuse(format!(
                "release {next_version}, the second half of {version}, is already published; begin another format bump \
                 with --format-bump old"
            ));
        }
        let (said, by) = match (self.version, source) {
            (None, Source::Mix(workspace)) if workspace.version != version => (Some(workspace.version), "mixversion"),
            (typed, _) => (typed, "--version"),
        };
        if let Some(said) = said.filter(|said| *said != next_version) {
            return refuse(format!(
                "{by} says {said}, but endpoints on release {version} report version {next_version}; build version \
                 {next_version}"
            ));
        }
        if let Some(typed) = self.format.filter(|typed| *typed != next_format) {
            return refuse(format!(
                "--format says {typed}, but endpoints on release {version} look for updates in format {next_format}; \
                 leave out --format"
            ));
        }
        let previous = match self.previous {
            Some(typed) => typed_version(typed)?,
            None => Some(first.previous.filter(|previous| store.has_release(*previous)).unwrap_or(version)),
        };
        Ok((next_version, previous, next_format))
    }

    /// The format of the second half if the content does not name it.
    pub(super) fn next_format(&self, release: &Release) -> Result<FormatNumber, CliError> {
        let above = release.format.number().checked_add(1).and_then(FormatNumber::new);
        match self.next_format.or(above) {
            Some(next) if next > release.format => Ok(next),
            Some(next) => Err(CliError::usage(format!(
                "--next-format {next} is not above {}, the format of the first half; use a higher number",
                release.format
            ))),
            None => Err(CliError::usage("format 65535 is the highest; no format bump is possible")),
        }
    }

    /// The format and version of the second half, as the content of the first half announces them.
    pub(super) fn destination(
        &self,
        release: &Release,
        said: Option<Destination>,
        store: &Store,
    ) -> Result<(FormatNumber, Version), CliError> {
        let mut next = (self.next_format(release)?, next_version(release.version)?);
        if let Some(said) = said {
            let typed_otherwise = self.next_format.is_some_and(|typed| typed != said.format);
            let leads_on = said.format > release.format && !typed_otherwise;
            next = match said.version.filter(|version| leads_on && *version > release.version) {
                Some(version) => (said.format, version),
                None => {
                    let version = said.version.map_or_else(|| "none".to_owned(), |version| version.to_string());
                    return Err(CliError::plain(
                        Exit::Input,
                        format!(
                            "the content of {} names format {} and version {version}, so its endpoints would not continue \
                             in format {}; build the bundles with format and version of the second half",
                            release.version, said.format, next.0
                        ),
                    ));
                }
            };
        }
        if store.has_release(next.1) {
            return Err(CliError::plain(
                Exit::Version,
                format!(
                    "version {}, which endpoints on {} would look for, exists already; use a higher version",
                    next.1, release.version
                ),
            ));
        }
        Ok(next)
    }
}

/// Refuses a version that may be another release to endpoints: the store was restored from a backup that did not have it.
fn check_lost(version: Version, lost: Option<Version>) -> Result<(), CliError> {
    match lost.filter(|lost| version <= *lost) {
        None => Ok(()),
        Some(lost) => Err(CliError::plain(
            Exit::Version,
            format!(
                "the store was restored from a backup, and endpoints may have releases up to {lost} that it does not have; \
                 version {version} could be one of them: use a version above {lost}, in mixversion or with --version"
            ),
        )),
    }
}

/// The version after this one.
pub(super) fn next_version(version: Version) -> Result<Version, CliError> {
    following(version).ok_or_else(|| {
        CliError::plain(Exit::Version, format!("no version 10 above {version} is possible; 2147483647 is the highest"))
    })
}

/// A second half without a first.
pub(super) fn no_first_half() -> String {
    "the first half of the format bump has not been built; build it with --format-bump old".to_owned()
}

/// A version, or 0 for none.
fn typed_version(number: u32) -> Result<Option<Version>, CliError> {
    match (number, Version::new(number)) {
        (0, _) => Ok(None),
        (_, None) => Err(CliError::usage(format!("--previous {number} is not a version; use 0 to 2147483647"))),
        (_, version) => Ok(version),
    }
}

/// Refuses a workspace whose history is not in the store: the build would begin another one. `has` says which releases the
/// store has; `is_first` is true before its first release.
pub(super) fn check_adopted(
    workspace: &Workspace,
    version: Version,
    store: &Path,
    has: impl Fn(Version) -> bool,
    is_first: bool,
) -> Result<(), CliError> {
    let PreviousVersion { version: previous, file } = &workspace.previous;
    let missing = match previous {
        Some(previous) if *previous >= version => {
            let message = format!(
                "{} names {previous} as the previous version, and {version} is not above it; use a higher version, in \
                 mixversion or with --version",
                file.display()
            );
            return Err(CliError::plain(Exit::Version, message));
        }
        Some(previous) => (!has(*previous)).then_some(*previous),
        None if is_first => workspace.released_before(version)?,
        None => None,
    };
    match missing {
        None => Ok(()),
        Some(missing) => Err(CliError::plain(
            Exit::Store,
            format!(
                "the workspace builds on version {missing}, which {} does not have; adopt its releases first with \
                 \"clearwell adopt {} --store {}\", or name the previous version with --previous, 0 for none",
                store.display(),
                workspace.www().display(),
                store.display()
            ),
        )),
    }
}

/// Refuses a workspace that is older than its store: the build would go back to an earlier release, or begin another
/// history.
fn check_newest(workspace: &Workspace, version: Version, last: Option<Version>) -> Result<(), CliError> {
    let PreviousVersion { version: previous, file } = &workspace.previous;
    let Some(last) = last.filter(|last| *previous < Some(*last) && *last < version) else {
        return Ok(());
    };
    let file = file.display();
    let message = match previous {
        Some(previous) => format!(
            "{file} names {previous} as the previous version, but the last release in the store is {last}; build on that \
             one with --previous {last}, or on the older one with --previous {previous}"
        ),
        None => format!(
            "{file} names no previous version, but the last release in the store is {last}; build on that one with \
             --previous {last}, or begin another history in a new store (in this one: --previous 0 --allow {})",
            Rule::SecondHistory
        ),
    };
    Err(CliError::plain(Exit::Version, message))
}

fn lost_record(lost: Version, store: &Store) -> CliError {
    CliError::plain(
        Exit::Store,
        format!(
            "the pointers name release {lost}, but its record {} is missing; restore it from a backup, or name the \
             previous version with --previous",
            store.layout().record(lost).display()
        ),
    )
}

/// The release to build on: the one that pointers name, or a retracted one above it. Endpoints may be on the retracted
/// one, and only a release built on it tells them what to delete.
fn last_released(store: &Store, newest: Option<Version>) -> Result<Option<Version>, CliError> {
    for version in store.releases()?.into_iter().rev().take_while(|version| Some(*version) > newest) {
        if newest.is_some() && store.record(version)?.retracted.is_some() {
            return Ok(Some(version));
        }
    }
    Ok(newest)
}

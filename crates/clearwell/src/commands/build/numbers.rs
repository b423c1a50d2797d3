//! The numbers of a release: what is typed, then what `clearwell.toml`, the workspace and the store say.
//!
//! A build continues the history of its store. A workspace that would begin another, and a release that would leave a
//! format bump half done, are refused here, before a tree is read. The guard holds every release against the same rules.

use std::path::Path;

use clearwell_format::{FormatNumber, Version};
use clearwell_generate::bump::{Destination, FirstHalf, FormatBump};
use clearwell_generate::guard::Rule;
use clearwell_generate::inputs::{Release, following};
use clearwell_generate::source::mix::{PreviousVersion, Workspace};
use clearwell_store::{ReleaseState, Store};

use super::{Build, Source};
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
        let version = match (self.version, source) {
            (Some(version), _) => version,
            (None, Source::Mix(workspace)) => workspace.version,
            (None, Source::Trees(_)) => match last {
                Some(last) => next_version(last)?,
                None => Version::new(10).expect("in range"),
            },
        };
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
                // The build itself tells whether this version is there to be continued; its own release is not the one
                // before.
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
                    "the first half of a format bump is in format {format}, that of the release before: leave out \
                     --format, and name the new format with --next-format"
                )));
            }
            (Some(_), _, Some(format)) => format,
            (_, typed, _) => {
                typed.or(of_config).or(of_workspace).or(of_before).unwrap_or(FormatNumber::new(30).expect("not zero"))
            }
        };
        if let Some((previous, newer)) = before.filter(|(_, before)| *before > format) {
            let said = match (self.format, of_config) {
                (Some(_), _) => "--format says",
                (None, Some(_)) => "the configuration file says",
                (None, None) => "the workspace says",
            };
            return Err(CliError::plain(
                Exit::Version,
                format!(
                    "{said} format {format}, and release {previous} before it is in format {newer}: make it {newer}"
                ),
            ));
        }
        Ok((version, previous, format))
    }

    /// Endpoints on a first half look for its second.
    fn check_bump_is_finished(&self, version: Version, store: &Store) -> Result<(), CliError> {
        let Some(first) = FirstHalf::pending(store)?.filter(|first| first.version < version) else {
            return Ok(());
        };
        if self.allowed.rules().contains(&Rule::FormatBoundary) {
            return Ok(());
        }
        let is_staged = store.state(first.version)? == ReleaseState::Staged;
        let drop = if is_staged { ", or discard it, as it is not published" } else { "" };
        Err(CliError::plain(
            Exit::Guard,
            format!(
                "release {} is the first half of a format bump: endpoints that take it look for version {} in format \
                 {}; release that first, with --format-bump new{drop}; --allow {} leaves them behind",
                first.version,
                first.next_version,
                first.next_format,
                Rule::FormatBoundary,
            ),
        ))
    }

    /// What a second half that is published means for endpoints whose pointer does not name the first.
    pub(super) fn not_led_across(store: &Store) -> Result<Option<String>, CliError> {
        let Some(first) = FirstHalf::to_follow(store)? else { return Ok(None) };
        let latest = store.latest(first.format)?;
        if latest.is_none_or(|latest| latest >= first.version) {
            return Ok(None);
        }
        let again = if store.state(first.version)? == ReleaseState::Retracted { " --again" } else { "" };
        Ok(Some(format!(
            "endpoints of format {} do not come to format {}: release {}, the first half, is {}; \"clearwell publish {}{again}\" \
             leads them",
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
            return Err(CliError::usage("--next-format belongs to --format-bump old; the second half has that format"));
        }
        if self.min_version.is_some() {
            return Err(CliError::usage("--format-bump new releases everything again: leave out --min-version"));
        }
        let refuse = |message: String| Err(CliError::plain(Exit::Version, message));
        let Some(first) = FirstHalf::to_follow(store)? else {
            return refuse(no_first_half());
        };
        let FirstHalf { version, next_version, next_format, .. } = first;
        if store.latest(next_format)?.is_some_and(|latest| latest >= next_version) {
            return refuse(format!(
                "release {next_version}, the second half of {version}, is published: begin another format bump with \
                 --format-bump old"
            ));
        }
        let (said, by) = match (self.version, source) {
            (None, Source::Mix(workspace)) if workspace.version != version => (Some(workspace.version), "mixversion"),
            (typed, _) => (typed, "--version"),
        };
        if let Some(said) = said.filter(|said| *said != next_version) {
            return refuse(format!(
                "{by} says {said}, and endpoints on release {version} take themselves for {next_version}: release that"
            ));
        }
        if let Some(typed) = self.format.filter(|typed| *typed != next_format) {
            return refuse(format!(
                "--format says {typed}, and endpoints on release {version} look for updates in format {next_format}: \
                 release that"
            ));
        }
        let previous = match self.previous {
            Some(typed) => typed_version(typed)?,
            None => Some(first.previous.filter(|previous| store.has_release(*previous)).unwrap_or(version)),
        };
        Ok((next_version, previous, next_format))
    }

    /// The format that the second half will have where the content does not say it.
    pub(super) fn next_format(&self, release: &Release) -> Result<FormatNumber, CliError> {
        let above = release.format.number().checked_add(1).and_then(FormatNumber::new);
        match self.next_format.or(above) {
            Some(next) if next > release.format => Ok(next),
            Some(next) => Err(CliError::usage(format!(
                "--next-format {next} is not above {}, the format of the first half",
                release.format
            ))),
            None => Err(CliError::usage("no format is left above this one")),
        }
    }

    /// Where the content of a first half leads: to a format and a version that can be released after it.
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
                            "the content of {} says format {} and version {version}, so its endpoints would not go on \
                             in format {}: build the bundles with the format and the version of the second half",
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
                    "version {}, which endpoints on {} would look for, exists: choose a higher one",
                    next.1, release.version
                ),
            ));
        }
        Ok(next)
    }
}

/// The version after this one.
pub(super) fn next_version(version: Version) -> Result<Version, CliError> {
    following(version).ok_or_else(|| CliError::plain(Exit::Version, format!("no version is left ten above {version}")))
}

/// A second half without a first.
pub(super) fn no_first_half() -> String {
    "the first half of the format bump has not been built; build it with --format-bump old".to_owned()
}

/// A version, or 0 for none.
fn typed_version(number: u32) -> Result<Option<Version>, CliError> {
    match (number, Version::new(number)) {
        (0, _) => Ok(None),
        (_, None) => Err(CliError::usage(format!("--previous {number} is not a version"))),
        (_, version) => Ok(version),
    }
}

/// A workspace whose history the store does not have would begin another one. `has` tells what the store has, and
/// nothing is there before its first release.
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
                "{} names {previous} as the version before, and {version} is not above it: choose a higher one, in \
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
                "the workspace builds on version {missing}, which {} does not have: take its releases over first, with \
                 \"clearwell adopt {} --store {}\"; or name the release to build on with --previous, 0 for none",
                store.display(),
                workspace.www().display(),
                store.display()
            ),
        )),
    }
}

/// A workspace that was left behind by its store would go back to an earlier release, or begin another history.
fn check_newest(workspace: &Workspace, version: Version, last: Option<Version>) -> Result<(), CliError> {
    let PreviousVersion { version: previous, file } = &workspace.previous;
    let Some(last) = last.filter(|last| *previous < Some(*last) && *last < version) else {
        return Ok(());
    };
    let file = file.display();
    let message = match previous {
        Some(previous) => format!(
            "{file} names {previous} as the version before, and the store's last release is {last}: build on that one \
             with --previous {last}, or on the older one with --previous {previous}"
        ),
        None => format!(
            "{file} names no version before, and the store's last release is {last}: build on that one with --previous \
             {last}, or begin another history in a store of its own (in this one: --previous 0 --allow {})",
            Rule::SecondHistory
        ),
    };
    Err(CliError::plain(Exit::Version, message))
}

fn lost_record(lost: Version, store: &Store) -> CliError {
    CliError::plain(
        Exit::Store,
        format!(
            "the pointers name release {lost}, but its record {} is missing: restore it from a backup, or name the \
             release to build on with --previous",
            store.layout().record(lost).display()
        ),
    )
}

/// The release to build on: what pointers name, or one above it that was taken back. Endpoints may be on that one, and
/// only a release built on it tells them what to delete.
fn last_released(store: &Store, newest: Option<Version>) -> Result<Option<Version>, CliError> {
    for version in store.releases()?.into_iter().rev().take_while(|version| Some(*version) > newest) {
        if newest.is_some() && store.record(version)?.retracted.is_some() {
            return Ok(Some(version));
        }
    }
    Ok(newest)
}

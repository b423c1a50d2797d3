//! Discarding what was never published: a staged release, or the draft of an interrupted build.
//!
//! ```text
//! 1  meta/staging/30/draft.json                             from here on it is a draft, also for the next writer
//! 2  meta/releases/30.json -> meta/staging/30/discarded     the release does not exist from here on
//! 3  a new generation of the same pointers                  readers forget its index
//! 4  content/30, then meta/index/30 -> meta/staging/30
//! 5  meta/staging/30 is removed
//! ```
//!
//! A writer that is stopped after step 2 leaves a draft that no build continues; the next build, collection or the same
//! command removes it. Packs that the release's build added to older releases stay: they lead from one older release to
//! another.

use std::fmt;

use clearwell_format::Version;
use clearwell_format::resource::Pointer;

use crate::draft::DraftNote;
use crate::pointers;
use crate::{Begun, Counts, ReleaseState, Store, StoreError, Writer};

/// What was discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discarded {
    /// A staged release with its artifacts.
    Release(Counts),
    /// What an interrupted build or an interrupted discard had left.
    Draft,
}

/// Why a release cannot be discarded or built again. Its text completes "release 30 …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscardRefusal {
    /// Endpoints may have it.
    Published,
    /// Endpoints may have it, though no pointer names it.
    Retracted,
    /// Endpoints that follow the staging channel may have it.
    InChannel,
    /// It was collected: what is left of it is needed by other releases.
    Collected,
    /// A later release was built on it.
    BuiltOn {
        /// That release.
        by: Version,
    },
    /// A later release has files or manifests of it.
    NeededBy {
        /// That release.
        by: Version,
    },
}

impl fmt::Display for DiscardRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published => f.write_str(
                "was published, so endpoints may have it; \"clearwell retract\" moves the pointers back, \"clearwell gc\" \
                 removes what is not needed any more",
            ),
            Self::Retracted => f.write_str(
                "was published before it was retracted, so endpoints may have it; \"clearwell gc\" removes it once it is not \
                 needed any more",
            ),
            Self::InChannel => f.write_str(
                "was in the staging channel, so endpoints that follow it may have it; \"clearwell retract\" moves the channel \
                 back, \"clearwell gc\" removes what is not needed any more",
            ),
            Self::Collected => f.write_str("was removed by gc, and its remaining files are needed by kept releases"),
            Self::BuiltOn { by } => write!(f, "is the previous release of {by}; discard that one first, if it is staged"),
            Self::NeededBy { by } => {
                write!(f, "has files that release {by} needs; discard that one first, if it is staged")
            }
        }
    }
}

impl Store {
    /// Why a version cannot be discarded; `None` for a staged release that nothing needs.
    ///
    /// # Errors
    /// [`StoreError::UnknownVersion`], and the errors of [`Store::mom`] and [`Store::bundle_manifest`] for later
    /// releases.
    pub fn discard_refusal(&self, version: Version) -> Result<Option<DiscardRefusal>, StoreError> {
        if !self.has_release(version) && self.has_content(version) {
            return Ok(Some(DiscardRefusal::Collected));
        }
        match self.state(version)? {
            ReleaseState::Published => return Ok(Some(DiscardRefusal::Published)),
            ReleaseState::Retracted => return Ok(Some(DiscardRefusal::Retracted)),
            ReleaseState::Staged => {}
        }
        let of_channel = pointers::load_to_replace(self.layout())?.version(Pointer::Staging);
        if of_channel == Some(version) || self.record(version)?.channel.is_some() {
            return Ok(Some(DiscardRefusal::InChannel));
        }
        for by in self.contents()?.into_iter().filter(|by| *by > version) {
            if self.record_or_remnant(by)?.previous == Some(version) {
                return Ok(Some(DiscardRefusal::BuiltOn { by }));
            }
            if self.needs(by, version)? {
                return Ok(Some(DiscardRefusal::NeededBy { by }));
            }
        }
        Ok(None)
    }

    /// True if the MoM of a later version names a manifest in the folder of `version`, or a manifest that it names an
    /// object there.
    fn needs(&self, later: Version, version: Version) -> Result<bool, StoreError> {
        let mom = match self.mom(later) {
            // Of what was collected, other manifests may be left than the MoM.
            Err(StoreError::NoSuchResource(_)) if !self.has_release(later) => return Ok(false),
            other => other?,
        };
        if mom.bundles().any(|entry| entry.version == version) {
            return Ok(true);
        }
        if !self.has_release(later) {
            return Ok(false);
        }
        for entry in mom.bundles().filter(|entry| entry.version > version) {
            if self.bundle_manifest(entry)?.present().any(|entry| entry.version == version) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Writer {
    /// Drops a staged release, or the draft of an interrupted build of a version that is not released.
    ///
    /// # Errors
    /// [`StoreError::NotDiscardable`] if endpoints or other releases may need it, [`StoreError::UnknownVersion`] if
    /// there is nothing to drop, or a [disk error](StoreError#disk-errors) when a file cannot be moved or removed.
    /// After an error the release is whole, or it is gone and the next writer removes what is left.
    pub fn discard(&mut self, version: Version) -> Result<Discarded, StoreError> {
        let store = self.store().clone();
        let (layout, disk) = (store.layout(), store.disk());
        let folder = layout.draft(version);
        if !store.has_content(version) {
            if !folder.is_dir() {
                return Err(StoreError::UnknownVersion { version });
            }
            disk.remove(&folder)?;
            return Ok(Discarded::Draft);
        }
        if let Some(reason) = store.discard_refusal(version)? {
            return Err(StoreError::NotDiscardable { version, reason });
        }
        let counts = store.record(version)?.total();
        store.with_room(|| {
            disk.remove(&folder)?;
            disk.create_folder(&folder)?;
            DraftNote::of_new(version, &Begun::from("")).write(&folder, disk)?;
            disk.sync_folder(&folder)?;
            disk.sync_folder(&layout.staging())
        })?;
        disk.rename(&layout.record(version), &folder.join("discarded"))?;
        disk.sync_folder(&layout.records())?;
        let told = store.with_room(|| pointers::renew(layout, disk));
        let is_full = matches!(told, Err(StoreError::NoSpace { .. }));
        if !is_full {
            told?;
        }
        disk.rename(&layout.release_folder(version), &folder.join("content"))?;
        disk.sync_folder(&layout.content())?;
        disk.rename(&layout.index(version), &folder.join("index"))?;
        disk.sync_folder(&layout.indexes())?;
        store.refresh();
        disk.remove(&folder)?;
        // There was no room to tell readers before; now there is.
        if is_full {
            pointers::renew(layout, disk)?;
        }
        Ok(Discarded::Release(counts))
    }
}

//! `draft.json`: what a draft is of, so that the next run knows whether it may continue it.

use std::path::Path;

use clearwell_format::Version;
use serde::{Deserialize, Serialize};

use crate::disk::Disk;
use crate::{Store, StoreError, regular};

/// What a release that is not finished was begun with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// What decides its bytes: only with the same one a draft is continued.
    pub fingerprint: String,
    /// The timestamp that its inputs were given, in seconds since the epoch; `None` if they bring their own.
    pub timestamp: Option<i64>,
}

impl From<&str> for Begun {
    /// Of inputs that bring their own timestamp.
    fn from(fingerprint: &str) -> Self {
        Self { fingerprint: fingerprint.to_owned(), timestamp: None }
    }
}

impl Store {
    /// What the draft of a version was begun with; `None` if there is no draft. Another writer may be working on it.
    pub fn begun(&self, version: Version) -> Option<Begun> {
        let DraftNote { fingerprint, timestamp, extends, .. } = DraftNote::read(&self.layout().draft(version))?;
        (!extends).then_some(Begun { fingerprint, timestamp })
    }
}

/// The note in a draft's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DraftNote {
    #[serde(with = "crate::record::json::version")]
    version: Version,
    fingerprint: String,
    #[serde(default)]
    timestamp: Option<i64>,
    /// True for artifacts that are added to a release.
    pub(crate) extends: bool,
}

impl DraftNote {
    pub(crate) fn of_new(version: Version, begun: &Begun) -> Self {
        let Begun { fingerprint, timestamp } = begun.clone();
        Self { version, fingerprint, timestamp, extends: false }
    }

    pub(crate) fn of_extension(version: Version) -> Self {
        Self { version, fingerprint: String::new(), timestamp: None, extends: true }
    }

    pub(crate) const fn version(&self) -> Version {
        self.version
    }

    /// True if the note is of the draft in the folder of that name.
    pub(crate) fn is_of(&self, folder: &str) -> bool {
        folder.parse() == Ok(self.version)
    }

    /// True if a draft with the other note may be continued as one with this: manifests are made again, and nothing
    /// else contains the timestamp.
    pub(crate) fn continues(&self, other: &Self) -> bool {
        *self == Self { timestamp: self.timestamp, ..other.clone() }
    }

    /// `None` if there is no note or it was cut off: such a draft is not continued.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&regular::read(&folder.join("draft.json"), NOTE_LIMIT).ok()?).ok()
    }

    pub(crate) fn write(&self, folder: &Path, disk: &Disk) -> Result<(), StoreError> {
        let json = serde_json::to_vec(self).expect("a struct of plain fields");
        disk.write_synced(&folder.join("draft.json"), &json)
    }
}

const NOTE_LIMIT: u64 = 1 << 20;

//! `draft.json`: what a draft is of, so that the next run knows whether it may continue it.

use std::fs;
use std::path::Path;

use clearwell_format::Version;
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::disk::Disk;

/// The note in a draft's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DraftNote {
    #[serde(with = "crate::record::json::version")]
    version: Version,
    fingerprint: String,
    /// True for artifacts that are added to a release.
    pub(crate) extends: bool,
}

impl DraftNote {
    pub(crate) fn of_new(version: Version, fingerprint: &str) -> Self {
        Self { version, fingerprint: fingerprint.to_owned(), extends: false }
    }

    pub(crate) fn of_extension(version: Version) -> Self {
        Self { version, fingerprint: String::new(), extends: true }
    }

    pub(crate) const fn version(&self) -> Version {
        self.version
    }

    /// True if the note is of the draft in the folder of that name.
    pub(crate) fn is_of(&self, folder: &str) -> bool {
        folder.parse() == Ok(self.version)
    }

    /// `None` if there is no note or it was cut off: then the draft has nothing worth continuing.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join("draft.json")).ok()?).ok()
    }

    pub(crate) fn write(&self, folder: &Path, disk: &Disk) -> Result<(), StoreError> {
        let json = serde_json::to_vec(self).expect("a struct of plain fields");
        disk.write_synced(&folder.join("draft.json"), &json)
    }
}

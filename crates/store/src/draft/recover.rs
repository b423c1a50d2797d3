//! Drafts whose release was interrupted.

use clearwell_format::Version;

use super::Draft;
use crate::{Store, StoreError, prepared};

impl Draft<'_> {
    /// Moves a folder back that was moved into the public tree and whose record was not written: no reader has seen it,
    /// and the next run may make the version with other options.
    pub(crate) fn recover(store: &Store, version: Version) -> Result<(), StoreError> {
        let (layout, disk) = (store.layout(), store.disk());
        let (released, staged) = (layout.release_folder(version), layout.draft(version).join("content"));
        if released.exists() && !staged.exists() {
            disk.rename(&released, &staged)?;
            disk.sync_folder(&layout.content())?;
        }
        disk.remove(&layout.index(version))
    }

    /// Completes an extension whose index is switched already: readers may have seen it.
    pub(crate) fn recover_extension(store: &Store, version: Version) -> Result<(), StoreError> {
        let folder = store.layout().draft(version);
        if folder.join("record.json").exists() && !folder.join("index").exists() {
            prepared::finish_extension(store, version, &folder)?;
        }
        Ok(())
    }
}

//! Artifacts of a release that are made again, in a separate folder.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

use clearwell_format::Version;
use clearwell_format::resource::Artifact;

use super::Draft;
use super::note::DraftNote;
use crate::{Index, Store, StoreError};

/// Where artifacts of a release are made again.
///
/// It takes what a [`Draft`] takes, but can only be dropped: no release can be made of it, because
/// [`Draft::prepare`] takes a draft by value. What it contains goes back into the release by
/// [`Writer::restore`](crate::Writer::restore) and [`Writer::replace`](crate::Writer::replace), which compare it with
/// what was lost, and away by [`Writer::discard_drafts`](crate::Writer::discard_drafts).
#[derive(Debug)]
pub struct Remake<'w>(Draft<'w>);

impl<'w> Remake<'w> {
    /// Over the release as it is without the artifacts `lost`.
    pub(crate) fn begin(
        store: &'w Store,
        version: Version,
        index: &Index,
        lost: &BTreeSet<Artifact>,
    ) -> Result<Self, StoreError> {
        let mut draft = Draft::open(store, DraftNote::of_extension(version), None)?;
        let mut left = index.to_map()?;
        left.retain(|artifact, _| !lost.contains(artifact));
        let path = draft.folder.join("scratch").join("left");
        crate::index::store(version, &left, &path, store.disk())?;
        draft.released = Some(Arc::new(Index::open(&path, version)?));
        Ok(Self(draft))
    }
}

impl<'w> Deref for Remake<'w> {
    type Target = Draft<'w>;

    fn deref(&self) -> &Draft<'w> {
        &self.0
    }
}

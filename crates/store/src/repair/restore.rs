//! Damaged artifacts that the generator has made again.

use std::path::Path;
use std::sync::Mutex;

use clearwell_format::Resource;

use super::{aside, index};
use crate::disk::Operation;
use crate::progress::{Meter, Phase, Silent};
use crate::throttle::Throttle;
use crate::verify::{ArtifactInspector, Rules, StoreBases};
use crate::{StoreError, Writer, pointers, prepared, regular};

impl Writer {
    /// Stores the bytes of the file `from` as a released artifact that was damaged, if they are those of its index;
    /// what was in its place moves to `meta/damaged`. False, and nothing changed, if they are other bytes.
    ///
    /// # Errors
    /// [`StoreError::NoSuchResource`] if no release names the artifact; [`StoreError::NoSpace`],
    /// [`StoreError::NotPermitted`] or [`StoreError::Io`] if the file cannot be read or moved.
    pub fn restore(&self, resource: &Resource, from: &Path) -> Result<bool, StoreError> {
        let store = self.store();
        let expected = store.lookup(resource)?.ok_or_else(|| StoreError::NoSuchResource(Box::new(resource.clone())))?;
        let read = |error| StoreError::io(Operation::Read, from, error);
        let file = regular::open(from).map_err(read)?;
        store.disk().sync_file(from, &file)?;
        let found = prepared::measure(file).map_err(read)?;
        if found != expected {
            return Ok(false);
        }
        aside::replace(store, &store.path(resource), from).map(|_| true)
    }

    /// Stores the file `from` instead of a damaged artifact whose bytes cannot be made again, if it contains what the
    /// name promises. Its SHA-256 is then another, which the record of the release notes. False, and nothing changed,
    /// if it does not.
    ///
    /// # Errors
    /// Those of [`Writer::restore`].
    pub fn replace(&mut self, resource: &Resource, from: &Path) -> Result<bool, StoreError> {
        let Resource::Artifact { version, artifact } = resource else { return Ok(false) };
        let store = self.store().clone();
        if store.lookup(resource)?.is_none() {
            return Err(StoreError::NoSuchResource(Box::new(resource.clone())));
        }
        let (bases, throttle, large) = (StoreBases::new(&store), Throttle::default(), Mutex::new(()));
        let format = store.record(*version).ok().map(|record| record.format);
        let meter = Meter::begin(&Silent, Phase::Repair, 0, 0);
        let rules = Rules::new(*version, &bases);
        let (throttle, large, meter) = (&throttle, &large, &meter);
        let inspector =
            ArtifactInspector { version: *version, format, bases: &bases, rules: &rules, throttle, large, meter };
        let Ok(contents) = inspector.check(artifact, from) else { return Ok(false) };
        let file = regular::open(from).map_err(|error| StoreError::io(Operation::Read, from, error))?;
        store.disk().sync_file(from, &file)?;
        aside::replace(&store, &store.path(resource), from)?;
        index::reindex(&store, *version, artifact, contents.meta)?;
        pointers::renew(store.layout(), store.disk())?;
        Ok(true)
    }
}

//! A file whose bytes are counted and digested as they are read, no faster than is allowed.

use std::fs::File;
use std::io::{self, Read};

use crate::progress::Item;
use crate::throttle::Throttle;
use crate::{ArtifactMeta, Hasher};

/// A file being read.
pub(super) struct Measured<'t> {
    file: File,
    hasher: Hasher,
    size: u64,
    throttle: &'t Throttle,
    item: Item<'t>,
}

impl<'t> Measured<'t> {
    pub(super) fn new(file: File, throttle: &'t Throttle, item: Item<'t>) -> Self {
        Self { file, hasher: Hasher::new(), size: 0, throttle, item }
    }

    /// Size and digest of what was read.
    pub(super) fn meta(self) -> ArtifactMeta {
        ArtifactMeta { size: self.size, sha256: self.hasher.finish() }
    }
}

impl Read for Measured<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = loop {
            match self.file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.throttle.take(count as u64);
        self.item.read(count as u64);
        self.hasher.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}

//! What the pointers of a generation were when they were written.
//!
//! ```text
//! meta/pointers/00000007    <SHA-256>  version/format30/latest
//! ```
//!
//! Only for checks: a signature can be damaged where nobody who verifies it looks. Generations of older programs have
//! none.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use clearwell_format::Resource;
use clearwell_format::resource::Pointer;

use super::PointerGeneration;
use crate::disk::Disk;
use crate::{Digest, Layout, StoreError};

pub(super) fn write(generation: &PointerGeneration, layout: &Layout, disk: &Disk) -> Result<(), StoreError> {
    let mut text = String::new();
    for (pointer, bytes) in &generation.files {
        writeln!(text, "{}  {pointer}", Digest::of(bytes)).expect("a string takes all");
    }
    if !layout.pointer_sums().is_dir() {
        disk.create_folder(&layout.pointer_sums())?;
        disk.sync_folder(&layout.meta())?;
    }
    disk.write_synced(&layout.pointer_sum(generation.number), text.as_bytes())?;
    disk.sync_folder(&layout.pointer_sums())
}

/// `None` if there are none, or they cannot be read.
pub(crate) fn read(number: u64, layout: &Layout) -> Option<BTreeMap<Pointer, Digest>> {
    let text = fs::read_to_string(layout.pointer_sum(number)).ok()?;
    let line = |line: &str| {
        let (digest, name) = line.split_once("  ")?;
        match Resource::from_request_path(name)? {
            Resource::Pointer(pointer) => Some((pointer, digest.parse().ok()?)),
            Resource::Artifact { .. } => None,
        }
    };
    text.lines().map(line).collect()
}

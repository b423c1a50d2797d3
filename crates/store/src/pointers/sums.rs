//! The SHA-256 of each file of a generation of pointers, as it was written.
//!
//! ```text
//! meta/pointers/00000007    <SHA-256>  version/format30/latest
//! ```
//!
//! A signature can be damaged in bytes that its verification does not cover. Generations of older programs have no
//! sums.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use clearwell_format::Resource;
use clearwell_format::resource::Pointer;

use super::PointerGeneration;
use crate::disk::Disk;
use crate::{Digest, Layout, StoreError, regular};

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
    let text = String::from_utf8(regular::read(&layout.pointer_sum(number), SUMS_LIMIT).ok()?).ok()?;
    let line = |line: &str| {
        let (digest, name) = line.split_once("  ")?;
        match Resource::from_request_path(name)? {
            Resource::Pointer(pointer) => Some((pointer, digest.parse().ok()?)),
            Resource::Artifact { .. } => None,
        }
    };
    text.lines().map(line).collect()
}

/// False if a pointer is not what was written. Those of older programs cannot be told.
pub(super) fn are_those_of(generation: &PointerGeneration, layout: &Layout) -> bool {
    let Some(sums) = read(generation.number, layout) else { return true };
    let is_there = |(pointer, sum): (&Pointer, &Digest)| {
        generation.files.get(pointer).is_some_and(|bytes| Digest::of(bytes) == *sum)
    };
    sums.iter().all(is_there)
}

/// The files of a generation that are what was written.
pub(super) fn sound(number: u64, mut files: Files, layout: &Layout) -> Files {
    if let Some(sums) = read(number, layout) {
        files.retain(|pointer, bytes| sums.get(pointer).is_none_or(|sum| Digest::of(bytes) == *sum));
    }
    files
}

/// A line for each pointer.
const SUMS_LIMIT: u64 = 16 << 20;

/// The bytes of pointers.
type Files = BTreeMap<Pointer, Arc<[u8]>>;

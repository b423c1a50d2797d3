//! Checks of files, finished or under way, by file and not by name.

use clearwell_store::Digest;
use quick_cache::UnitWeighter;
use quick_cache::sync::Cache;

use crate::check::Check;
use crate::verified::{FileId, Stamp};

/// Files whose check is remembered, some 200 bytes each.
const REMEMBERED_CHECKS: u64 = 1 << 16;

#[derive(Debug)]
pub(super) struct Checks(Cache<FileId, Remembered, UnitWeighter>);

#[derive(Clone, Debug)]
struct Remembered {
    stamp: Stamp,
    expected: Digest,
    check: Check,
}

impl Checks {
    pub(super) fn new() -> Self {
        Self(Cache::with_weighter(1024, REMEMBERED_CHECKS, UnitWeighter))
    }

    /// The check of a file that has not changed since that began.
    pub(super) fn of(&self, stamp: &Stamp, expected: Digest) -> Option<Check> {
        let known = self.0.get(&stamp.id())?;
        let is_same = known.stamp == *stamp && known.expected == expected && known.check.may_be_sound();
        is_same.then_some(known.check)
    }

    pub(super) fn remember(&self, stamp: Stamp, expected: Digest, check: Check) {
        self.0.insert(stamp.id(), Remembered { stamp, expected, check });
    }
}

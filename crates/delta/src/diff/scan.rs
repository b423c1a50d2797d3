//! Walking the new file for places where another part of the base fits better than the one followed so far.
//!
//! The file is walked in sections of a fixed size, each on its own, so that threads can share the work and the result is
//! the same for any number of them. A walk follows one *alignment* (old position minus new position) as long as nothing
//! fits clearly better, across bytes that differ: relocated code differs every few bytes and is still the same code.

use super::bytes::{equal_count, equal_prefix, equal_suffix};

/// A place where the walk changed to another part of the base: `len` equal bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) new: usize,
    pub(super) old: usize,
    pub(super) len: usize,
}

impl Anchor {
    pub(super) fn alignment(self) -> isize {
        self.old as isize - self.new as isize
    }

    pub(super) fn new_end(self) -> usize {
        self.new + self.len
    }
}

/// Finds where bytes of the new file occur in the base.
pub(super) trait Index: Sync {
    /// A long match of the front of `new[at..]`, best near `alignment` when several are as long. The match may be
    /// extended to both sides by the caller.
    fn find(&self, new: &[u8], at: usize, alignment: isize) -> Option<Anchor>;
}

/// Bytes of the new file that are walked on their own.
pub(super) const SECTION: usize = 2 << 20;

/// How many more bytes a match must explain than the alignment followed so far. A change of alignment costs a triple
/// of the control block, about this many bytes when compressed.
const BETTER_BY: usize = 8;
/// Equal bytes after which the alignment is followed without asking the index.
const FOLLOW: usize = 16;
/// A rejected match of this length lets the walk skip half of it; shorter ones are cheap to ask for again.
const LONG: usize = 1024;

pub(super) fn walk(index: &impl Index, old: &[u8], new: &[u8], section: std::ops::Range<usize>) -> Vec<Anchor> {
    let mut anchors: Vec<Anchor> = Vec::new();
    let mut alignment = 0isize;
    let mut covered = section.start;
    let mut at = section.start;
    while at < section.end {
        let following = followed(old, at, alignment);
        let equal = equal_prefix(&new[at..section.end], following);
        if equal >= FOLLOW || at + equal == section.end {
            at += equal;
            continue;
        }
        let Some(found) = index.find(new, at, alignment) else {
            at += 1;
            continue;
        };
        let len = found.len.min(section.end - at);
        let explained = equal_count(&new[at..at + len], following);
        if explained == len {
            at += len;
        } else if len > explained + BETTER_BY {
            let before = equal_suffix(&new[covered..at], &old[..found.old]);
            let anchor = Anchor { new: at - before, old: found.old - before, len: before + len };
            anchors.push(anchor);
            alignment = anchor.alignment();
            at += len;
            covered = at;
        } else {
            at += if len >= LONG { len / 2 } else { 1 };
        }
    }
    anchors
}

/// The base as the alignment sees it from `at` on; empty outside the base.
pub(super) fn followed(old: &[u8], at: usize, alignment: isize) -> &[u8] {
    at.checked_add_signed(alignment).and_then(|start| old.get(start..)).unwrap_or_default()
}

//! The scan of bsdiff: the positions of the new file at which another alignment with the base is better than the
//! current one.
//!
//! ```text
//! alignment = old position - new position
//! new file    |--- alignment a ---|--- alignment b ---|--- …       a switch needs a gain of at least min_gain bytes
//! ```
//!
//! The new file is scanned in sections of a fixed size, independently, so that threads share the work and their number
//! does not change the result. An alignment is kept across bytes that differ until another one is clearly better:
//! relocated code differs every few bytes and is still the same code.
//!
//! The cost of a step is bounded by the number of bytes it advances, for any input: long equal runs are skipped as a
//! whole, and a match that does not cause a switch is skipped in part.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::compare::{different, dissimilar, equal_prefix, equal_suffix};
use super::index::{Index, Match};

/// When the scan switches to another alignment.
#[derive(Clone, Copy, Debug)]
pub(super) enum SwitchRule {
    /// At least `min_gain` fewer bytes are dissimilar, over the match or over one of [`COMPARED_LENGTHS`].
    Similar { min_gain: usize },
    /// At least `min_gain` fewer bytes differ, over the match alone: the rule of the original bsdiff, better for some
    /// tables.
    Equal { min_gain: usize },
}

impl SwitchRule {
    /// Number of bytes between two lookups: a match that is found later is extended to its start. More lookups find
    /// more switches, which cost more than they save. Odd, so that a block index is asked at every phase.
    fn stride(self) -> usize {
        match self {
            Self::Similar { min_gain } | Self::Equal { min_gain } => (min_gain / 8).min(MAX_STRIDE) | 1,
        }
    }
}

/// Finds the matches at which the alignment switches, in order, with up to `threads` threads.
pub(super) fn scan(index: &impl Index, old: &[u8], new: &[u8], rule: SwitchRule, threads: NonZeroUsize) -> Vec<Match> {
    let sections: Vec<_> = (0..new.len()).step_by(SECTION).map(|start| start..new.len().min(start + SECTION)).collect();
    let scan_section = |section: &Range<usize>| SectionScan { index, old, new, rule }.run(section.clone());
    let threads = threads.get().min(sections.len());
    if threads == 1 {
        return sections.iter().flat_map(scan_section).collect();
    }
    let next = AtomicUsize::new(0);
    let found = Mutex::new(vec![Vec::new(); sections.len()]);
    let worker = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(section) = sections.get(number) else { break };
            let matches = scan_section(section);
            found.lock().expect("nothing panics with the lock held")[number] = matches;
        }
    };
    thread::scope(|scope| {
        // This thread works too. If the system refuses more threads, the existing ones do all sections.
        (1..threads).map_while(|_| thread::Builder::new().spawn_scoped(scope, worker).ok()).for_each(drop);
        worker();
    });
    found.into_inner().expect("nothing panics with the lock held").concat()
}

struct SectionScan<'a, I> {
    index: &'a I,
    old: &'a [u8],
    new: &'a [u8],
    rule: SwitchRule,
}

impl<I: Index> SectionScan<'_, I> {
    fn run(&self, section: Range<usize>) -> Vec<Match> {
        let mut changes: Vec<Match> = Vec::new();
        let stride = self.rule.stride();
        let mut alignment = 0;
        let mut covered = section.start;
        let mut at = section.start;
        while at < section.end {
            let equal = equal_prefix(&self.new[at..section.end], base_at(self.old, at, alignment));
            if equal >= MIN_EQUAL || at + equal == section.end {
                at += equal;
                continue;
            }
            let Some(found) = self.index.find(self.new, at, at as isize + alignment) else {
                at += stride;
                continue;
            };
            let found = Match { len: found.len.min(section.end - at), ..found };
            if equal == found.len {
                at += equal;
            } else if self.is_better(found, alignment, section.end) {
                let before = equal_suffix(&self.new[covered..at], &self.old[..found.old]);
                alignment = found.alignment();
                covered = found.new_end();
                at = covered;
                changes.push(Match { new: found.new - before, old: found.old - before, len: found.len + before });
            } else {
                at += stride + found.len / SKIP_DIVISOR;
            }
        }
        changes
    }

    fn is_better(&self, found: Match, alignment: isize, end: usize) -> bool {
        let at = found.new;
        let more = |count: fn(&[u8], &[u8], usize, usize, isize) -> usize, len: usize, min_gain: usize| {
            let len = len.min(end - at);
            let now = count(self.new, self.old, at, len, alignment);
            now > min_gain && now > min_gain + count(self.new, self.old, at, len, found.alignment())
        };
        match self.rule {
            SwitchRule::Similar { min_gain } => {
                [found.len].into_iter().chain(COMPARED_LENGTHS).any(|len| more(dissimilar, len, min_gain))
            }
            SwitchRule::Equal { min_gain } => more(different, found.len, min_gain),
        }
    }
}

/// The base at `alignment` from new position `at` on; empty outside the base.
pub(super) fn base_at(old: &[u8], at: usize, alignment: isize) -> &[u8] {
    at.checked_add_signed(alignment).and_then(|start| old.get(start..)).unwrap_or_default()
}

/// Bytes of the new file in a section.
const SECTION: usize = 2 << 20;
/// From this number of equal bytes on, the alignment is kept without a lookup.
const MIN_EQUAL: usize = 16;
/// Small enough that a block index is asked at every phase before the largest `min_gain` has gone by.
const MAX_STRIDE: usize = 31;
/// A match that does not cause a switch is skipped by its length divided by this: a better match that starts inside it
/// is found later and extended to its start.
const SKIP_DIVISOR: usize = 2;
/// Lengths over which two alignments are compared, in bytes.
const COMPARED_LENGTHS: [usize; 3] = [64, 256, 1024];

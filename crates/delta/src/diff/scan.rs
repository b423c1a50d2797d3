//! Walking the new file for places where another part of the base fits better than the one followed so far.
//!
//! The file is walked in sections of a fixed size, each on its own, so that threads can share the work and the result is
//! the same for any number of them. A walk follows one *alignment* (old position minus new position) as long as nothing
//! fits clearly better, across bytes that differ: relocated code differs every few bytes and is still the same code.
//!
//! The cost of a step is bounded by the bytes it advances, whatever the files: long equal runs are stepped over whole,
//! matches that are not followed by a part of them.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::bytes::{equal_prefix, equal_suffix, unequal, untold};
use super::index::{Index, Match};

/// When another part of the base is better than the one followed so far.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// It tells so many bytes more, over the match or over what comes after it. Differences that repeat in a table count
    /// as told.
    Tells(usize),
    /// So many bytes more are equal, over the match alone: the rule of the first bsdiff, still better for some tables.
    Equals(usize),
}

impl Rule {
    /// After how many bytes it is enough to ask again: what is found later is extended to its start. Asking more often
    /// finds more changes, which take more room than they save. Odd, so that an index of blocks is asked at every phase.
    fn stride(self) -> usize {
        match self {
            Self::Tells(worth) | Self::Equals(worth) => (worth / 8).min(LONGEST_STRIDE) | 1,
        }
    }
}

/// Finds the matches at which the new file changes to another part of the base, in order, with `threads` at most.
pub(super) fn scan(index: &impl Index, old: &[u8], new: &[u8], rule: Rule, threads: NonZeroUsize) -> Vec<Match> {
    let sections: Vec<_> = (0..new.len()).step_by(SECTION).map(|start| start..new.len().min(start + SECTION)).collect();
    let walk = |section: &Range<usize>| Walk { index, old, new, rule }.walk(section.clone());
    let threads = threads.get().min(sections.len());
    if threads == 1 {
        return sections.iter().flat_map(walk).collect();
    }
    let next = AtomicUsize::new(0);
    let found = Mutex::new(vec![Vec::new(); sections.len()]);
    let worker = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(section) = sections.get(number) else { break };
            let matches = walk(section);
            found.lock().expect("nothing panics with the lock held")[number] = matches;
        }
    };
    thread::scope(|scope| {
        // This thread works too. Where the system has no room for more, those that there are do it all.
        (1..threads).map_while(|_| thread::Builder::new().spawn_scoped(scope, worker).ok()).for_each(drop);
        worker();
    });
    found.into_inner().expect("nothing panics with the lock held").concat()
}

struct Walk<'a, I> {
    index: &'a I,
    old: &'a [u8],
    new: &'a [u8],
    rule: Rule,
}

impl<I: Index> Walk<'_, I> {
    fn walk(&self, section: Range<usize>) -> Vec<Match> {
        let mut changes: Vec<Match> = Vec::new();
        let stride = self.rule.stride();
        let mut alignment = 0;
        let mut covered = section.start;
        let mut at = section.start;
        while at < section.end {
            let equal = equal_prefix(&self.new[at..section.end], followed(self.old, at, alignment));
            if equal >= FOLLOW || at + equal == section.end {
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
                at += stride + found.len / SKIP;
            }
        }
        changes
    }

    fn is_better(&self, found: Match, alignment: isize, end: usize) -> bool {
        let at = found.new;
        let more = |count: fn(&[u8], &[u8], usize, usize, isize) -> usize, len: usize, worth: usize| {
            let len = len.min(end - at);
            let now = count(self.new, self.old, at, len, alignment);
            now > worth && now > worth + count(self.new, self.old, at, len, found.alignment())
        };
        match self.rule {
            Rule::Tells(worth) => [found.len].into_iter().chain(WINDOWS).any(|len| more(untold, len, worth)),
            Rule::Equals(worth) => more(unequal, found.len, worth),
        }
    }
}

/// The base as the alignment sees it from `at` on; empty outside the base.
pub(super) fn followed(old: &[u8], at: usize, alignment: isize) -> &[u8] {
    at.checked_add_signed(alignment).and_then(|start| old.get(start..)).unwrap_or_default()
}

/// Bytes of the new file that are walked on their own.
const SECTION: usize = 2 << 20;
/// Equal bytes after which the alignment is followed without asking the index.
const FOLLOW: usize = 16;
/// So that an index of blocks is asked at every phase before the worth of the longest stride has gone by.
const LONGEST_STRIDE: usize = 31;
/// A match that is not followed lets the walk skip this part of it: what starts a few bytes later and is better is found
/// there as well, and extended to its start.
const SKIP: usize = 2;
/// How far two alignments are compared, in bytes.
const WINDOWS: [usize; 3] = [64, 256, 1024];

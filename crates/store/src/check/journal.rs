//! The progress of a check: blocks of artifacts that were found sound.
//!
//! ```text
//! meta/check     clearwell-check 1 contents        or "bytes" for a check without the contents
//!                30 <SHA-256 of index 30> 0         version, index, number of the block
//! ```
//!
//! Appended line by line, and removed at the end of a check. A line that was cut off is ignored. A check works
//! without a journal too: on a store that it may not write to, and while another check runs.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::sync::{Mutex, PoisonError};

use clearwell_format::Version;

use super::CheckOptions;
use crate::disk::{DiskFile, Operation};
use crate::{Digest, Store};

/// The journal of one check.
pub(super) struct Journal<'s> {
    store: &'s Store,
    file: Option<Mutex<DiskFile>>,
    done: HashSet<String>,
}

impl<'s> Journal<'s> {
    pub(super) fn open(store: &'s Store, options: &CheckOptions) -> Self {
        let head = format!("clearwell-check 1 {}", if options.contents { "contents" } else { "bytes" });
        let opened = store.disk().open_file(Operation::CreateFile, &store.layout().check_journal());
        let mut journal = Self { store, file: None, done: HashSet::new() };
        let Some(mut file) = opened.ok().filter(|file| file.file().try_lock().is_ok()) else { return journal };
        let mut text = String::new();
        let is_text = file.file().take(LIMIT).read_to_string(&mut text).is_ok();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut lines = whole.lines();
        // A check of the contents has compared the bytes too.
        let counts = lines.next().is_some_and(|line| line == head || line == "clearwell-check 1 contents");
        if options.resume && is_text && counts {
            journal.done = lines.map(str::to_owned).collect();
            // Ends a line that was cut off, so that it does not read as that of another block.
            let _ = file.write_all(b" cut off\n");
        } else if file.clear().and_then(|()| writeln!(file, "{head}")).is_err() {
            return journal;
        }
        journal.file = Some(Mutex::new(file));
        journal
    }

    /// True if an earlier check found the block sound.
    pub(super) fn has(&self, version: Version, index: Digest, block: usize) -> bool {
        !self.done.is_empty() && self.done.contains(&line(version, index, block))
    }

    /// Notes a sound block.
    pub(super) fn note(&self, version: Version, index: Digest, block: usize) {
        if let Some(file) = &self.file {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            // A journal that cannot be written only costs time.
            let _ = writeln!(file, "{}", line(version, index, block));
        }
    }

    /// The check is at its end.
    pub(super) fn done(&self) {
        if self.file.is_some() {
            let _ = self.store.disk().remove(&self.store.layout().check_journal());
        }
    }
}

/// A line for each four MiB of some ten terabytes. Of a longer journal the end is checked again.
const LIMIT: u64 = 256 << 20;

fn line(version: Version, index: Digest, block: usize) -> String {
    format!("{version} {index} {block}")
}

//! Hashes of files that were read before, so that a file that did not change is not read again.
//!
//! ```text
//! "clearwell-hashes 1\n"    then, for each file, 120 bytes, and last the SHA-256 of all before
//! 88 bytes                  device, inode, size, mtime s, mtime ns, ctime s, ctime ns, mode, uid, gid, ownership: u64 each
//! 32 bytes                  the swupd hash
//! ```
//!
//! A file whose device, inode, size, mode, owners and times are those of an entry has its content: writing to a
//! file changes its ctime, which no program can set. Because the clock is coarse, a file that changed within the last
//! seconds is not entered. The cache only saves time: a missing or damaged one is empty.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use clearwell_format::FileHash;
use clearwell_store::disk::Disk;
use clearwell_store::{Digest, regular};

/// Identifies one content of a file.
pub(super) type FileState = [u64; WORDS];

/// Hashes by the state of files.
#[derive(Debug, Default)]
pub struct KnownHashes {
    /// Where they are kept; `None` for nowhere.
    path: Option<PathBuf>,
    before: HashMap<FileState, FileHash>,
    /// The hashes of the files that were scanned, old and new.
    met: Mutex<Vec<(FileState, FileHash)>>,
}

impl KnownHashes {
    /// The hashes in a file.
    pub fn read(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let before = regular::read(&path, LIMIT).ok().and_then(|bytes| parse(&bytes)).unwrap_or_default();
        Self { path: Some(path), before, met: Mutex::default() }
    }

    /// None, to be kept in a file: everything is read.
    pub fn forget(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }

    /// Writes the hashes of the files that were scanned. Failures are ignored: the next scan takes longer.
    pub fn keep(&self, disk: &Disk) {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = &self.path {
            let _ = disk.replace_unsynced(path, &bytes_of(&met));
        }
    }

    pub(super) fn find(&self, state: &FileState) -> Option<FileHash> {
        self.before.get(state).copied()
    }

    /// Enters a hash. `ctime` is in seconds, `begun` is when the scan began.
    pub(super) fn enter(&self, state: FileState, hash: FileHash, ctime: i64, begun: i64) {
        if self.path.is_some() && ctime < begun - COARSE_SECONDS {
            self.met.lock().unwrap_or_else(PoisonError::into_inner).push((state, hash));
        }
    }
}

fn parse(bytes: &[u8]) -> Option<HashMap<FileState, FileHash>> {
    let (content, digest) = bytes.split_last_chunk::<32>()?;
    if Digest::of(content).as_bytes() != digest {
        return None;
    }
    let entries = content.strip_prefix(MAGIC)?.chunks_exact(ENTRY);
    entries
        .map(|entry| {
            let (state, hash) = entry.split_at(WORDS * 8);
            let mut words = [0; WORDS];
            for (word, bytes) in words.iter_mut().zip(state.chunks_exact(8)) {
                *word = u64::from_le_bytes(bytes.try_into().ok()?);
            }
            Some((words, FileHash::from_bytes(hash.try_into().ok()?)))
        })
        .collect()
}

fn bytes_of(met: &[(FileState, FileHash)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(MAGIC.len() + met.len() * ENTRY + 32);
    bytes.extend_from_slice(MAGIC);
    for (state, hash) in met {
        state.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        bytes.extend_from_slice(hash.as_bytes());
    }
    let digest = Digest::of(&bytes);
    bytes.extend_from_slice(digest.as_bytes());
    bytes
}

const MAGIC: &[u8] = b"clearwell-hashes 1\n";
const WORDS: usize = 11;
const ENTRY: usize = WORDS * 8 + 32;
/// For a hundred million files.
const LIMIT: u64 = 12 << 30;
/// File systems keep times in steps of up to two seconds.
const COARSE_SECONDS: i64 = 3;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::{fs, io};

    use super::*;

    #[test]
    fn what_was_kept_is_known_unless_it_is_fresh_or_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cache/hashes");
        let known = KnownHashes::read(&path);
        let (old, fresh) = ([1; WORDS], [2; WORDS]);
        let hash = FileHash::of_file(b"content", clearwell_format::Owner::MANIFEST);
        known.enter(old, hash, 1_000, 2_000);
        known.enter(fresh, hash, 1_999, 2_000);
        assert_eq!(known.find(&old), None, "what is met now is not asked for now");
        known.keep(&Disk::default());

        let known = KnownHashes::read(&path);
        assert_eq!((known.find(&old), known.find(&fresh)), (Some(hash), None));
        assert_eq!(KnownHashes::forget(&path).find(&old), None);

        let whole = fs::read(&path).unwrap();
        assert_eq!(whole.len(), MAGIC.len() + ENTRY + 32);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert_eq!(KnownHashes::read(&path).find(&old), None, "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(KnownHashes::read(&path).find(&old), None, "cut at {at}");
        }
    }

    #[test]
    fn a_disk_that_fails_at_any_step_leaves_old_or_new_hashes_and_the_next_run_keeps_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cache/hashes");
        let (old, new) = ([1; WORDS], [2; WORDS]);
        let hash = FileHash::of_file(b"content", clearwell_format::Owner::MANIFEST);
        let met = |state| {
            let known = KnownHashes::read(&path);
            known.enter(state, hash, 1_000, 2_000);
            known
        };
        let seen = |disk: fn(Arc<Mutex<Vec<PathBuf>>>, usize) -> Disk, at| {
            let calls = Arc::default();
            met(new).keep(&disk(Arc::clone(&calls), at));
            std::mem::take(&mut *calls.lock().unwrap())
        };
        let failing = |calls: Arc<Mutex<Vec<PathBuf>>>, at| {
            Disk::with_hook(move |_, path| {
                let mut calls = calls.lock().unwrap();
                calls.push(path.to_owned());
                if calls.len() > at { Err(io::Error::other("the disk failed")) } else { Ok(()) }
            })
        };
        let paths = seen(failing, usize::MAX);
        assert!(paths.contains(&path), "written past the disk: {paths:?}");
        for at in 0..paths.len() {
            met(old).keep(&Disk::default());
            assert!(seen(failing, at).len() > at, "step {at}");
            let known = KnownHashes::read(&path);
            assert_eq!((known.find(&old), known.find(&new)), (Some(hash), None), "step {at}");
            met(new).keep(&Disk::default());
            let known = KnownHashes::read(&path);
            assert_eq!((known.find(&old), known.find(&new)), (None, Some(hash)), "step {at}");
        }
    }
}

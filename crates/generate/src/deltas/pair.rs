//! One delta: from one old file to one new one, made, applied and hashed.
//!
//! A delta comes in two forms. *Solid*: its blocks are bare, and the pack's stream compresses them together with its
//! neighbours, which they are much like: what changed in a library changed in the programs that are linked with it. (The
//! deltas of a base system between two releases take a third less than one by one.) *Stored*: its blocks are compressed
//! one by one, each with the codec that suits it. That is for large files, which would fill the stream's dictionary by
//! themselves.

use clearwell_delta::{AllowedEncodings, Delta, DiffError, DiffOptions, FullDownloadReason, NewFile, diff, patch};
use clearwell_format::archive::Codec;
use clearwell_format::{FileHash, Owner};
use std::io;
use std::num::NonZeroUsize;

use super::content::FileContent;
use super::worth;

/// A delta that makes the right file.
pub(crate) struct MadeDelta {
    pub(crate) bytes: Vec<u8>,
    /// Its blocks are bare.
    pub(crate) solid: bool,
    /// About how many bytes it adds to a pack.
    pub(crate) cost: u64,
}

/// What came of a pair.
pub(crate) enum Outcome {
    Made(MadeDelta),
    /// The new file is outside what clients apply deltas to.
    Small,
    Large,
    /// Hardly smaller than the file itself.
    NotSmaller,
}

/// Makes the delta from `old` to `new`. With `memory` in bytes it is made frugally.
///
/// # Errors
/// If memory runs out. A delta that makes another file than `new` is an error of this program, and nobody gets it.
pub(crate) fn make(
    old: &FileContent,
    new: &FileContent,
    to: FileHash,
    memory: Option<u64>,
    threads: NonZeroUsize,
) -> Result<Outcome, PairError> {
    let meta = NewFile { mode: REGULAR_FILE | new.owner.permissions, uid: new.owner.uid, gid: new.owner.gid };
    let attempt = |encodings| {
        let options = DiffOptions { threads, memory, encodings };
        diff(&old.bytes, &new.bytes, meta, &options).map_err(PairError::Diff)
    };
    let weigh_all = |encodings, solid| match attempt(encodings)? {
        Delta::Bytes(bytes) => weigh(bytes, solid).map(Ok),
        Delta::FullDownload(FullDownloadReason::NewSmall) => Ok(Err(Outcome::Small)),
        Delta::FullDownload(FullDownloadReason::NewTooLarge) => Ok(Err(Outcome::Large)),
        Delta::FullDownload(_) => Ok(Err(Outcome::NotSmaller)),
    };
    let mut best = Err(Outcome::NotSmaller);
    if new.bytes.len() <= SOLID_BYTES {
        best = weigh_all(AllowedEncodings::NONE, true)?;
    }
    if new.bytes.len() > STORED_BYTES {
        let stored = weigh_all(AllowedEncodings::default(), false)?;
        best = match (best, stored) {
            (Ok(solid), Ok(stored)) => Ok(if stored.cost < solid.cost { stored } else { solid }),
            (best, stored) => best.or(stored),
        };
    }
    let best = match best {
        Ok(best) => best,
        Err(outcome) => return Ok(outcome),
    };
    if !applies(&best.bytes, old, to) {
        return Err(PairError::WrongResult);
    }
    Ok(Outcome::Made(best))
}

/// Takes a delta that was made before, if it makes the right file.
pub(crate) fn take(bytes: Vec<u8>, old: &FileContent, to: FileHash) -> Result<Option<MadeDelta>, PairError> {
    if !applies(&bytes, old, to) {
        return Ok(None);
    }
    let solid = clearwell_delta::header(&bytes).is_ok_and(|header| {
        let bare = clearwell_delta::Encoding::None;
        let encodings = header.encodings;
        encodings.control == bare && encodings.diff == bare && encodings.extra == bare
    });
    weigh(bytes, solid).map(Some)
}

/// Applies a delta as an endpoint does, and compares the hash of what comes out.
fn applies(delta: &[u8], old: &FileContent, to: FileHash) -> bool {
    patch(&old.bytes, delta).is_ok_and(|new| {
        let owner = Owner { permissions: new.meta.mode & 0o7777, uid: new.meta.uid, gid: new.meta.gid };
        FileHash::of_file(&new.bytes, owner) == to
    })
}

fn weigh(bytes: Vec<u8>, solid: bool) -> Result<MadeDelta, PairError> {
    let compressed = if solid { compressed(&bytes)? } else { bytes.len() as u64 };
    Ok(MadeDelta { bytes, solid, cost: worth::delta(compressed) })
}

/// About what a piece of a solid stream takes, compressed alone and without the container. A fast preset tells: it is only
/// held against the size of the file, and the stream that takes both costs enough.
fn compressed(bytes: &[u8]) -> Result<u64, PairError> {
    let alone = QUICK.compress(bytes).map_err(PairError::Compress)?;
    Ok((alone.len() as u64).saturating_sub(XZ_CONTAINER) * 1000 / QUICK_EXCESS)
}

/// Why there is no delta for a pair, though there might be one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PairError {
    #[error("no delta could be made")]
    Diff(#[source] DiffError),
    #[error("the compressor failed")]
    Compress(#[source] io::Error),
    #[error("the delta does not make the new file; please report this")]
    WrongResult,
}

/// `S_IFREG`.
const REGULAR_FILE: u32 = 0o100000;
/// Larger files are tried in the stored form as well.
const STORED_BYTES: usize = 8 << 20;
/// Larger files are only tried in the stored form: the dictionary of the stream is no larger.
const SOLID_BYTES: usize = 32 << 20;
/// Headers, index and footer of an xz stream.
const XZ_CONTAINER: u64 = 60;
/// For estimates.
const QUICK: Codec = Codec::Xz { preset: 1, x86: false };
/// What [`QUICK`] makes of deltas, in thousandths of what the stream would alone: measured on deltas of two releases.
const QUICK_EXCESS: u64 = 1040;

//! One delta: from one old file to one new one, made, applied and hashed.
//!
//! A delta comes in two forms. *Stored*: its blocks are compressed one by one, each with the codec that suits it.
//! *Solid*: its blocks are bare, and the pack's stream compresses them together with its neighbours. Many small deltas
//! are smaller solid, as they are much like each other; large ones are smaller stored.

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
    let stored = match attempt(AllowedEncodings::default())? {
        Delta::Bytes(bytes) => Some(weigh(bytes, false)?),
        Delta::FullDownload(FullDownloadReason::NewSmall) => return Ok(Outcome::Small),
        Delta::FullDownload(FullDownloadReason::NewTooLarge) => return Ok(Outcome::Large),
        Delta::FullDownload(_) => None,
    };
    let small = new.bytes.len() <= SOLID_BYTES;
    let solid = match small.then(|| attempt(AllowedEncodings::NONE)).transpose()? {
        Some(Delta::Bytes(bytes)) => Some(weigh(bytes, true)?),
        _ => None,
    };
    let Some(best) = [solid, stored].into_iter().flatten().min_by_key(|made| made.cost) else {
        return Ok(Outcome::NotSmaller);
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

/// What a piece of a solid stream takes at most: compressed alone, without the container.
fn compressed(bytes: &[u8]) -> Result<u64, PairError> {
    let codec = Codec::Xz { preset: 6, x86: false };
    let alone = codec.compress(bytes).map_err(PairError::Compress)?;
    Ok((alone.len() as u64).saturating_sub(XZ_CONTAINER))
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
/// Above this size a solid form is hardly ever the smaller one, and it takes a second run.
const SOLID_BYTES: usize = 1 << 20;
/// Headers, index and footer of an xz stream.
const XZ_CONTAINER: u64 = 60;

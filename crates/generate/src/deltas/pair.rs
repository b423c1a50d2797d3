//! One delta: from one old file to one new one, made, applied and hashed.
//!
//! A delta comes in two forms. *Solid*: its blocks are bare, and the pack's stream compresses them together with its
//! neighbours, which they are much like: what changed in a library changed in the programs that are linked with it. (The
//! deltas of a base system between two releases take a third less than separately.) *Stored*: its blocks are compressed
//! individually, each with the codec that makes it smallest. That is for large files, which alone would fill the stream's
//! dictionary.

use clearwell_delta::{
    AllowedEncodings, Delta, DiffError, DiffOptions, FullDownloadReason, NewFile, diff, encode, patch,
};
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

/// The result for a pair.
pub(crate) enum Outcome {
    Made(MadeDelta),
    /// The new file is outside what clients apply deltas to.
    Small,
    Large,
    /// Hardly smaller than the file itself.
    NotSmaller,
}

/// Makes the delta from `old` to `new`, which takes about `whole` bytes in a pack. With `memory` in bytes it is made
/// frugally.
///
/// # Errors
/// [`PairError::Diff`] if memory runs out. [`PairError::WrongResult`] for a delta that produces another file than `new`,
/// which is a bug; the delta is dropped.
pub(crate) fn make(
    old: &FileContent,
    new: &FileContent,
    to: FileHash,
    whole: u64,
    memory: Option<u64>,
    threads: NonZeroUsize,
) -> Result<Outcome, PairError> {
    let meta = NewFile { mode: REGULAR_FILE | new.owner.permissions, uid: new.owner.uid, gid: new.owner.gid };
    let options = |encodings| DiffOptions { threads, memory, encodings };
    let attempt = |encodings| diff(&old.bytes, &new.bytes, meta, &options(encodings)).map_err(PairError::Diff);
    if old.bytes.len() * LEAST_BASE < new.bytes.len() {
        return Ok(Outcome::NotSmaller);
    }
    let bare = match attempt(AllowedEncodings::NONE)? {
        Delta::Bytes(bytes) => bytes,
        Delta::FullDownload(FullDownloadReason::NewSmall) => return Ok(Outcome::Small),
        Delta::FullDownload(FullDownloadReason::NewTooLarge) => return Ok(Outcome::Large),
        Delta::FullDownload(_) => return Ok(Outcome::NotSmaller),
    };
    let solid = weigh(bare, true)?;
    let best = if new.bytes.len() <= STORED_BYTES {
        solid
    } else if solid.cost * 100 > whole * HOPEFUL {
        return Ok(Outcome::NotSmaller);
    } else {
        match (encode(&solid.bytes, &options(AllowedEncodings::default())).map_err(PairError::Diff)?, new.bytes.len()) {
            (Delta::Bytes(stored), size) => {
                let stored = weigh(stored, false)?;
                if size > SOLID_BYTES || stored.cost < solid.cost { stored } else { solid }
            }
            (Delta::FullDownload(_), ..=SOLID_BYTES) => solid,
            (Delta::FullDownload(_), _) => return Ok(Outcome::NotSmaller),
        }
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

/// About what a delta takes in a solid stream, compressed alone and without the container. A fast preset is enough, and of a
/// large delta every fourth part: it is only held against the size of the file.
fn compressed(bytes: &[u8]) -> Result<u64, PairError> {
    if bytes.len() > SAMPLED_BYTES {
        let sample: Vec<u8> = bytes.chunks(SAMPLE_BYTES).step_by(4).flatten().copied().collect();
        return Ok(compressed(&sample)? * bytes.len() as u64 / sample.len() as u64);
    }
    let alone = QUICK.compress(bytes).map_err(PairError::Compress)?;
    Ok((alone.len() as u64).saturating_sub(XZ_CONTAINER) * 1000 / QUICK_EXCESS)
}

/// Why the delta of a pair failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PairError {
    #[error("no delta could be made")]
    Diff(#[source] DiffError),
    #[error("the compressor failed")]
    Compress(#[source] io::Error),
    #[error("the delta does not produce the new file (a bug; please report it)")]
    WrongResult,
}

/// `S_IFREG`.
const REGULAR_FILE: u32 = 0o100000;
/// Larger files are tried in the stored form as well.
const STORED_BYTES: usize = 8 << 20;
/// Larger files only travel in the stored form: the dictionary of the stream is no larger.
const SOLID_BYTES: usize = 32 << 20;
/// The stored form of a large file takes long to make. It is only tried where the solid one, in which machine code
/// takes more, is at most this number of hundredths of the file.
const HOPEFUL: u64 = 97;
/// A file larger than this number of bases is nearly all new.
const LEAST_BASE: usize = 32;
/// Headers, index and footer of an xz stream.
const XZ_CONTAINER: u64 = 60;
/// For estimates.
const QUICK: Codec = Codec::Xz { preset: 1, x86: false };
/// Of larger deltas a sample is weighed, in pieces of [`SAMPLE_BYTES`].
const SAMPLED_BYTES: usize = 1 << 20;
const SAMPLE_BYTES: usize = 128 << 10;
/// What [`QUICK`] makes of deltas, in thousandths of what the stream would alone: measured on deltas of two releases.
const QUICK_EXCESS: u64 = 1040;

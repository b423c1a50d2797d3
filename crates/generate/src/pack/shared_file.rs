//! A file whose compressed content is the same bytes in its fullfile and in packs.
//!
//! ```text
//! fullfile    header   content   end          three streams
//! pack      … header   content …              the header names the member differently
//! ```
//!
//! Large programs are compressed once this way: for their fullfile and zero packs together, and for update packs by
//! taking the content out of the fullfile.

use std::fs::File;
use std::io::Read as _;

use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, Resource, Version};
use clearwell_store::Draft;

use super::segment::memory;
use super::segment_writer::compressed;
use super::xz_streams::xz_streams;
use crate::compression::CodecPair;
use crate::deltas::spool::{Spool, Spooled};
use crate::error::BuildError;
use crate::fullfile;
use crate::make::MakeContext;
use crate::member::Naming;
use crate::plan::PackItem;
use crate::profile::Family;
use crate::reuse;

/// A file whose content is shared.
#[derive(Clone, Copy, Debug)]
pub(super) struct SharedFile {
    pub(super) item: PackItem,
    pub(super) content: ContentSource,
}

/// Where its compressed content comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum ContentSource {
    /// It is compressed now, for the fullfile as well.
    Compress,
    /// The fullfile in the folder of a version has it. `content_bytes` is its size in a tar, without the header.
    Fullfile { version: Version, content_bytes: u64 },
}

/// The two streams of a shared file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedStreams {
    /// The member's header in a pack.
    pub(super) header: Spooled,
    /// Its content, for packs and fullfile.
    pub(crate) content: Spooled,
}

impl SharedFile {
    /// Bytes to compress.
    pub(super) fn cost(&self, context: &MakeContext<'_>) -> u64 {
        match self.content {
            ContentSource::Compress => context.objects.tar_bytes(self.item),
            // Only decompressed.
            ContentSource::Fullfile { content_bytes, .. } => (BLOCK + content_bytes) / 32,
        }
    }

    /// Makes both streams, or finds them in the spool.
    ///
    /// # Errors
    /// If the file cannot be read, is not what its hash says, or its fullfile is damaged.
    pub(super) fn streams(
        &self,
        family: Family,
        spool: &Spool,
        draft: &Draft<'_>,
        context: &MakeContext<'_>,
    ) -> Result<SharedStreams, BuildError> {
        let (item, profile) = (self.item, context.effort.profile);
        let of_fullfile = |error: crate::member::MemberError| error.of(&Artifact::Fullfile(item.hash), draft.version());
        let header_key = format!("{profile}-header-{}", item.hash);
        let header = match spool.finished(&header_key) {
            Some(header) => header,
            None => {
                let header = compressed(CodecPair::of(family.head), |tar| {
                    context.objects.append_header(tar, Naming::Staged, item)
                });
                let header = header.map_err(of_fullfile)?;
                spool.keep_as(&header_key, &header)?
            }
        };
        let content_key = format!("{profile}-content-{}", item.hash);
        let content = match (spool.finished(&content_key), self.content) {
            (Some(content), _) => content,
            (None, ContentSource::Compress) => {
                let bytes = fullfile::shared_content(item, profile, &context.objects, context.budget);
                spool.keep_as(&content_key, &bytes.map_err(of_fullfile)?)?
            }
            (None, ContentSource::Fullfile { version, content_bytes }) => {
                let _memory = context.budget.reserve(memory(self.cost(context)));
                spool.keep_as(&content_key, &verified_content(item.hash, content_bytes, version, draft)?)?
            }
        };
        Ok(SharedStreams { header, content })
    }
}

/// The compressed content of a file out of its fullfile. The fullfile is read to its end and hashed first: nothing later
/// checks these bytes.
///
/// # Errors
/// [`BuildError::StoredContent`] if the fullfile is damaged.
fn verified_content(
    hash: FileHash,
    content_bytes: u64,
    version: Version,
    draft: &Draft<'_>,
) -> Result<Vec<u8>, BuildError> {
    let damaged = || BuildError::StoredContent { resource: Box::new(fullfile_resource(hash, version)) };
    if open(hash, version, draft)?.is_none_or(|file| !reuse::is_fullfile(file, hash)) {
        return Err(damaged());
    }
    content_stream(hash, content_bytes, version, draft)?.ok_or_else(damaged)
}

/// The content's stream in a fullfile of three streams (header, content, end); `None` for any other fullfile.
///
/// # Errors
/// Those of opening an artifact of the store.
pub(super) fn content_stream(
    hash: FileHash,
    content_bytes: u64,
    version: Version,
    draft: &Draft<'_>,
) -> Result<Option<Vec<u8>>, BuildError> {
    let Some(mut file) = open(hash, version, draft)? else { return Ok(None) };
    let mut bytes = Vec::new();
    if file.read_to_end(&mut bytes).is_err() {
        return Ok(None);
    }
    Ok(match xz_streams(&bytes).as_deref() {
        Some([header, content, _]) if header.content == BLOCK && content.content == content_bytes => {
            Some(bytes[content.range.clone()].to_vec())
        }
        _ => None,
    })
}

/// The fullfile of an object, in the draft or in the store.
fn open(hash: FileHash, version: Version, draft: &Draft<'_>) -> Result<Option<File>, BuildError> {
    let artifact = Artifact::Fullfile(hash);
    if version == draft.version()
        && draft.contains(&artifact).is_some()
        && let Some(file) = draft.existing(&artifact)?
    {
        return Ok(Some(file));
    }
    let resource = fullfile_resource(hash, version);
    match draft.store().lookup(&resource)? {
        Some(_) => Ok(Some(draft.store().open_artifact(&resource)?.0)),
        None => Ok(None),
    }
}

fn fullfile_resource(hash: FileHash, version: Version) -> Resource {
    Resource::of(version, Artifact::Fullfile(hash))
}

const BLOCK: u64 = 512;

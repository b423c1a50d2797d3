//! What staged objects are, so that packs can be laid out: sizes, machine code, fullfiles whose content can be shared.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;

use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, Resource, Version};
use clearwell_store::Draft;

use crate::deltas::sketch::Sketch;
use crate::error::BuildError;
use crate::executable::{START_BYTES, is_x86};
use crate::fan_out::fan_out;
use crate::make::Workshop;
use crate::member::ObjectBody;
use crate::plan::PackItem;
use crate::reuse;
use crate::streams::xz_streams;

/// One object.
#[derive(Clone, Debug)]
pub(super) struct Look {
    /// What it takes in a tar.
    pub(super) tar_bytes: u64,
    pub(super) is_machine_code: bool,
    /// The folder of its fullfile, if that has the content as a stream of its own.
    pub(super) shared: Option<Version>,
    /// What it is like, if its content can be shared.
    pub(super) sketch: Option<Sketch>,
}

/// Objects by their hashes.
pub(super) type Looks = HashMap<FileHash, Look>;

/// Looks at every item; each comes with the version whose folder has its fullfile, if content can be shared.
///
/// # Errors
/// If an object cannot be read.
pub(super) fn look(
    items: BTreeMap<FileHash, (PackItem, Option<Version>)>,
    draft: &Draft<'_>,
    workshop: &Workshop<'_>,
) -> Result<Looks, BuildError> {
    let items: Vec<_> = items.into_values().collect();
    let objects = &workshop.objects;
    let looks = fan_out(&items, workshop.workers, |&(item, version)| {
        let (content_bytes, is_machine_code, sketch) = objects.open(item, |object| match object.body {
            ObjectBody::File { size, content } => {
                let unreadable = |error| objects.unreadable(item, error);
                let mut start = Vec::new();
                content.take(START_BYTES).read_to_end(&mut start).map_err(unreadable)?;
                let can_share = version.is_some() && size >= LEAST_SHARED;
                let sketch =
                    can_share.then(|| Sketch::read(start.as_slice().chain(content))).transpose().map_err(unreadable)?;
                Ok((size.next_multiple_of(BLOCK), is_x86(&start), sketch))
            }
            ObjectBody::Directory | ObjectBody::Link(_) => Ok::<_, BuildError>((0, false, None)),
        })?;
        let version = version.filter(|_| sketch.is_some());
        let shared = match version {
            Some(version) => content_stream(item.hash, content_bytes, version, draft)?.map(|_| version),
            None => None,
        };
        Ok::<_, BuildError>((item.hash, Look { tar_bytes: BLOCK + content_bytes, is_machine_code, shared, sketch }))
    })?;
    Ok(looks.into_iter().collect())
}

/// The compressed content of a file out of its fullfile, which is read to its end first: nobody else looks at it.
///
/// # Errors
/// [`BuildError::StoredContent`] if the fullfile is damaged.
pub(super) fn shared_content(
    hash: FileHash,
    look: &Look,
    version: Version,
    draft: &Draft<'_>,
) -> Result<Vec<u8>, BuildError> {
    let damaged = || BuildError::StoredContent { resource: Box::new(fullfile(hash, version)) };
    let file = open(hash, version, draft)?.filter(|_| look.shared.is_some());
    if file.is_none_or(|file| !reuse::is_fullfile(file, hash)) {
        return Err(damaged());
    }
    content_stream(hash, look.tar_bytes - BLOCK, version, draft)?.ok_or_else(damaged)
}

/// The second of three streams: header, content, end.
fn content_stream(
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
            Some(bytes[content.place.clone()].to_vec())
        }
        _ => None,
    })
}

fn open(hash: FileHash, version: Version, draft: &Draft<'_>) -> Result<Option<File>, BuildError> {
    let artifact = Artifact::Fullfile(hash);
    if version == draft.version()
        && draft.contains(&artifact).is_some()
        && let Some(file) = draft.existing(&artifact)?
    {
        return Ok(Some(file));
    }
    let resource = fullfile(hash, version);
    match draft.store().lookup(&resource)? {
        Some(_) => Ok(Some(draft.store().open_artifact(&resource)?.0)),
        None => Ok(None),
    }
}

fn fullfile(hash: FileHash, version: Version) -> Resource {
    Resource::of(version, Artifact::Fullfile(hash))
}

const BLOCK: u64 = 512;
/// Of smaller files the content is never shared (see the profile).
const LEAST_SHARED: u64 = 32 << 10;

//! What a layout has to know of staged objects: sizes, machine code, and which fullfiles have content to share.

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;

use clearwell_format::{FileHash, Version};
use clearwell_store::Draft;

use super::member::Member;
use super::shared_file::content_stream;
use crate::deltas::sketch::Sketch;
use crate::error::BuildError;
use crate::executable::{START_BYTES, is_x86};
use crate::fan_out::fan_out;
use crate::make::MakeContext;
use crate::member::ObjectBody;
use crate::plan::PackItem;

/// Facts of staged objects by their hashes.
pub(super) struct Facts(HashMap<FileHash, ObjectFacts>);

/// Facts of one object.
#[derive(Clone, Debug)]
pub(super) struct ObjectFacts {
    /// What its content takes in a tar.
    pub(super) content_bytes: u64,
    pub(super) is_machine_code: bool,
    /// The folder of its fullfile, if that has the content as a separate stream.
    pub(super) shareable: Option<Version>,
    /// Of files that are large enough to be shared.
    pub(super) sketch: Option<Sketch>,
}

impl Facts {
    /// Reads every object once. Each item comes with the version whose folder has its fullfile; `None` if content is not
    /// shared.
    ///
    /// # Errors
    /// If an object cannot be read.
    pub(super) fn collect(
        items: BTreeMap<FileHash, (PackItem, Option<Version>)>,
        draft: &Draft<'_>,
        context: &MakeContext<'_>,
    ) -> Result<Self, BuildError> {
        let items: Vec<_> = items.into_values().collect();
        let objects = &context.objects;
        let facts = fan_out(&items, context.workers, |&(item, version)| {
            let (content_bytes, is_machine_code, sketch) = objects.open(item, |object| match object.body {
                ObjectBody::File { size, content } => {
                    let unreadable = |error| objects.unreadable(item, error);
                    let mut start = Vec::new();
                    content.take(START_BYTES).read_to_end(&mut start).map_err(unreadable)?;
                    let can_share = version.is_some() && size >= LEAST_SHARED_BYTES;
                    let sketch = can_share.then(|| Sketch::read(start.as_slice().chain(content)));
                    let sketch = sketch.transpose().map_err(unreadable)?;
                    Ok((size.next_multiple_of(BLOCK), is_x86(&start), sketch))
                }
                ObjectBody::Directory | ObjectBody::Link(_) => Ok::<_, BuildError>((0, false, None)),
            })?;
            let shareable = match version.filter(|_| sketch.is_some()) {
                Some(version) => content_stream(item.hash, content_bytes, version, draft)?.map(|_| version),
                None => None,
            };
            Ok::<_, BuildError>((item.hash, ObjectFacts { content_bytes, is_machine_code, shareable, sketch }))
        })?;
        Ok(Self(facts.into_iter().collect()))
    }

    /// The facts of an object that was among the items.
    pub(super) fn of(&self, hash: FileHash) -> &ObjectFacts {
        &self.0[&hash]
    }

    /// Bytes that a member adds to a tar.
    pub(super) fn tar_bytes(&self, member: &Member<'_>) -> u64 {
        match member {
            Member::Delta(delta) => delta.tar_bytes(),
            Member::Staged(item) => BLOCK + self.of(item.hash).content_bytes,
        }
    }
}

const BLOCK: u64 = 512;
/// Of smaller files the content is never shared (see the profile).
const LEAST_SHARED_BYTES: u64 = 32 << 10;

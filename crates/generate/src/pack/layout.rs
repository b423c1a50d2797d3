//! Packs and the parts that they consist of, before anything is compressed.

use std::fs::File;
use std::io;
use std::sync::Arc;

use clearwell_format::Resource;
use clearwell_format::resource::Artifact;
use clearwell_store::{ArtifactMeta, Draft};

use super::catalogue::PackedSegment;
use super::member::Contents;
use super::segment::Segment;
use super::shared_file::SharedFile;
use crate::error::BuildError;
use crate::member::MemberError;
use crate::plan::PackPlan;
use crate::put::put;

/// Packs to build, and the parts that are compressed for them. Several packs may have a part in common.
#[derive(Default)]
pub(crate) struct Layout<'p> {
    pub(super) packs: Vec<Pack<'p>>,
    pub(super) segments: Vec<Segment<'p>>,
    pub(super) shared: Vec<SharedFile>,
}

/// A pack to build.
pub(super) struct Pack<'p> {
    pub(super) plan: &'p PackPlan,
    pub(super) form: Form<'p>,
    /// The zero pack that takes its place if it turns out no smaller. Only update packs have one.
    pub(super) limit: Option<ZeroPack<'p>>,
}

/// How a pack is built.
pub(super) enum Form<'p> {
    /// In one piece of `tar_bytes`, too small to have parts in common with others.
    Whole { contents: Contents<'p>, tar_bytes: u64 },
    /// Of parts, in this order.
    Parts(Vec<Part>),
    /// As a copy of the zero pack, which has the same members.
    Copy(ZeroPack<'p>),
}

/// A part of a pack.
pub(super) enum Part {
    /// By its place in [`Layout::segments`].
    Segment(usize),
    /// By its place in [`Layout::shared`].
    Shared(usize),
    /// Copied from the bundle's previous zero pack.
    Reused(PackedSegment, Arc<PreviousPack>),
}

/// The zero pack of a bundle in an earlier release, open for reading.
pub(super) struct PreviousPack {
    pub(super) resource: Resource,
    pub(super) file: File,
}

/// A zero pack that is there already.
#[derive(Clone, Copy)]
pub(super) struct ZeroPack<'p> {
    pub(super) plan: &'p PackPlan,
    meta: ArtifactMeta,
}

impl<'p> Layout<'p> {
    /// Adds a segment.
    pub(super) fn add(&mut self, segment: Segment<'p>) -> Part {
        self.segments.push(segment);
        Part::Segment(self.segments.len() - 1)
    }

    /// The files whose compressed content becomes a part, in the order of [`super::Built::contents`].
    pub(crate) fn shared_files(&self) -> impl Iterator<Item = crate::plan::PackItem> {
        self.shared.iter().map(|file| file.item)
    }
}

impl<'p> Pack<'p> {
    /// The zero pack to copy instead of a pack of `length` bytes, if that is smaller.
    pub(super) fn smaller(&self, length: u64) -> Option<&ZeroPack<'p>> {
        self.limit.as_ref().filter(|zero| length > zero.meta.size)
    }
}

impl<'p> ZeroPack<'p> {
    /// The pack, if the draft or the release that it extends has it.
    pub(super) fn find(plan: &'p PackPlan, draft: &Draft<'_>) -> Option<Self> {
        Some(Self { plan, meta: draft.contains(&plan.artifact())? })
    }

    /// Puts a copy into the draft under another name.
    pub(super) fn copy_to(&self, to: &Artifact, draft: &Draft<'_>) -> Result<ArtifactMeta, BuildError> {
        let from = self.plan.artifact();
        let mut file = match draft.existing(&from)? {
            Some(file) => file,
            None => draft.store().open_artifact(&Resource::of(draft.version(), from))?.0,
        };
        put(draft, to, |out| io::copy(&mut file, out).map_err(MemberError::Write).map(drop))
    }
}

impl PreviousPack {
    /// The bytes of a segment.
    ///
    /// # Errors
    /// [`BuildError::StoredPack`] if they are not what they were.
    pub(super) fn bytes(&self, segment: &PackedSegment) -> Result<Vec<u8>, BuildError> {
        segment.bytes(&self.file).ok_or_else(|| BuildError::StoredPack { resource: Box::new(self.resource.clone()) })
    }
}

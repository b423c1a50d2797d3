//! The builder of packs, both zero packs and update packs.
//!
//! ```text
//! jobs        whole small packs, segments, shared files       in parallel, the costliest first; parts go to a spool
//! assemble    all other packs, from their parts               copies
//! ```

use std::time::{Duration, Instant};

use clearwell_store::{ArtifactMeta, Digest, Draft};

use super::catalogue::{Catalogue, PackedSegment};
use super::layout::{Form, Layout, Pack, Part};
use super::member::{Contents, Member, key};
use super::segment::{Segment, SegmentKind, memory, of_several};
use super::segment_writer::tar_end;
use super::shared_file::{SharedFile, SharedStreams};
use super::whole::whole;
use crate::deltas::spool::{Spool, Spooled};
use crate::error::BuildError;
use crate::fan_out::fan_out;
use crate::make::{Made, MakeContext};
use crate::member::{MemberError, Objects};
use crate::plan::PackPlan;
use crate::profile::{Family, Profile};
use crate::progress::Phase;
use crate::put::put;

/// Builds the packs of a layout.
pub(crate) struct PackBuilder<'b> {
    pub(crate) layout: &'b Layout<'b>,
    pub(crate) families: Families,
    pub(crate) draft: &'b Draft<'b>,
    pub(crate) context: &'b MakeContext<'b>,
    /// Where parts are until their packs are put together.
    pub(crate) spool: &'b Spool,
}

/// The codecs of a kind of pack.
#[derive(Clone, Copy)]
pub(crate) struct Families {
    pub(super) main: Family,
    /// Tried as well for packs in one piece.
    pub(super) small: Option<Family>,
}

impl Families {
    /// Of zero packs.
    pub(crate) const fn of_zero_packs(profile: Profile) -> Self {
        Self { main: profile.zero_pack_family(), small: None }
    }

    /// Of update packs.
    pub(crate) const fn of_update_packs(profile: Profile) -> Self {
        Self { main: profile.update_pack_family(), small: profile.small_update_family() }
    }
}

/// Something to compress.
#[derive(Clone, Copy)]
pub(crate) struct Job<'b>(Kind<'b>);

#[derive(Clone, Copy)]
enum Kind<'b> {
    Whole { pack: &'b Pack<'b>, contents: &'b Contents<'b>, tar_bytes: u64 },
    Segment(&'b Segment<'b>),
    Shared(&'b SharedFile),
}

/// What the jobs of a layout have made.
#[derive(Default)]
pub(crate) struct Built {
    /// Small packs, which are in the draft.
    packs: Vec<Made>,
    /// In the order of the layout's segments.
    segments: Vec<Spooled>,
    /// In the order of the layout's shared files.
    shared: Vec<SharedStreams>,
}

/// What one job has made.
pub(crate) enum BuiltPart {
    Pack(Made),
    Segment(Spooled),
    Shared(SharedStreams),
}

impl Built {
    /// Adds the next job's result, in the order of [`PackBuilder::jobs`].
    pub(crate) fn add(&mut self, part: BuiltPart) {
        match part {
            BuiltPart::Pack(made) => self.packs.push(made),
            BuiltPart::Segment(spooled) => self.segments.push(spooled),
            BuiltPart::Shared(streams) => self.shared.push(streams),
        }
    }

    /// The compressed contents of [`Layout::shared_files`], in their order.
    pub(crate) fn contents(&self) -> impl Iterator<Item = Spooled> {
        self.shared.iter().map(|streams| streams.content)
    }
}

impl<'b> PackBuilder<'b> {
    /// Runs all jobs and assembles the packs.
    ///
    /// # Errors
    /// The failure of the costliest job that failed.
    pub(crate) fn build(&self) -> Result<Vec<Made>, BuildError> {
        let jobs = self.jobs();
        let mut built = Built::default();
        for part in self.context.by_cost(&jobs, Phase::Packs, |job| self.cost(job), |job| self.run(job))? {
            built.add(part);
        }
        self.assemble(built)
    }

    /// Everything to compress.
    pub(crate) fn jobs(&self) -> Vec<Job<'b>> {
        let whole = self.layout.packs.iter().filter_map(|pack| match &pack.form {
            Form::Whole { contents, tar_bytes } => Some(Kind::Whole { pack, contents, tar_bytes: *tar_bytes }),
            Form::Parts(_) | Form::Copy(_) => None,
        });
        let segments = self.layout.segments.iter().map(Kind::Segment);
        whole.chain(segments).chain(self.layout.shared.iter().map(Kind::Shared)).map(Job).collect()
    }

    /// Bytes to compress, which is what takes the time.
    pub(crate) fn cost(&self, Job(kind): &Job<'_>) -> u64 {
        match kind {
            Kind::Whole { tar_bytes, .. } => *tar_bytes,
            Kind::Segment(segment) => segment.tar_bytes,
            Kind::Shared(file) => file.cost(self.context),
        }
    }

    /// Does one job.
    ///
    /// # Errors
    /// If an object cannot be read or is not what its hash says.
    pub(crate) fn run(&self, Job(kind): &Job<'_>) -> Result<BuiltPart, BuildError> {
        let MakeContext { objects, budget, effort, .. } = self.context;
        match *kind {
            Kind::Whole { pack, contents, tar_bytes } => {
                let begun = Instant::now();
                let _memory = budget.reserve(memory(tar_bytes));
                let bytes = self.whole(pack, contents)?;
                let meta = match pack.smaller(bytes.len() as u64) {
                    Some(zero) => zero.copy_to(&pack.plan.artifact(), self.draft)?,
                    None => self.draft.put(&pack.plan.artifact(), &bytes)?.meta(),
                };
                Ok(BuiltPart::Pack(made(pack, meta, begun.elapsed())))
            }
            Kind::Segment(segment) => {
                let key = segment.key(effort.profile);
                if let Some(finished) = self.spool.finished(&key) {
                    return Ok(BuiltPart::Segment(finished));
                }
                let _memory = budget.reserve(memory(segment.tar_bytes));
                let bytes = segment.compress(self.families.main, objects);
                let bytes = bytes.map_err(|error| of_several(error, self.draft.version()))?;
                Ok(BuiltPart::Segment(self.spool.keep_as(&key, &bytes)?))
            }
            Kind::Shared(file) => {
                file.streams(self.families.main, self.spool, self.draft, self.context).map(BuiltPart::Shared)
            }
        }
    }

    /// The bytes of a pack in one piece.
    fn whole(&self, pack: &Pack<'_>, contents: &Contents<'_>) -> Result<Vec<u8>, BuildError> {
        let key = key(self.context.effort.profile, "whole", contents.members());
        if let Some(finished) = self.spool.finished(&key) {
            return Ok(self.spool.read(finished)?);
        }
        let bytes = whole(contents, self.families, &self.context.objects);
        let bytes = bytes.map_err(|error| of_pack(error, pack.plan))?;
        if self.spool.is_resumable() {
            self.spool.keep_as(&key, &bytes)?;
        }
        Ok(bytes)
    }

    /// Puts all packs together from what the jobs made: nothing but copying.
    ///
    /// # Errors
    /// [`BuildError::StoredPack`] if the previous pack that segments are copied from was damaged meanwhile; failures of
    /// the store.
    pub(crate) fn assemble(&self, mut built: Built) -> Result<Vec<Made>, BuildError> {
        let mut packs = std::mem::take(&mut built.packs);
        let assembled = fan_out(&self.layout.packs, self.context.workers, |pack| {
            let meta = match &pack.form {
                Form::Whole { .. } => return Ok(None),
                Form::Copy(zero) => zero.copy_to(&pack.plan.artifact(), self.draft)?,
                Form::Parts(parts) => self.put_together(pack, parts, &built)?,
            };
            Ok::<_, BuildError>(Some(made(pack, meta, Duration::ZERO)))
        })?;
        packs.extend(assembled.into_iter().flatten());
        Ok(packs)
    }

    fn put_together(&self, pack: &Pack<'_>, parts: &[Part], built: &Built) -> Result<ArtifactMeta, BuildError> {
        let family = self.families.main;
        let end = tar_end(family).map_err(|error| of_pack(MemberError::Write(error), pack.plan))?;
        let length = parts.iter().map(|part| part.length(built)).sum::<u64>() + end.len() as u64;
        if let Some(zero) = pack.smaller(length) {
            return zero.copy_to(&pack.plan.artifact(), self.draft);
        }
        // Only zero packs have a successor that copies from them.
        let mut catalogue = pack.plan.from.is_none().then(Vec::new);
        let meta = put(self.draft, &pack.plan.artifact(), |out| {
            let mut offset = 0;
            for part in parts {
                let bytes = part.bytes(built, self.spool)?;
                out.write_all(&bytes).map_err(MemberError::Write)?;
                let length = bytes.len() as u64;
                if let Some(segments) = &mut catalogue
                    && let members @ [_, ..] = &part.members(self.layout, &self.context.objects)[..]
                {
                    let members = members.to_vec();
                    segments.push(PackedSegment { offset, length, sha256: Digest::of(&bytes), members });
                }
                offset += length;
            }
            out.write_all(&end).map_err(MemberError::Write)
        })?;
        if let Some(segments) = catalogue.filter(|segments| !segments.is_empty()) {
            let family = family.name.to_owned();
            Catalogue { family, segments }.keep(&pack.plan.bundle, pack.plan.to, meta, self.draft.store());
        }
        Ok(meta)
    }
}

impl Part {
    fn length(&self, built: &Built) -> u64 {
        match self {
            Self::Segment(place) => built.segments[*place].length(),
            Self::Shared(place) => built.shared[*place].header.length() + built.shared[*place].content.length(),
            Self::Reused(segment, _) => segment.length,
        }
    }

    fn bytes(&self, built: &Built, spool: &Spool) -> Result<Vec<u8>, MemberError> {
        let read = |spooled| spool.read(spooled).map_err(|error| MemberError::Object(error.into()));
        match self {
            Self::Segment(place) => read(built.segments[*place]),
            Self::Shared(place) => {
                let SharedStreams { header, content } = built.shared[*place];
                Ok([read(header)?, read(content)?].concat())
            }
            Self::Reused(segment, pack) => Ok(pack.bytes(segment)?),
        }
    }

    /// The files of a part that a later zero pack can reuse, each with its bytes in a tar. The head is never reused.
    fn members(&self, layout: &Layout<'_>, objects: &Objects<'_>) -> Vec<(clearwell_format::FileHash, u64)> {
        match self {
            Self::Segment(place) => match &layout.segments[*place] {
                Segment { kind: SegmentKind::Head, .. } => Vec::new(),
                Segment { members, .. } => members
                    .iter()
                    .filter_map(|member| match member {
                        Member::Staged(item) => Some((item.hash, objects.tar_bytes(*item))),
                        Member::Delta(_) => None,
                    })
                    .collect(),
            },
            Self::Shared(place) => {
                let item = layout.shared[*place].item;
                vec![(item.hash, objects.tar_bytes(item))]
            }
            Self::Reused(segment, _) => segment.members.clone(),
        }
    }
}

fn made(pack: &Pack<'_>, meta: ArtifactMeta, took: Duration) -> Made {
    Made { artifact: pack.plan.artifact(), meta, reused: false, took }
}

fn of_pack(error: MemberError, plan: &PackPlan) -> BuildError {
    error.of(&plan.artifact(), plan.to)
}

//! The layout of zero packs: what is reused of the bundle's previous pack, and what is compressed.
//!
//! ```text
//! head       delta/  staged/  staged/<hash>/ …        directories and links, compressed for each pack
//! reused     staged/<hash> …                          segments of the bundle's previous pack, copied
//! new        staged/<hash> …                          what these lack: all but machine code, machine code, and large
//!                                                     programs that are similar, such as one for several machines
//! shared     staged/<hash>                            one other large program: header, and the content its fullfile has
//! end        the zero blocks of the tar
//! ```
//!
//! A bundle that changes a little reuses most of its previous pack, byte for byte. Files that are no longer in the bundle
//! stay in reused segments as *dead* bytes. The rules:
//!
//! - A small pack ([`SMALL_PACK_BYTES`]) is one piece and is never reused.
//! - A segment is reused while at most a quarter of it is dead.
//! - All dead bytes of a pack together are at most a sixteenth of the live ones; above that, the segments with the largest
//!   dead part are dropped first.
//! - There are at most as many segments as a new pack would have, and ten more; above that, the smallest are dropped.
//!
//! Files of dropped segments are compressed again, together with new files.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use clearwell_format::archive::{DEAD_SHARE, WHOLE_PACK_BYTES};
use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, Resource};

use super::catalogue::{Catalogue, PackedSegment};
use super::layout::{Form, Layout, Pack, Part, PreviousPack};
use super::member::{Contents, Member};
use super::segment::{SIMILAR_CODE_BYTES, Segment, SegmentKind};
use super::shared_file::{ContentSource, SharedFile};
use crate::deltas::content;
use crate::deltas::sketch::similar_to_others;
use crate::error::BuildError;
use crate::executable::{START_BYTES, is_x86};
use crate::fan_out::fan_out;
use crate::make::MakeContext;
use crate::member::Objects;
use crate::plan::{PackItem, PackPlan};

/// Lays out zero packs. Segments are reused of those of the context's previous release.
///
/// # Errors
/// If an object cannot be read.
pub(crate) fn layout<'p>(plans: &[&'p PackPlan], context: &MakeContext<'_>) -> Result<Layout<'p>, BuildError> {
    let packs = fan_out(plans, context.workers, |plan| {
        context.progress.go_on()?;
        PackParts::of(plan, context)
    })?;
    let mut layout = Layout::default();
    let shared: BTreeMap<FileHash, PackItem> =
        packs.iter().flatten().flat_map(|parts| &parts.shared).map(|item| (item.hash, *item)).collect();
    let shared_place: BTreeMap<FileHash, usize> = shared.keys().copied().zip(0..).collect();
    layout.shared = shared.into_values().map(|item| SharedFile { item, content: ContentSource::Compress }).collect();
    for (&plan, parts) in plans.iter().zip(packs) {
        let form = match parts {
            None => Form::Whole {
                contents: Contents { deltas: Vec::new(), staged: &plan.items },
                tar_bytes: context.objects.pack_bytes(plan),
            },
            Some(PackParts { head, reused, segments, shared }) => {
                let mut parts = vec![layout.add(head)];
                parts.extend(reused);
                parts.extend(segments.into_iter().map(|segment| layout.add(segment)));
                parts.extend(shared.iter().map(|item| Part::Shared(shared_place[&item.hash])));
                Form::Parts(parts)
            }
        };
        layout.packs.push(Pack { plan, form, limit: None });
    }
    Ok(layout)
}

/// The parts of one pack, in their order.
struct PackParts<'p> {
    head: Segment<'p>,
    reused: Vec<Part>,
    segments: Vec<Segment<'p>>,
    /// Large programs whose fullfiles have the same content.
    shared: Vec<PackItem>,
}

impl PackParts<'_> {
    /// `None` for a small pack, which is one piece.
    fn of(plan: &PackPlan, context: &MakeContext<'_>) -> Result<Option<Self>, BuildError> {
        let objects = &context.objects;
        if objects.pack_bytes(plan) <= SMALL_PACK_BYTES {
            return Ok(None);
        }
        let (mut missing, others): (Vec<_>, Vec<_>) = plan.items.iter().partition(|&&item| objects.may_be_file(item));
        let head = Segment {
            kind: SegmentKind::Head,
            tar_bytes: others.len() as u64 * HEADER_BYTES,
            members: others.into_iter().map(Member::Staged).collect(),
        };
        let reused = reused(plan, &missing, context);
        let is_reused: HashSet<FileHash> = reused.iter().flat_map(|(segment, _)| segment.hashes()).collect();
        missing.retain(|item| !is_reused.contains(&item.hash));

        let profile = context.effort.profile;
        let bytes = |items: &[PackItem]| items.iter().map(|&item| objects.tar_bytes(item)).sum::<u64>();
        let shared_bytes = profile.shared_bytes(2 * bytes(&missing) > bytes(&plan.items));
        let (mut machine_code, mut others, mut large) = (Vec::new(), Vec::new(), Vec::new());
        for item in missing {
            if !is_x86(&objects.start(item, START_BYTES)?) {
                others.push(item);
            } else if objects.tar_bytes(item) >= shared_bytes {
                large.push((item, content::sketch(item, objects)?));
            } else {
                machine_code.push(item);
            }
        }
        let similar = similar_to_others(large.iter().map(|(item, sketch)| (item.hash, sketch)));
        let (similar, mut shared): (Vec<_>, Vec<_>) =
            large.into_iter().map(|(item, _)| item).partition(|item| similar.contains(&item.hash));
        if !profile.shares(context.effort.methods) {
            machine_code.append(&mut shared);
        }
        let cut = |kind, items: Vec<PackItem>, limit| {
            let members = items.into_iter().map(|item| (Member::Staged(item), objects.tar_bytes(item)));
            Segment::cut(kind, members, limit)
        };
        let mut segments = cut(SegmentKind::Others, others, SEGMENT_BYTES);
        segments.extend(cut(SegmentKind::MachineCode, machine_code, SEGMENT_BYTES));
        segments.extend(cut(SegmentKind::SimilarCode, similar, SIMILAR_CODE_BYTES));
        let reused = reused.into_iter().map(|(segment, pack)| Part::Reused(segment, pack)).collect();
        Ok(Some(Self { head, reused, segments, shared }))
    }
}

/// Segments to copy from the zero pack that the bundle has in the context's previous release. A segment that is damaged on
/// disk is compressed again; a check of the store reports it.
fn reused(plan: &PackPlan, wanted: &[PackItem], context: &MakeContext<'_>) -> Vec<(PackedSegment, Arc<PreviousPack>)> {
    let previous = context.previous.and_then(|previous| previous.bundles.get(&plan.bundle));
    let found = previous.and_then(|manifest| {
        let (version, store) = (manifest.header.version, context.objects.store);
        let catalogue = Catalogue::read(&plan.bundle, version, store)?;
        let resource = Resource::of(version, Artifact::Pack { bundle: plan.bundle.clone(), from: None });
        let (file, _) = store.open_artifact(&resource).ok()?;
        // Streams of two formats are not one archive.
        let is_of_family = catalogue.family == context.effort.profile.zero_pack_family().name;
        is_of_family.then_some((catalogue, Arc::new(PreviousPack { resource, file })))
    });
    let Some((catalogue, pack)) = found else { return Vec::new() };
    let segments = worth_reusing(catalogue, wanted, &context.objects).into_iter();
    let whole = segments.filter(|segment| segment.bytes(&pack.file).is_some());
    whole.map(|segment| (segment, Arc::clone(&pack))).collect()
}

/// The segments of a catalogue that the rules reuse, in their order.
fn worth_reusing(catalogue: Catalogue, wanted: &[PackItem], objects: &Objects<'_>) -> Vec<PackedSegment> {
    let wanted_bytes: u64 = wanted.iter().map(|&item| objects.tar_bytes(item)).sum();
    let wanted: HashSet<FileHash> = wanted.iter().map(|item| item.hash).collect();
    let mut seen = HashSet::new();
    let mut reused: Vec<(u64, u64, PackedSegment)> = Vec::new();
    for segment in catalogue.segments {
        let all: u64 = segment.members.iter().map(|&(_, bytes)| bytes).sum();
        // A file that an earlier segment has already is dead in this one.
        let live = segment.members.iter().filter(|&&(hash, _)| wanted.contains(&hash) && seen.insert(hash));
        let live: u64 = live.map(|&(_, bytes)| bytes).sum();
        if all > 0 && (all - live) * SEGMENT_DEAD_SHARE <= all {
            reused.push((all - live, all, segment));
        }
    }
    let most_segments = usize::try_from(wanted_bytes / SEGMENT_BYTES).unwrap_or(usize::MAX).saturating_add(10);
    loop {
        let dead: u64 = reused.iter().map(|&(dead, ..)| dead).sum();
        let place = if dead * PACK_DEAD_SHARE > wanted_bytes {
            reused.iter().enumerate().max_by_key(|(_, (dead, all, _))| dead * 1000 / all)
        } else if reused.iter().filter(|(_, all, _)| *all < LARGE_BYTES).count() > most_segments {
            reused.iter().enumerate().min_by_key(|(_, (_, all, _))| *all)
        } else {
            None
        };
        let Some((place, _)) = place else { break };
        reused.remove(place);
    }
    reused.into_iter().map(|(_, _, segment)| segment).collect()
}

/// Up to here a pack is one piece: it takes a fraction of a second, and every stream costs some bytes.
const SMALL_PACK_BYTES: u64 = WHOLE_PACK_BYTES;
/// Limit of a new segment, in bytes of tar: as far as the dictionary reaches.
const SEGMENT_BYTES: u64 = 32 << 20;
/// Larger segments do not count as many: most are one program.
const LARGE_BYTES: u64 = 1 << 20;
/// At most one in this number of a segment's bytes may be dead.
const SEGMENT_DEAD_SHARE: u64 = 4;
/// At most one dead byte for this number of live ones in a pack. Checks of packs use the same number.
const PACK_DEAD_SHARE: u64 = DEAD_SHARE;
/// A directory or a link is a header only.
const HEADER_BYTES: u64 = 512;

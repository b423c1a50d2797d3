//! The layout of update packs: what several packs of a bundle have in common is compressed once.
//!
//! ```text
//! head       delta/  staged/
//! segments   delta/10-20-<from>-<to> …  staged/<hash> …      members of the same packs: all but machine code, machine
//!                                                            code, large similar programs, deltas whose blocks are
//!                                                            compressed
//! shared     staged/<hash>                                   one large file: header, and the content its fullfile has
//! end        the zero blocks of the tar
//! ```
//!
//! Packs of one bundle from several versions are similar: what did not change between these versions is in all of them.
//! Members of the same packs are one group. A small group of several packs is compressed for each pack instead: with
//! fewer neighbours its members would compress worse, which costs more than is saved. A large group is cut, so that
//! several workers can compress it. A large file takes the content of its fullfile, if that is a separate stream, unless
//! other files of the bundle are similar to it. A small pack is one piece and has no part in common with others.
//!
//! Always true: an update pack is never larger than the zero pack next to it, which replaces it otherwise: it
//! contains every file that the update pack delivers. Bytes depend on the packs that are planned together, not on
//! those that exist already.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use clearwell_format::pack::DeltaName;
use clearwell_format::{BundleName, FileHash, Version};
use clearwell_store::Draft;

use super::builder::{Families, PackBuilder};
use super::facts::Facts;
use super::layout::{Form, Layout, Pack, Part, ZeroPack};
use super::member::{Contents, Member};
use super::segment::{SIMILAR_CODE_BYTES, Segment, SegmentKind};
use super::segment_writer::SMALL_BYTES;
use super::shared_file::{ContentSource, SharedFile};
use crate::deltas::choice::Choice;
use crate::deltas::sketch::similar_to_others;
use crate::deltas::spool::Spool;
use crate::error::BuildError;
use crate::make::{Made, MakeContext};
use crate::plan::{PackItem, PackPlan};

/// An update pack, and the zero pack of the bundle in the same folder.
#[derive(Clone, Copy)]
pub(crate) struct UpdatePack<'p> {
    pub(crate) plan: &'p PackPlan,
    pub(crate) zero: Option<&'p PackPlan>,
}

/// Builds those of `packs` that the draft does not have.
///
/// # Errors
/// The failure of the costliest part. Finished packs stay in the draft for the next run.
pub(crate) fn make(
    packs: &[UpdatePack<'_>],
    choice: &Choice,
    draft: &Draft<'_>,
    context: &MakeContext<'_>,
) -> Result<Vec<Made>, BuildError> {
    // The order decides on the order of segments.
    let mut packs = packs.to_vec();
    packs.sort_by_key(|pack| (&pack.plan.bundle, pack.plan.from));
    let missing = |plan: &&PackPlan| draft.contains(&plan.artifact()).is_none();
    let plans: Vec<&PackPlan> = packs.iter().map(|pack| pack.plan).filter(missing).collect();
    let mut made = context.left_over(&plans, draft)?;

    let layout = layout(&packs, choice, draft, context)?;
    let spool = Spool::new(&draft.store().layout().staging(), draft.store().disk())?;
    let families = Families::of_update_packs(context.effort.profile);
    made.extend(PackBuilder { layout: &layout, families, draft, context, spool: &spool }.build()?);
    Ok(made)
}

/// Lays out all packs together, and leaves out those that the draft has.
fn layout<'p>(
    packs: &[UpdatePack<'p>],
    choice: &'p Choice,
    draft: &Draft<'_>,
    context: &MakeContext<'_>,
) -> Result<Layout<'p>, BuildError> {
    let contents: Vec<Contents<'p>> = packs.iter().map(|pack| choice.contents(pack.plan)).collect();
    let can_share = context.effort.profile.update_pack_family().name == "xz";
    let mut items = BTreeMap::new();
    for (pack, contents) in packs.iter().zip(&contents) {
        for &item in contents.staged {
            let version = choice.fullfile_version(pack.plan, item.hash).filter(|_| can_share);
            items.entry(item.hash).or_insert((item, version));
        }
    }
    let facts = Facts::collect(items, draft, context)?;

    let (mut layout, mut large) = (Layout::default(), Vec::new());
    for (pack, contents) in packs.iter().zip(contents) {
        let is_missing = draft.contains(&pack.plan.artifact()).is_none();
        let limit = pack.zero.and_then(|zero| ZeroPack::find(zero, draft));
        let has_the_same_members =
            |zero: &ZeroPack<'_>| contents.deltas.is_empty() && zero.plan.items.len() == pack.plan.items.len();
        let tar_bytes = contents.members().map(|member| facts.tar_bytes(&member)).sum();
        let form = match limit.filter(has_the_same_members) {
            Some(zero) => Form::Copy(zero),
            None if tar_bytes <= SMALL_BYTES as u64 => Form::Whole { contents, tar_bytes },
            None => {
                large.push(LargePack { plan: pack.plan, contents, limit, is_missing });
                continue;
            }
        };
        if is_missing {
            layout.packs.push(Pack { plan: pack.plan, form, limit });
        }
    }
    large_packs(&large, &facts, &mut layout);
    Ok(layout)
}

/// A pack of several parts.
struct LargePack<'p> {
    plan: &'p PackPlan,
    contents: Contents<'p>,
    limit: Option<ZeroPack<'p>>,
    /// The draft does not have it. Otherwise it still decides what the others have in common with it.
    is_missing: bool,
}

/// Adds the missing ones of `packs` to a layout.
fn large_packs<'p>(packs: &[LargePack<'p>], facts: &Facts, layout: &mut Layout<'p>) {
    let similar = similar_files(packs, facts);
    let is_shared = |pack: &LargePack<'_>, item: &PackItem| {
        let shareable = facts.of(item.hash).shareable;
        shareable.filter(|_| !similar[&pack.plan.bundle].contains(&item.hash))
    };
    let members: Vec<Vec<(Member<'p>, SegmentKind)>> = packs
        .iter()
        .map(|pack| {
            let solidity = |solid| if solid { SegmentKind::Others } else { SegmentKind::StoredDeltas };
            let deltas = pack.contents.deltas.iter().map(|delta| (Member::Delta(*delta), solidity(delta.solid)));
            let staged = pack.contents.staged.iter().filter(|item| is_shared(pack, item).is_none()).map(|&item| {
                let kind = match facts.of(item.hash).is_machine_code {
                    true if similar[&pack.plan.bundle].contains(&item.hash) => SegmentKind::SimilarCode,
                    true => SegmentKind::MachineCode,
                    false => SegmentKind::Others,
                };
                (Member::Staged(item), kind)
            });
            deltas.chain(staged).collect()
        })
        .collect();

    let mut parts: Vec<Vec<Part>> = packs.iter().map(|_| Vec::new()).collect();
    if packs.iter().any(|pack| pack.is_missing) {
        layout.segments.push(Segment { kind: SegmentKind::Head, members: Vec::new(), tar_bytes: 0 });
        let head = layout.segments.len() - 1;
        parts.iter_mut().for_each(|parts| parts.push(Part::Segment(head)));
    }
    for ((kind, in_packs), members) in groups(packs, &members, facts) {
        if in_packs.iter().all(|&pack| !packs[pack].is_missing) {
            continue;
        }
        let limit = if kind == SegmentKind::SimilarCode { SIMILAR_CODE_BYTES } else { SEGMENT_BYTES };
        for segment in Segment::cut(kind, members.into_iter().map(|member| (member, facts.tar_bytes(&member))), limit) {
            layout.segments.push(segment);
            let segment = layout.segments.len() - 1;
            in_packs.iter().for_each(|&pack| parts[pack].push(Part::Segment(segment)));
        }
    }

    let missing = || packs.iter().zip(0..).filter(|(pack, _)| pack.is_missing);
    let mut shared: BTreeMap<FileHash, (PackItem, Version)> = BTreeMap::new();
    for (pack, _) in missing() {
        for item in pack.contents.staged {
            shared.extend(is_shared(pack, item).map(|version| (item.hash, (*item, version))));
        }
    }
    let shared_place: BTreeMap<FileHash, usize> = shared.keys().copied().zip(0..).collect();
    layout.shared.extend(shared.into_values().map(|(item, version)| {
        let content_bytes = facts.of(item.hash).content_bytes;
        SharedFile { item, content: ContentSource::Fullfile { version, content_bytes } }
    }));
    for (pack, place) in missing() {
        let mut parts = std::mem::take::<Vec<Part>>(&mut parts[place]);
        let shared = pack.contents.staged.iter().filter(|item| is_shared(pack, item).is_some());
        parts.extend(shared.map(|item| Part::Shared(shared_place[&item.hash])));
        layout.packs.push(Pack { plan: pack.plan, form: Form::Parts(parts), limit: pack.limit });
    }
}

/// By bundle, the staged files that other staged files of the bundle are similar to.
fn similar_files<'p>(packs: &[LargePack<'p>], facts: &Facts) -> BTreeMap<&'p BundleName, HashSet<FileHash>> {
    let mut staged: BTreeMap<&BundleName, BTreeSet<FileHash>> = BTreeMap::new();
    for pack in packs {
        staged.entry(&pack.plan.bundle).or_default().extend(pack.contents.staged.iter().map(|item| item.hash));
    }
    let sketch = |hash: &FileHash| Some((*hash, facts.of(*hash).sketch.as_ref()?));
    staged.into_iter().map(|(bundle, staged)| (bundle, similar_to_others(staged.iter().filter_map(sketch)))).collect()
}

/// Members that are compressed together, by kind and by the packs that they are in.
type Groups<'p> = BTreeMap<(SegmentKind, Vec<usize>), Vec<Member<'p>>>;

fn groups<'p>(packs: &[LargePack<'p>], members: &[Vec<(Member<'p>, SegmentKind)>], facts: &Facts) -> Groups<'p> {
    let mut packs_with: BTreeMap<(&BundleName, MemberKey), Vec<usize>> = BTreeMap::new();
    for (pack, members) in members.iter().enumerate() {
        for (member, _) in members {
            packs_with.entry((&packs[pack].plan.bundle, MemberKey::of(member))).or_default().push(pack);
        }
    }
    let in_packs = |pack: usize, member: &Member<'_>| &packs_with[&(&packs[pack].plan.bundle, MemberKey::of(member))];
    let mut bytes: BTreeMap<(&[usize], SegmentKind), u64> = BTreeMap::new();
    for (pack, members) in members.iter().enumerate() {
        for (member, kind) in members {
            let in_packs = in_packs(pack, member);
            if in_packs[0] == pack {
                *bytes.entry((in_packs, *kind)).or_default() += facts.tar_bytes(member);
            }
        }
    }
    let common: BTreeSet<(&[usize], SegmentKind)> = bytes
        .into_iter()
        .filter(|((in_packs, _), bytes)| in_packs.len() > 1 && *bytes >= LEAST_COMMON_BYTES)
        .map(|(group, _)| group)
        .collect();
    let mut groups = Groups::new();
    for (pack, members) in members.iter().enumerate() {
        for &(member, kind) in members {
            let in_packs = in_packs(pack, &member);
            if !common.contains(&(&in_packs[..], kind)) {
                groups.entry((kind, vec![pack])).or_default().push(member);
            } else if in_packs[0] == pack {
                groups.entry((kind, in_packs.clone())).or_default().push(member);
            }
        }
    }
    groups
}

/// What identifies a member among the packs of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum MemberKey {
    Delta(DeltaName),
    Staged(FileHash),
}

impl MemberKey {
    const fn of(member: &Member<'_>) -> Self {
        match member {
            Member::Delta(delta) => Self::Delta(delta.name),
            Member::Staged(item) => Self::Staged(item.hash),
        }
    }
}

/// Less than this in common is compressed for each pack.
const LEAST_COMMON_BYTES: u64 = 256 << 10;
/// Limit of a segment, in bytes of tar.
const SEGMENT_BYTES: u64 = 16 << 20;

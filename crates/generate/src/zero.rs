//! Packs for new installations, made of segments that are compressed once.
//!
//! ```text
//! head       delta/  staged/  staged/<hash>/ …        directories and links, made anew for each pack
//! kept       staged/<hash> …                          segments of the pack that the bundle had before, as they are
//! new        staged/<hash> …                          what these lack: all but machine code, machine code, and large
//!                                                     programs that are alike, such as one for several machines
//! shared     staged/<hash>                            one other large program: header, and the content its fullfile has
//! end        the zero blocks of the tar
//! ```
//!
//! Clients take the streams as one. A bundle that changes a little keeps most of its old pack, byte for byte; what is no
//! longer in the bundle travels on as dead weight until it is too much. The rule:
//!
//! - A small pack ([`SMALL_PACK_BYTES`]) is one piece and always made anew.
//! - A segment is kept while at most a quarter of it is dead.
//! - All dead weight together is at most a sixteenth of what lives; before it is more, the deadest segments go.
//! - There are at most so many segments as a fresh pack would have, and eight more; before, the smallest go.
//!
//! What goes is compressed anew, with what is new.

use std::collections::{HashMap, HashSet};
use std::fs::File;

use clearwell_format::archive::{DEAD_SHARE, WHOLE_PACK_BYTES};
use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, Resource, Version};
use clearwell_store::{ArtifactMeta, Digest, Draft, Hasher};

use crate::budget::Budget;
use crate::catalogue::{Catalogue, PackedSegment};
use crate::compression::Suit;
use crate::deltas::content;
use crate::deltas::sketch::kin;
use crate::deltas::spool::{Spool, Spooled};
use crate::error::BuildError;
use crate::executable::{START_BYTES, is_x86};
use crate::member::{MemberError, Naming, Objects};
use crate::pack;
use crate::plan::{PackItem, PackPlan};
use crate::profile::Profile;
use crate::put::put;
use crate::segment::{stream, tar_end};

/// A pack and how it will be made.
pub(crate) struct ZeroPack<'p> {
    pub(crate) plan: &'p PackPlan,
    profile: Profile,
    pub(crate) pieces: Vec<Piece>,
    /// The pack that kept segments lie in.
    before: Option<(Resource, File)>,
}

/// A piece of a pack.
pub(crate) enum Piece {
    /// The whole pack at once.
    Whole,
    /// Directories and links.
    Head(Vec<PackItem>),
    /// As the pack before has it.
    Kept(PackedSegment),
    /// To be compressed.
    New(NewSegment),
    /// A file whose compressed content is shared.
    Shared(PackItem),
}

/// Files that are compressed together.
pub(crate) struct NewSegment {
    pub(crate) items: Vec<PackItem>,
    pub(crate) machine_code: bool,
    pub(crate) tar_bytes: u64,
}

impl<'p> ZeroPack<'p> {
    /// Decides on the pieces. `before` is the version that the bundle had in the release before; with `shares` large
    /// programs are compressed once for pack and fullfile.
    ///
    /// # Errors
    /// If an object cannot be read.
    pub(crate) fn new(
        plan: &'p PackPlan,
        before: Option<Version>,
        profile: Profile,
        shares: bool,
        objects: &Objects<'_>,
    ) -> Result<Self, BuildError> {
        let sizes = plan.items.iter().map(|&item| objects.tar_bytes(item));
        if sizes.sum::<u64>() <= SMALL_PACK_BYTES {
            return Ok(Self { plan, profile, pieces: vec![Piece::Whole], before: None });
        }
        let (files, others): (Vec<_>, Vec<_>) = plan.items.iter().partition(|&&item| objects.may_be_file(item));
        let mut pieces = vec![Piece::Head(others)];
        let old = before.and_then(|before| {
            let catalogue = Catalogue::read(&plan.bundle, before, objects.store)?;
            let is_of_family = catalogue.family == profile.install_family().name;
            let pack = Resource::of(before, Artifact::Pack { bundle: plan.bundle.clone(), from: None });
            let (file, _) = objects.store.open_artifact(&pack).ok()?;
            is_of_family.then_some((catalogue, (pack, file)))
        });
        let mut missing = files;
        let mut before = None;
        if let Some((catalogue, (pack, file))) = old {
            // One that is damaged on disk is made anew, and a check of the store tells more.
            let mut kept = kept(catalogue, &missing, objects);
            kept.retain(|segment| segment.bytes(&file).is_some());
            let there: HashSet<FileHash> =
                kept.iter().flat_map(|segment| &segment.members).map(|&(hash, _)| hash).collect();
            missing.retain(|item| !there.contains(&item.hash));
            pieces.extend(kept.into_iter().map(Piece::Kept));
            before = Some((pack, file));
        }
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
        let kin = kin(large.iter().map(|(item, sketch)| (item.hash, sketch)));
        let (alike, single): (Vec<_>, Vec<_>) =
            large.into_iter().map(|(item, _)| item).partition(|item| kin.contains(&item.hash));
        let shared = if shares {
            single
        } else {
            machine_code.extend(single.iter().copied());
            Vec::new()
        };
        pieces.extend(cut(others, false, SEGMENT_BYTES, objects));
        pieces.extend(cut(machine_code, true, SEGMENT_BYTES, objects));
        pieces.extend(cut(alike, true, KIN_BYTES, objects));
        pieces.extend(shared.into_iter().map(Piece::Shared));
        Ok(Self { plan, profile, pieces, before })
    }

    /// Puts the pieces together. `made` gives the bytes of a piece by its place, `content` the compressed content of a
    /// file that is shared.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn assemble(
        &self,
        made: &HashMap<usize, Spooled>,
        content: &HashMap<FileHash, Spooled>,
        spool: &Spool,
        objects: &Objects<'_>,
        draft: &Draft<'_>,
    ) -> Result<ArtifactMeta, BuildError> {
        let mut segments = Vec::new();
        let meta = put(draft, &pack::artifact(self.plan), |out| {
            let mut offset = 0;
            for (place, piece) in self.pieces.iter().enumerate() {
                let spooled = || spool.read(made[&place]).map_err(|error| MemberError::Object(error.into()));
                let (bytes, members) = match piece {
                    Piece::Whole | Piece::Head(_) => (spooled()?, Vec::new()),
                    Piece::New(segment) => {
                        let member = |&item: &PackItem| (item.hash, objects.tar_bytes(item));
                        (spooled()?, segment.items.iter().map(member).collect())
                    }
                    Piece::Shared(item) => {
                        let content = spool.read(content[&item.hash]).map_err(|e| MemberError::Object(e.into()))?;
                        ([spooled()?, content].concat(), vec![(item.hash, objects.tar_bytes(*item))])
                    }
                    Piece::Kept(segment) => (self.kept_bytes(segment)?, segment.members.clone()),
                };
                out.write_all(&bytes).map_err(MemberError::Write)?;
                let length = bytes.len() as u64;
                if !members.is_empty() {
                    segments.push(PackedSegment { offset, length, sha256: Digest::of(&bytes), members });
                }
                offset += length;
            }
            if !matches!(self.pieces[..], [Piece::Whole]) {
                out.write_all(&tar_end(self.profile.install_family()).map_err(MemberError::Write)?)
                    .map_err(MemberError::Write)?;
            }
            Ok(())
        })?;
        if !segments.is_empty() {
            let family = self.profile.install_family().name.to_owned();
            Catalogue { family, segments }.keep(&self.plan.bundle, self.plan.to, meta, draft.store());
        }
        Ok(meta)
    }

    fn kept_bytes(&self, segment: &PackedSegment) -> Result<Vec<u8>, MemberError> {
        let (pack, file) = self.before.as_ref().expect("segments are kept of a pack before only");
        let damaged = || BuildError::StoredPack { resource: Box::new(pack.clone()) };
        Ok(segment.bytes(file).ok_or_else(damaged)?)
    }
}

impl Piece {
    /// True for what has to be compressed.
    pub(crate) const fn is_to_be_made(&self) -> bool {
        !matches!(self, Self::Kept(_))
    }

    /// Bytes to compress.
    pub(crate) fn cost(&self, plan: &PackPlan, objects: &Objects<'_>) -> u64 {
        match self {
            Self::Whole => plan.items.iter().map(|&item| objects.tar_bytes(item)).sum(),
            Self::Head(items) => items.len() as u64 * 512,
            Self::New(segment) => segment.tar_bytes,
            Self::Shared(_) => 512,
            Self::Kept(_) => 0,
        }
    }

    /// Compresses the piece; of a shared file only its header.
    ///
    /// # Errors
    /// If an object cannot be read or is not what its hash says.
    pub(crate) fn make(
        &self,
        zero: &ZeroPack<'_>,
        objects: &Objects<'_>,
        budget: &Budget,
        spool: &Spool,
    ) -> Result<Spooled, BuildError> {
        let ZeroPack { plan, profile, .. } = *zero;
        let key = self.key(plan, profile);
        if let Some(finished) = spool.finished(&key) {
            return Ok(finished);
        }
        let family = profile.install_family();
        let of_pack = |error: MemberError| error.of(&pack::artifact(plan), plan.to);
        let _memory = budget.reserve(pack::memory(self.cost(plan, objects)));
        let bytes = match self {
            Self::Whole => pack::whole(plan, profile, objects),
            Self::Head(items) => stream(Suit::of(family.head), |tar| {
                pack::write_folders(tar)?;
                pack::append(items, objects, tar)
            }),
            Self::New(NewSegment { items, machine_code: is_code, .. }) => {
                let suit = if *is_code { family.machine_code } else { family.others };
                stream(suit, |tar| pack::append(items, objects, tar))
            }
            Self::Shared(item) => {
                stream(Suit::of(family.head), |tar| objects.append_header(tar, Naming::Staged, *item))
            }
            Self::Kept(_) => unreachable!("kept segments are not made"),
        };
        Ok(spool.keep_as(&key, &bytes.map_err(of_pack)?)?)
    }

    /// What decides its bytes, beside what is the same in all of a draft.
    fn key(&self, plan: &PackPlan, profile: Profile) -> String {
        let (kind, items): (&str, &[PackItem]) = match self {
            Self::Whole => ("whole", &plan.items),
            Self::Head(items) => ("head", items),
            Self::New(segment) if segment.machine_code => ("code", &segment.items),
            Self::New(segment) => ("other", &segment.items),
            Self::Shared(item) => ("shared", std::slice::from_ref(item)),
            Self::Kept(_) => ("kept", &[]),
        };
        let mut digest = Hasher::new();
        items.iter().for_each(|item| digest.update(item.hash.as_bytes()));
        format!("{}-{kind}-{}", profile.as_str(), digest.finish())
    }
}

/// The segments of the pack before that are worth keeping, in their order.
fn kept(catalogue: Catalogue, wanted: &[PackItem], objects: &Objects<'_>) -> Vec<PackedSegment> {
    let wanted_bytes: u64 = wanted.iter().map(|&item| objects.tar_bytes(item)).sum();
    let wanted: HashSet<FileHash> = wanted.iter().map(|item| item.hash).collect();
    let mut seen = HashSet::new();
    let mut kept: Vec<(u64, u64, PackedSegment)> = Vec::new();
    for segment in catalogue.segments {
        let all: u64 = segment.members.iter().map(|&(_, bytes)| bytes).sum();
        // What an earlier segment has already is dead in this one.
        let live = segment.members.iter().filter(|&&(hash, _)| wanted.contains(&hash) && seen.insert(hash));
        let live: u64 = live.map(|&(_, bytes)| bytes).sum();
        if all > 0 && (all - live) * LEAST_LIVE_PART <= all {
            kept.push((all - live, all, segment));
        }
    }
    let most_segments = usize::try_from(wanted_bytes / SEGMENT_BYTES).unwrap_or(usize::MAX).saturating_add(10);
    loop {
        let dead: u64 = kept.iter().map(|&(dead, ..)| dead).sum();
        let place = if dead * LEAST_LIVE > wanted_bytes {
            kept.iter().enumerate().max_by_key(|(_, (dead, all, _))| dead * 1000 / all)
        } else if kept.iter().filter(|(_, all, _)| *all < LARGE_BYTES).count() > most_segments {
            kept.iter().enumerate().min_by_key(|(_, (_, all, _))| *all)
        } else {
            None
        };
        let Some((place, _)) = place else { break };
        kept.remove(place);
    }
    kept.into_iter().map(|(_, _, segment)| segment).collect()
}

/// Items in their order, cut into pieces that several workers can make.
fn cut(items: Vec<PackItem>, machine_code: bool, limit: u64, objects: &Objects<'_>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut segment = NewSegment { items: Vec::new(), machine_code, tar_bytes: 0 };
    for item in items {
        let bytes = objects.tar_bytes(item);
        if segment.tar_bytes > 0 && segment.tar_bytes + bytes > limit {
            let next = NewSegment { items: Vec::new(), machine_code, tar_bytes: 0 };
            pieces.push(Piece::New(std::mem::replace(&mut segment, next)));
        }
        segment.tar_bytes += bytes;
        segment.items.push(item);
    }
    if !segment.items.is_empty() {
        pieces.push(Piece::New(segment));
    }
    pieces
}

/// Up to here a pack is one piece: it takes a fraction of a second, and every stream costs some bytes.
const SMALL_PACK_BYTES: u64 = WHOLE_PACK_BYTES;
/// What is compressed together at most, as the dictionary reaches.
const SEGMENT_BYTES: u64 = 32 << 20;
/// Of large programs that are alike: the dictionary reaches from each into the one before.
pub(crate) const KIN_BYTES: u64 = 128 << 20;
/// Segments from here on are not counted: most are one program.
const LARGE_BYTES: u64 = 1 << 20;
/// One part of so many of a segment may be dead.
const LEAST_LIVE_PART: u64 = 4;
/// One part for so many that live may be dead in a pack: whoever judges packs knows it, too.
const LEAST_LIVE: u64 = DEAD_SHARE;

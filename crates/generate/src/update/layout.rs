//! Which members of packs are compressed together.
//!
//! Members that the same packs of a bundle hold are one group; a group of several packs that is small is not worth the
//! company that its members lose, and goes to each pack by itself. A large group is cut, so that several workers can
//! make it. A large file whose fullfile has its content as a stream of its own takes that, unless others of the bundle
//! are like it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use clearwell_format::pack::DeltaName;
use clearwell_format::{BundleName, FileHash};

use super::look::Looks;
use crate::deltas::sketch::kin;
use crate::pack::{Contents, DELTA_HEADERS, PackedDelta};
use crate::plan::PackItem;
use crate::zero::KIN_BYTES;

/// The pieces of some packs.
pub(super) struct Layout<'p> {
    pub(super) segments: Vec<NewSegment<'p>>,
    /// By pack, the places of its segments.
    pub(super) held: Vec<Vec<usize>>,
    /// By pack, the files whose content is shared with their fullfiles.
    pub(super) shared: Vec<Vec<PackItem>>,
}

/// What is compressed together.
pub(super) struct NewSegment<'p> {
    pub(super) kind: Kind,
    pub(super) members: Vec<Member<'p>>,
    pub(super) tar_bytes: u64,
}

/// What suits a segment, in the order of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Solid deltas, and files without machine code.
    Others,
    MachineCode,
    /// Large programs that are alike.
    Kin,
    /// Deltas that are compressed themselves.
    Stored,
}

/// A member of a pack.
#[derive(Clone, Copy, Debug)]
pub(super) enum Member<'p> {
    Delta(&'p PackedDelta),
    Staged(PackItem),
}

/// What tells members of a bundle's packs apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Delta(DeltaName),
    Staged(FileHash),
}

impl<'p> Layout<'p> {
    /// Lays out packs of some bundles.
    pub(super) fn new(packs: &[(&BundleName, &Contents<'p>)], looks: &Looks) -> Self {
        let mut staged: BTreeMap<&BundleName, BTreeSet<FileHash>> = BTreeMap::new();
        for (bundle, contents) in packs {
            staged.entry(bundle).or_default().extend(contents.staged.iter().map(|item| item.hash));
        }
        let kin: BTreeMap<&BundleName, HashSet<FileHash>> = staged
            .into_iter()
            .map(|(bundle, staged)| {
                (bundle, kin(staged.iter().filter_map(|hash| Some((*hash, looks[hash].sketch.as_ref()?)))))
            })
            .collect();
        let is_shared = |bundle: &BundleName, item: &PackItem| {
            looks[&item.hash].shared.is_some() && !kin[bundle].contains(&item.hash)
        };
        let shared = packs
            .iter()
            .map(|(bundle, contents)| contents.staged.iter().copied().filter(|item| is_shared(bundle, item)).collect())
            .collect();
        let members: Vec<Vec<(Member<'p>, Kind)>> = packs
            .iter()
            .map(|(bundle, contents)| {
                let deltas = contents
                    .deltas
                    .iter()
                    .map(|delta| (Member::Delta(delta), if delta.solid { Kind::Others } else { Kind::Stored }));
                let staged = contents.staged.iter().filter(|item| !is_shared(bundle, item)).map(|&item| {
                    let kind = match looks[&item.hash].is_machine_code {
                        true if kin[bundle].contains(&item.hash) => Kind::Kin,
                        true => Kind::MachineCode,
                        false => Kind::Others,
                    };
                    (Member::Staged(item), kind)
                });
                deltas.chain(staged).collect()
            })
            .collect();

        let mut holders: BTreeMap<(&BundleName, Key), Vec<usize>> = BTreeMap::new();
        for (pack, members) in members.iter().enumerate() {
            for (member, _) in members {
                holders.entry((packs[pack].0, member.key())).or_default().push(pack);
            }
        }
        let mut bytes: BTreeMap<(&[usize], Kind), u64> = BTreeMap::new();
        for (pack, members) in members.iter().enumerate() {
            for (member, kind) in members {
                let held_by = &holders[&(packs[pack].0, member.key())];
                if held_by[0] == pack {
                    *bytes.entry((held_by, *kind)).or_default() += member.tar_bytes(looks);
                }
            }
        }
        let common: BTreeSet<(&[usize], Kind)> = bytes
            .into_iter()
            .filter(|((held_by, _), bytes)| held_by.len() > 1 && *bytes >= LEAST_COMMON)
            .map(|(group, _)| group)
            .collect();
        let mut groups: BTreeMap<(Kind, Vec<usize>), Vec<Member<'p>>> = BTreeMap::new();
        for (pack, members) in members.iter().enumerate() {
            for &(member, kind) in members {
                let held_by = &holders[&(packs[pack].0, member.key())];
                if !common.contains(&(&held_by[..], kind)) {
                    groups.entry((kind, vec![pack])).or_default().push(member);
                } else if held_by[0] == pack {
                    groups.entry((kind, held_by.clone())).or_default().push(member);
                }
            }
        }

        let mut layout = Self { segments: Vec::new(), held: vec![Vec::new(); packs.len()], shared };
        for ((kind, held_by), members) in groups {
            for segment in cut(kind, members, looks) {
                held_by.iter().for_each(|&pack| layout.held[pack].push(layout.segments.len()));
                layout.segments.push(segment);
            }
        }
        layout
    }
}

impl Member<'_> {
    const fn key(&self) -> Key {
        match self {
            Self::Delta(delta) => Key::Delta(delta.name),
            Self::Staged(item) => Key::Staged(item.hash),
        }
    }

    pub(super) fn tar_bytes(&self, looks: &Looks) -> u64 {
        match self {
            Self::Delta(delta) => delta.spooled.length() + DELTA_HEADERS,
            Self::Staged(item) => looks[&item.hash].tar_bytes,
        }
    }
}

fn cut<'p>(kind: Kind, members: Vec<Member<'p>>, looks: &Looks) -> Vec<NewSegment<'p>> {
    let limit = if kind == Kind::Kin { KIN_BYTES } else { SEGMENT_BYTES };
    let mut segments: Vec<NewSegment<'p>> = Vec::new();
    for member in members {
        let bytes = member.tar_bytes(looks);
        match segments.last_mut() {
            Some(segment) if segment.tar_bytes + bytes <= limit => {
                segment.tar_bytes += bytes;
                segment.members.push(member);
            }
            _ => segments.push(NewSegment { kind, members: vec![member], tar_bytes: bytes }),
        }
    }
    segments
}

/// Less than this in common is compressed once for each pack.
const LEAST_COMMON: u64 = 256 << 10;
/// What is compressed together at most.
const SEGMENT_BYTES: u64 = 16 << 20;

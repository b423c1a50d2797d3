//! Segments: members of a pack that are compressed together, in a stream that nothing else is in.

use clearwell_format::Version;

use super::member::{Member, append_folders, key};
use super::segment_writer::{SMALL_BYTES, compressed};
use crate::compression::{CodecPair, XZ};
use crate::error::BuildError;
use crate::member::{MemberError, Objects};
use crate::profile::{Family, Profile};

/// Members that are compressed together.
pub(super) struct Segment<'p> {
    pub(super) kind: SegmentKind,
    pub(super) members: Vec<Member<'p>>,
    /// What they take in a tar.
    pub(super) tar_bytes: u64,
}

/// What is in a segment, in the order of a pack. It decides on the compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SegmentKind {
    /// The folders `delta/` and `staged/`, then directories and links.
    Head,
    /// Solid deltas, and files without x86 machine code.
    Others,
    MachineCode,
    /// Large programs that are similar to each other.
    SimilarCode,
    /// Deltas whose blocks are compressed already.
    StoredDeltas,
}

impl SegmentKind {
    const fn codecs(self, family: Family) -> CodecPair {
        match self {
            Self::Head => CodecPair::of(family.head),
            Self::Others => family.others,
            Self::MachineCode | Self::SimilarCode => family.machine_code,
            Self::StoredDeltas => family.stored,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Others => "others",
            Self::MachineCode => "code",
            Self::SimilarCode => "similar",
            Self::StoredDeltas => "stored",
        }
    }
}

impl<'p> Segment<'p> {
    /// Members in their order, each with its bytes in a tar, cut into segments that several workers can compress.
    pub(super) fn cut(
        kind: SegmentKind,
        members: impl IntoIterator<Item = (Member<'p>, u64)>,
        limit: u64,
    ) -> Vec<Self> {
        let mut segments: Vec<Self> = Vec::new();
        for (member, bytes) in members {
            match segments.last_mut() {
                Some(segment) if segment.tar_bytes + bytes <= limit => {
                    segment.tar_bytes += bytes;
                    segment.members.push(member);
                }
                _ => segments.push(Self { kind, members: vec![member], tar_bytes: bytes }),
            }
        }
        segments
    }

    /// The compressed stream.
    ///
    /// # Errors
    /// [`MemberError::Object`] if a member cannot be read or has another hash than it is named after.
    pub(super) fn compress(&self, family: Family, objects: &Objects<'_>) -> Result<Vec<u8>, MemberError> {
        compressed(self.kind.codecs(family), |tar| {
            if self.kind == SegmentKind::Head {
                append_folders(tar)?;
            }
            self.members.iter().try_for_each(|member| member.append(objects, tar))
        })
    }

    /// Its key in the spool.
    pub(super) fn key(&self, profile: Profile) -> String {
        key(profile, self.kind.as_str(), self.members.iter().copied())
    }
}

/// The error for a part that several packs have in common.
pub(super) fn of_several(error: MemberError, version: Version) -> BuildError {
    match error {
        MemberError::Object(error) => error,
        MemberError::Write(source) => BuildError::Compress { object: format!("packs of {version}"), source },
    }
}

/// Memory for compressing a segment: the compressor, and twice what [`SMALL_BYTES`] allows, plain and compressed.
pub(super) fn memory(tar_bytes: u64) -> u64 {
    2 * tar_bytes.min(SMALL_BYTES as u64) + XZ.encoder_memory(tar_bytes)
}

/// Limit of a segment of large similar programs: the dictionary reaches from each into the one before.
pub(super) const SIMILAR_CODE_BYTES: u64 = 128 << 20;

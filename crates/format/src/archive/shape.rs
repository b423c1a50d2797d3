//! Which members the archives of the protocol have: one set of rules for all readers (content layout §4 and §5, packs
//! §2 and §3).
//!
//! | Archive | Members | Together at most |
//! |---|---|---|
//! | fullfile | one object, named by its hash | the limit of the caller |
//! | manifest | `Manifest.<name>`, for the MoM also `Manifest.MoM.sig` | [`LARGEST_MANIFEST`], [`LARGEST_MOM`] |
//! | zero pack | the two folders, `staged/<hash>` | the size in the manifest of its bundle |
//! | delta pack | the same, and `delta/<from>-<to>` | the same |
//!
//! Always true: no member occurs twice, no other names occur, and what is staged or made by a delta is named by
//! an entry of the manifest, where the caller has it. Large packs are made of segments of earlier packs: of them a
//! sixteenth may be files that the bundle had before, or has twice ([`DEAD_SHARE`]). The caller, who reads the content,
//! compares the hash of a member with its name: the hash covers type, mode and owner.
//!
//! Stock clients also extract members that do not belong there, as root.

#![warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

use std::collections::HashSet;
use std::io::BufRead;

use super::read::{ArchiveError, Member, MemberHeader, read_members};
use super::tar::shown;
use crate::manifest::Header;
use crate::pack::{DeltaName, PackMember};
use crate::{FileHash, FileKind, Manifest, ManifestName, Owner};

/// The role of a member in its archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// A folder of a pack.
    Folder,
    /// An object that has to have this hash.
    Object(FileHash),
    /// A delta in a pack.
    Delta(DeltaName),
    /// The text of a manifest.
    Manifest,
    /// The signature of a MoM.
    Signature,
}

/// A member that does not belong in its archive, or a missing one.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// Another name than archives of this kind have.
    #[error("the member {0} is not allowed in this archive")]
    Unknown(String),
    /// A second member of the same name.
    #[error("the member {0} occurs twice")]
    Twice(String),
    /// No entry of the manifest is that file.
    #[error("the member {0} is not a file of the bundle")]
    Unnamed(String),
    /// Another kind of file, or special bits, where a plain file has to be.
    #[error("the member {0} is not a regular file")]
    NotPlain(String),
    /// A folder that would change mode or owner of the folder of the client.
    #[error("the member {0} is not a directory with owner root and mode 0700")]
    Folder(String),
    /// Another object under the name of a folder: later members would be written through it.
    #[error("the member {0} is not a directory")]
    NotAFolder(String),
    /// More content than the manifest allows.
    #[error("the archive has more than {limit} bytes up to the member {member}")]
    TooLarge {
        /// The first one above the limit.
        member: String,
        /// The limit.
        limit: u64,
    },
    /// The member that the archive is made for.
    #[error("the archive has no member {0}")]
    Missing(String),
}

/// What the manifest of its bundle allows in a pack.
#[derive(Clone, Debug)]
pub struct PackRule {
    named: HashSet<FileHash>,
    content: u64,
    dead: u64,
}

impl PackRule {
    /// The rule for the packs of a bundle in the version of `manifest`.
    pub fn of(manifest: &Manifest) -> Self {
        let named: HashSet<FileHash> = manifest.present().map(|entry| entry.hash()).collect();
        let headers = (named.len() as u64).saturating_mul(HEADER_BYTES);
        let live = manifest.header.content_size.saturating_add(headers);
        let dead = if live > WHOLE_PACK_BYTES { live / DEAD_SHARE } else { 0 };
        Self { named, content: content_limit(&manifest.header), dead }
    }

    /// Most bytes that the members have together.
    pub const fn content_bytes(&self) -> u64 {
        self.content
    }

    /// Most bytes of a pack, with any compression.
    pub fn archive_bytes(&self) -> u64 {
        archive_limit(self.content, (self.named.len() as u64).saturating_add(2))
    }
}

/// Most bytes of an archive with `content` bytes in `members` members, with any compression: incompressible data grows
/// a little.
pub const fn archive_limit(content: u64, members: u64) -> u64 {
    let plain = content.saturating_add(members.saturating_mul(MEMBER_BYTES));
    plain.saturating_add(plain / 16).saturating_add(ROOM)
}

/// Most bytes that the files of a manifest have together: what it declares, with room for those that count differently.
/// Format 25 declares two billion for all larger sizes (manifest §1).
pub fn content_limit(header: &Header) -> u64 {
    if header.content_size >= CLAMPED {
        return Header::MAX_CONTENT_SIZE;
    }
    header.content_size.saturating_add(header.content_size / 8).saturating_add(ROOM)
}

/// The rule for one archive.
#[derive(Debug)]
pub struct Shape<'a> {
    kind: Kind<'a>,
    seen: HashSet<Slot>,
    folders: [bool; 2],
    limit: u64,
    content: u64,
    /// Bytes of dead weight that are left.
    dead: u64,
}

#[derive(Debug)]
enum Kind<'a> {
    Fullfile(FileHash),
    Manifest(&'a ManifestName),
    Pack { has_deltas: bool, rule: Option<&'a PackRule> },
}

impl<'a> Shape<'a> {
    /// A fullfile whose content has at most `limit` bytes.
    pub fn fullfile(hash: FileHash, limit: u64) -> Self {
        Self::new(Kind::Fullfile(hash), limit)
    }

    /// The archive of a manifest.
    pub fn manifest(name: &'a ManifestName) -> Self {
        let limit = if *name == ManifestName::Mom { LARGEST_MOM } else { LARGEST_MANIFEST };
        Self::new(Kind::Manifest(name), limit)
    }

    /// A zero pack; without a rule if the manifest of the bundle is not available.
    pub fn zero_pack(rule: Option<&'a PackRule>) -> Self {
        Self::pack(false, rule)
    }

    /// A delta pack; without a rule if the manifest of the bundle is not available.
    pub fn delta_pack(rule: Option<&'a PackRule>) -> Self {
        Self::pack(true, rule)
    }

    fn pack(has_deltas: bool, rule: Option<&'a PackRule>) -> Self {
        let (limit, dead) =
            rule.map_or((UNKNOWN_CONTENT, UNKNOWN_CONTENT / DEAD_SHARE), |rule| (rule.content, rule.dead));
        Self { dead, ..Self::new(Kind::Pack { has_deltas, rule }, limit) }
    }

    fn new(kind: Kind<'a>, limit: u64) -> Self {
        Self { kind, seen: HashSet::new(), folders: [false; 2], limit, content: 0, dead: 0 }
    }

    /// Most bytes that its members have together.
    pub const fn content_bytes(&self) -> u64 {
        self.limit
    }

    /// Admits the next member and returns its role.
    ///
    /// # Errors
    /// [`MemberError`] if it does not belong there. Its content need not be read then.
    pub fn admit(&mut self, header: &MemberHeader) -> Result<Slot, MemberError> {
        let name = || shown(&header.name);
        let slot = self.slot(header)?;
        let is_new = match slot {
            Slot::Folder => {
                let seen = &mut self.folders[usize::from(header.name.starts_with(b"staged"))];
                !std::mem::replace(seen, true)
            }
            _ => self.seen.insert(slot),
        };
        if !is_new && !self.takes_dead_weight(slot, header) {
            return Err(MemberError::Twice(name()));
        }
        if is_new && self.is_unnamed(slot) && !self.takes_dead_weight(slot, header) {
            return Err(MemberError::Unnamed(name()));
        }
        self.content = self.content.saturating_add(header.size);
        if self.content > self.limit || self.seen.len() > MOST_MEMBERS {
            return Err(MemberError::TooLarge { member: name(), limit: self.limit });
        }
        Ok(slot)
    }

    fn is_unnamed(&self, slot: Slot) -> bool {
        let Kind::Pack { rule: Some(rule), .. } = &self.kind else { return false };
        match slot {
            Slot::Object(hash) => !rule.named.contains(&hash),
            Slot::Delta(delta) => !rule.named.contains(&delta.to),
            Slot::Folder | Slot::Manifest | Slot::Signature => false,
        }
    }

    /// Counts a file that came with a segment of an earlier pack; false if there are too many.
    fn takes_dead_weight(&mut self, slot: Slot, header: &MemberHeader) -> bool {
        let is_file = matches!((slot, header.kind), (Slot::Object(_), FileKind::File));
        let left = self.dead.checked_sub(header.size.saturating_add(BLOCK)).filter(|_| is_file);
        self.dead = left.unwrap_or(self.dead);
        left.is_some()
    }

    /// Checks at the end that the required member was there.
    ///
    /// # Errors
    /// [`MemberError::Missing`].
    pub fn finish(&self) -> Result<(), MemberError> {
        match &self.kind {
            Kind::Fullfile(hash) if self.seen.is_empty() => Err(MemberError::Missing(hash.to_string())),
            Kind::Manifest(name) if !self.seen.contains(&Slot::Manifest) => {
                Err(MemberError::Missing(format!("Manifest.{name}")))
            }
            _ => Ok(()),
        }
    }

    fn slot(&self, header: &MemberHeader) -> Result<Slot, MemberError> {
        let name = || shown(&header.name);
        match &self.kind {
            Kind::Fullfile(hash) => {
                // A slash may follow the name of a directory; the reader refuses it after other names.
                let bare = header.name.strip_suffix(b"/").unwrap_or(&header.name);
                if bare == hash.to_hex() { Ok(Slot::Object(*hash)) } else { Err(MemberError::Unknown(name())) }
            }
            Kind::Manifest(manifest) => {
                let slot = match header.name.strip_prefix(b"Manifest.") {
                    Some(b"MoM.sig") if **manifest == ManifestName::Mom => Slot::Signature,
                    Some(rest) if rest == manifest.to_string().as_bytes() => Slot::Manifest,
                    _ => return Err(MemberError::Unknown(name())),
                };
                plain(header, slot)
            }
            Kind::Pack { has_deltas, .. } => match PackMember::parse(&header.name) {
                Some(PackMember::Folder) if is_pack_folder(header) => Ok(Slot::Folder),
                Some(PackMember::Folder) if header.kind == FileKind::Directory => Err(MemberError::Folder(name())),
                Some(PackMember::Folder) => Err(MemberError::NotAFolder(name())),
                Some(PackMember::Staged(hash)) => Ok(Slot::Object(hash)),
                Some(PackMember::Delta(delta)) if *has_deltas => plain(header, Slot::Delta(delta)),
                Some(PackMember::Delta(_)) | None => Err(MemberError::Unknown(name())),
            },
        }
    }
}

/// Reads an archive and checks that all its members belong there.
///
/// # Errors
/// [`ArchiveError::Member`] at the first member that does not belong there, other variants if the archive is damaged,
/// or the first error of `visit`.
pub fn read_shaped<'r, E: From<ArchiveError>>(
    reader: impl BufRead + Send + 'r,
    mut shape: Shape<'_>,
    mut visit: impl FnMut(Slot, Member<'_>) -> Result<(), E>,
) -> Result<(), E> {
    read_members(reader, |member| {
        let slot = shape.admit(&member.header).map_err(ArchiveError::Member)?;
        visit(slot, member)
    })?;
    Ok(shape.finish().map_err(ArchiveError::Member)?)
}

fn plain(header: &MemberHeader, slot: Slot) -> Result<Slot, MemberError> {
    if header.kind == FileKind::File && header.owner.permissions & 0o7000 == 0 {
        Ok(slot)
    } else {
        Err(MemberError::NotPlain(shown(&header.name)))
    }
}

fn is_pack_folder(header: &MemberHeader) -> bool {
    header.kind == FileKind::Directory && header.owner == Owner { permissions: 0o700, uid: 0, gid: 0 }
}

/// Four million entries, the most a client takes, with paths of 160 bytes.
pub const LARGEST_MANIFEST: u64 = 1 << 30;
/// A MoM has a line for each bundle: these are more than two hundred thousand. It is read before its signature is
/// checked.
pub const LARGEST_MOM: u64 = 32 << 20;
/// The largest part of a pack that may be dead weight, as a divisor: files of earlier packs in segments with current
/// files.
pub const DEAD_SHARE: u64 = 16;
/// Up to this size of its tar, in bytes, a pack is not made of earlier segments and has no dead bytes.
pub const WHOLE_PACK_BYTES: u64 = 1 << 20;
const BLOCK: u64 = 512;
/// A header with a long name or target, and the padding of the content.
const HEADER_BYTES: u64 = 2048;
/// Most members without folders: the most entries that a client accepts.
const MOST_MEMBERS: usize = 4_000_000;
/// Most content of a pack without a manifest.
const UNKNOWN_CONTENT: u64 = 64 << 30;
/// The largest size that format 25 declares.
const CLAMPED: u64 = 1_999_999_999;
/// Slack for rounding, padding and other ways to count.
const ROOM: u64 = 16 << 20;
/// Header, padding and the extensions for a long name and target.
const MEMBER_BYTES: u64 = 16 << 10;

//! Members of a pack: objects under `staged/`, binary deltas under `delta/`.

use std::io::Write;

use clearwell_format::Owner;
use clearwell_format::archive::TarWriter;
use clearwell_format::pack::DeltaName;
use clearwell_store::Hasher;

use crate::deltas::spool::{Spool, Spooled};
use crate::member::{MemberError, Naming, Objects};
use crate::plan::PackItem;
use crate::profile::Profile;

/// A member of a pack.
#[derive(Clone, Copy, Debug)]
pub(super) enum Member<'p> {
    Delta(PackedDelta<'p>),
    Staged(PackItem),
}

/// A binary delta that a pack contains instead of a whole file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackedDelta<'p> {
    /// Hashes of the old and the new file.
    pub(crate) name: DeltaName,
    /// Where its bytes are.
    pub(crate) spool: &'p Spool,
    pub(crate) spooled: Spooled,
    /// Its blocks are not compressed: the pack's stream compresses them.
    pub(crate) solid: bool,
}

/// The contents of a pack.
#[derive(Clone, Debug)]
pub(crate) struct Contents<'p> {
    pub(crate) deltas: Vec<PackedDelta<'p>>,
    pub(crate) staged: &'p [PackItem],
}

impl<'p> Contents<'p> {
    pub(super) fn members(&self) -> impl Iterator<Item = Member<'p>> + '_ {
        self.deltas.iter().copied().map(Member::Delta).chain(self.staged.iter().copied().map(Member::Staged))
    }
}

/// The key of a part in the spool: everything that decides its bytes, apart from what is the same for all of a draft.
pub(super) fn key<'m>(profile: Profile, kind: &str, members: impl IntoIterator<Item = Member<'m>>) -> String {
    let mut digest = Hasher::new();
    for member in members {
        match member {
            Member::Delta(delta) => digest.update(delta.name.to_string().as_bytes()),
            Member::Staged(item) => digest.update(item.hash.as_bytes()),
        }
    }
    format!("{profile}-{kind}-{}", digest.finish())
}

impl Member<'_> {
    /// Appends the member to a pack.
    pub(super) fn append<W: Write>(&self, objects: &Objects<'_>, tar: &mut TarWriter<W>) -> Result<(), MemberError> {
        match self {
            Self::Delta(delta) => delta.append(tar),
            Self::Staged(item) => objects.append(tar, Naming::Staged, *item),
        }
    }
}

impl PackedDelta<'_> {
    pub(super) fn append<W: Write>(&self, tar: &mut TarWriter<W>) -> Result<(), MemberError> {
        let bytes = self.spool.read(self.spooled).map_err(|error| MemberError::Object(error.into()))?;
        let name = format!("delta/{}", self.name);
        tar.file(name.as_bytes(), Owner::MANIFEST, 0, bytes.len() as u64, &mut &bytes[..]).map_err(MemberError::Write)
    }

    /// Bytes that it adds to a tar.
    pub(super) fn tar_bytes(&self) -> u64 {
        self.spooled.length() + DELTA_HEADERS
    }
}

/// Appends the two folders that every pack begins with.
pub(super) fn append_folders<W: Write>(tar: &mut TarWriter<W>) -> Result<(), MemberError> {
    [&b"delta/"[..], b"staged/"]
        .into_iter()
        .try_for_each(|folder| tar.directory(folder, FOLDER, 0).map_err(MemberError::Write))
}

/// The header of a delta, its name, which is too long for a header, and the header of that.
const DELTA_HEADERS: u64 = 1536;
/// Another mode or owner would change the client's own folders (packs §2).
const FOLDER: Owner = Owner { permissions: 0o700, uid: 0, gid: 0 };

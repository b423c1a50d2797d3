//! Packs: what a bundle needs, in one archive (packs §2 and §3).
//!
//! ```text
//! stream 1   delta/  staged/  delta/10-20-<from>-<to> …  staged/<hash> …     solid deltas, all but machine code
//! stream 2   staged/<hash> …                                                 x86 machine code, with the branch filter
//! stream 3   delta/10-20-<from>-<to> …                                       deltas that are compressed themselves
//! ```
//!
//! Clients take several streams of one compression as one. Each stream is solid; inside, members of packs for new
//! installations keep the order of the manifest, which puts files of one folder side by side, and those of packs for
//! updates come in the order that was chosen for them. A pack is never held in memory: it runs through the compressor
//! into the draft.

use std::io::Write;

use clearwell_format::archive::TarWriter;
use clearwell_format::pack::DeltaName;
use clearwell_format::resource::Artifact;
use clearwell_format::{Owner, Resource};
use clearwell_store::Store;

use crate::compression::{Suit, XZ};
use crate::deltas::spool::{Spool, Spooled};
use crate::error::BuildError;
use crate::executable::{START_BYTES, is_x86};
use crate::member::{MemberError, Naming, Objects};
use crate::plan::{Origin, PackItem, PackPlan};
use crate::profile::{Family, Profile};
use crate::segment::{SMALL_BYTES, Segment};

/// A binary delta that a pack carries in place of a whole file.
#[derive(Clone, Debug)]
pub(crate) struct PackedDelta {
    /// From what to what.
    pub(crate) name: DeltaName,
    /// Where its bytes are.
    pub(crate) spooled: Spooled,
    /// Its blocks are bare: the pack's stream compresses them.
    pub(crate) solid: bool,
}

/// What a pack holds.
pub(crate) struct Contents<'p> {
    pub(crate) deltas: &'p [PackedDelta],
    /// Where the deltas are.
    pub(crate) spool: Option<&'p Spool>,
    pub(crate) staged: &'p [PackItem],
}

/// A whole pack for new installations, small enough to be held in memory.
pub(crate) fn whole(plan: &PackPlan, profile: Profile, objects: &Objects<'_>) -> Result<Vec<u8>, MemberError> {
    let contents = Contents { deltas: &[], spool: None, staged: &plan.items };
    let mut bytes = Vec::new();
    write(&contents, objects, profile.install_family(), &mut bytes)?;
    Ok(bytes)
}

/// A whole pack for updates, likewise: the smallest that the families of codecs make.
pub(crate) fn whole_update(
    contents: &Contents<'_>,
    profile: Profile,
    objects: &Objects<'_>,
) -> Result<Vec<u8>, MemberError> {
    let mut smallest = Vec::new();
    write(contents, objects, profile.update_family(), &mut smallest)?;
    if let Some(family) = profile.second_update_family() {
        let mut other = Vec::new();
        write(contents, objects, family, &mut other)?;
        smallest = if other.len() < smallest.len() { other } else { smallest };
    }
    Ok(smallest)
}

/// The name of a pack.
pub(crate) fn artifact(plan: &PackPlan) -> Artifact {
    Artifact::Pack { bundle: plan.bundle.clone(), from: plan.from }
}

/// A fullfile that the pack would be made from and that the store does not have.
pub(crate) fn missing_content(plan: &PackPlan, store: &Store) -> Result<Option<Resource>, BuildError> {
    for item in &plan.items {
        if let Origin::Fullfile(version) = item.origin {
            let fullfile = Resource::of(version, Artifact::Fullfile(item.hash));
            if store.lookup(&fullfile)?.is_none() {
                return Ok(Some(fullfile));
            }
        }
    }
    Ok(None)
}

fn write(
    contents: &Contents<'_>,
    objects: &Objects<'_>,
    family: Family,
    mut out: &mut dyn Write,
) -> Result<(), MemberError> {
    let (machine_code, others) = by_content(contents.staged, objects)?;
    let (solid, stored): (Vec<_>, Vec<_>) = contents.deltas.iter().partition(|delta| delta.solid);
    let mut streams = vec![Stream { suit: family.others, deltas: solid, staged: others }];
    streams.push(Stream { suit: family.machine_code, deltas: Vec::new(), staged: machine_code });
    streams.push(Stream { suit: family.stored, deltas: stored, staged: Vec::new() });

    // The tar goes on from stream to stream: only its compression begins anew.
    let last = streams.iter().rposition(|stream| !stream.is_empty()).unwrap_or(0);
    for (index, stream) in streams.iter().enumerate().filter(|(index, stream)| *index == 0 || !stream.is_empty()) {
        let mut segment = Segment::new(stream.suit, out);
        let mut tar = TarWriter::new(&mut segment);
        if index == 0 {
            write_folders(&mut tar)?;
        }
        stream.deltas.iter().try_for_each(|delta| append_delta(delta, contents.spool, &mut tar))?;
        append(&stream.staged, objects, &mut tar)?;
        if index == last {
            tar.finish().map_err(MemberError::Write)?;
        }
        out = segment.finish().map_err(MemberError::Write)?;
    }
    Ok(())
}

/// What is compressed together.
struct Stream<'p> {
    suit: Suit,
    deltas: Vec<&'p PackedDelta>,
    staged: Vec<PackItem>,
}

impl Stream<'_> {
    const fn is_empty(&self) -> bool {
        self.deltas.is_empty() && self.staged.is_empty()
    }
}

pub(crate) fn append_delta<W: Write>(
    delta: &PackedDelta,
    spool: Option<&Spool>,
    tar: &mut TarWriter<W>,
) -> Result<(), MemberError> {
    let spool = spool.expect("whoever brings deltas brings their spool");
    let bytes = spool.read(delta.spooled).map_err(|error| MemberError::Object(error.into()))?;
    let name = format!("delta/{}", delta.name);
    tar.file(name.as_bytes(), Owner::MANIFEST, 0, bytes.len() as u64, &mut &bytes[..]).map_err(MemberError::Write)
}

/// The two folders that everything lies in.
pub(crate) fn write_folders<W: Write>(tar: &mut TarWriter<W>) -> Result<(), MemberError> {
    [&b"delta/"[..], b"staged/"]
        .into_iter()
        .try_for_each(|folder| tar.directory(folder, FOLDER, 0).map_err(MemberError::Write))
}

pub(crate) fn append<W: Write>(
    items: &[PackItem],
    objects: &Objects<'_>,
    tar: &mut TarWriter<W>,
) -> Result<(), MemberError> {
    items.iter().try_for_each(|&item| objects.append(tar, Naming::Staged, item))
}

/// The items with x86 machine code, and the others; both keep their order.
fn by_content(items: &[PackItem], objects: &Objects<'_>) -> Result<(Vec<PackItem>, Vec<PackItem>), BuildError> {
    let (mut machine_code, mut others) = (Vec::new(), Vec::new());
    for &item in items {
        let start = objects.start(item, START_BYTES)?;
        if is_x86(&start) { &mut machine_code } else { &mut others }.push(item);
    }
    Ok((machine_code, others))
}

/// The compressor, and twice a small segment: as it is, and compressed.
pub(crate) fn memory(tar_bytes: u64) -> u64 {
    2 * tar_bytes.min(SMALL_BYTES as u64) + XZ.encoder_memory(tar_bytes)
}

/// The header of a delta, its name, which is too long for a header, and the header of that.
pub(crate) const DELTA_HEADERS: u64 = 1536;
/// Another mode or owner would change the client's own folders (packs §2).
const FOLDER: Owner = Owner { permissions: 0o700, uid: 0, gid: 0 };

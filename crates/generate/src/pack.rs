//! Packs: what a bundle needs, in one archive (packs 2 and 3).
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

use std::io::{self, Write};

use clearwell_format::archive::{Codec, TarWriter};
use clearwell_format::pack::DeltaName;
use clearwell_format::resource::Artifact;
use clearwell_format::{Owner, Resource};
use clearwell_store::{ArtifactMeta, Draft, Store};

use crate::budget::Budget;
use crate::compression::XZ_SOLID;
use crate::deltas::spool::{Spool, Spooled};
use crate::error::BuildError;
use crate::executable::{START_BYTES, is_x86};
use crate::member::{MemberError, Naming, Objects};
use crate::plan::{Origin, PackItem, PackPlan};
use crate::profile::{Family, Profile};
use crate::put::{put, put_within};
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

/// Makes the pack of a bundle for an endpoint with an earlier version of it. It is never larger than the pack for new
/// installations, `zero`, if there is one: that one then takes its place, as it holds all of it.
pub(crate) fn make_update(
    plan: &PackPlan,
    contents: &Contents<'_>,
    zero: Option<&PackPlan>,
    profile: Profile,
    objects: &Objects<'_>,
    budget: &Budget,
    draft: &Draft<'_>,
) -> Result<ArtifactMeta, BuildError> {
    let artifact = artifact(plan);
    let zero = zero.map(|zero| Zero::find(zero, draft)).transpose()?.flatten();
    let same_members = |zero: &Zero<'_>| contents.deltas.is_empty() && zero.plan.items.len() == plan.items.len();
    if let Some(zero) = zero.as_ref().filter(|zero| same_members(zero)) {
        return zero.copy_to(&artifact, draft);
    }
    let limit = zero.as_ref().map_or(u64::MAX, |zero| zero.meta.size);
    let tar_bytes = contents.tar_bytes(objects);
    let _memory = budget.reserve(memory(XZ_SOLID, tar_bytes));
    let made = if tar_bytes <= SMALL_BYTES as u64 {
        put_within(limit, draft, &artifact, |out| {
            let mut smallest = Vec::new();
            write(contents, objects, profile.update_family(), &mut smallest)?;
            if let Some(family) = profile.second_update_family() {
                let mut other = Vec::new();
                write(contents, objects, family, &mut other)?;
                smallest = if other.len() < smallest.len() { other } else { smallest };
            }
            out.write_all(&smallest).map_err(MemberError::Write)
        })
    } else {
        put_within(limit, draft, &artifact, |out| write(contents, objects, profile.update_family(), out))
    };
    match (made?, zero) {
        (Some(meta), _) => Ok(meta),
        (None, Some(zero)) => zero.copy_to(&artifact, draft),
        (None, None) => unreachable!("nothing exceeds 2^64 bytes"),
    }
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

impl Contents<'_> {
    fn tar_bytes(&self, objects: &Objects<'_>) -> u64 {
        let deltas = self.deltas.iter().map(|delta| delta.spooled.length() + DELTA_HEADERS);
        deltas.chain(self.staged.iter().map(|&item| objects.tar_bytes(item))).sum()
    }
}

fn write(
    contents: &Contents<'_>,
    objects: &Objects<'_>,
    family: &Family,
    mut out: &mut dyn Write,
) -> Result<(), MemberError> {
    let (machine_code, others) = by_content(contents.staged, objects)?;
    let (solid, stored): (Vec<_>, Vec<_>) = contents.deltas.iter().partition(|delta| delta.solid);
    let mut streams = vec![Stream { codecs: family.others, deltas: solid, staged: others }];
    streams.push(Stream { codecs: family.machine_code, deltas: Vec::new(), staged: machine_code });
    streams.push(Stream { codecs: family.others, deltas: stored, staged: Vec::new() });

    // The tar goes on from stream to stream: only its compression begins anew.
    let last = streams.iter().rposition(|stream| !stream.is_empty()).unwrap_or(0);
    for (index, stream) in streams.iter().enumerate().filter(|(index, stream)| *index == 0 || !stream.is_empty()) {
        let mut segment = Segment::new(stream.codecs, out);
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
    codecs: &'static [Codec],
    deltas: Vec<&'p PackedDelta>,
    staged: Vec<PackItem>,
}

impl Stream<'_> {
    const fn is_empty(&self) -> bool {
        self.deltas.is_empty() && self.staged.is_empty()
    }
}

fn append_delta<W: Write>(
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

/// The pack for new installations beside an update pack.
struct Zero<'p> {
    plan: &'p PackPlan,
    meta: ArtifactMeta,
}

impl<'p> Zero<'p> {
    fn find(plan: &'p PackPlan, draft: &Draft<'_>) -> Result<Option<Self>, BuildError> {
        Ok(draft.contains(&artifact(plan)).map(|meta| Self { plan, meta }))
    }

    fn copy_to(&self, to: &Artifact, draft: &Draft<'_>) -> Result<ArtifactMeta, BuildError> {
        let from = artifact(self.plan);
        let mut file = match draft.existing(&from)? {
            Some(file) => file,
            None => draft.store().open_artifact(&Resource::of(draft.version(), from))?.0,
        };
        put(draft, to, |out| io::copy(&mut file, out).map_err(MemberError::Write).map(drop))
    }
}

/// The compressor, and twice a small segment: as it is, and compressed.
pub(crate) fn memory(codec: Codec, tar_bytes: u64) -> u64 {
    2 * tar_bytes.min(SMALL_BYTES as u64) + codec.encoder_memory(tar_bytes)
}

/// The header of a delta, its name, which is too long for a header, and the header of that.
const DELTA_HEADERS: u64 = 1536;
/// Another mode or owner would change the client's own folders (packs 2).
const FOLDER: Owner = Owner { permissions: 0o700, uid: 0, gid: 0 };

//! Packs: what a bundle needs, in one archive (packs 2 and 3).
//!
//! ```text
//! stream 1   delta/  staged/  delta/10-20-<from>-<to> …  staged/<hash> …     all but machine code
//! stream 2   staged/<hash> …                                                 x86 machine code, with the branch filter
//! ```
//!
//! Clients take several streams of one compression as one. Each stream is solid; inside, members keep the order of the
//! manifest, which puts files of one folder side by side. A pack is never held in memory: it runs through the
//! compressor into the draft.

use std::io::{self, Write};

use clearwell_format::archive::{Codec, TarWriter};
use clearwell_format::pack::DeltaName;
use clearwell_format::resource::Artifact;
use clearwell_format::{Owner, Resource};
use clearwell_store::{ArtifactMeta, Draft};

use crate::budget::Budget;
use crate::compression::{XZ, XZ_X86};
use crate::error::BuildError;
use crate::executable::{START_BYTES, is_x86};
use crate::member::{MemberError, Naming, Objects};
use crate::plan::{PackItem, PackPlan};
use crate::put::{put, put_within};
use crate::segment::{SMALL_BYTES, Segment};

/// A binary delta that a pack carries in place of a whole file.
#[derive(Clone, Debug)]
pub(crate) struct PackedDelta {
    /// From what to what.
    pub(crate) name: DeltaName,
    /// The delta.
    pub(crate) bytes: Vec<u8>,
}

/// What a pack holds.
pub(crate) struct Contents<'p> {
    pub(crate) deltas: &'p [PackedDelta],
    pub(crate) staged: &'p [PackItem],
}

/// Makes the pack of a bundle for new installations.
pub(crate) fn make_zero(
    plan: &PackPlan,
    objects: &Objects<'_>,
    budget: &Budget,
    draft: &Draft<'_>,
) -> Result<ArtifactMeta, BuildError> {
    let contents = Contents { deltas: &[], staged: &plan.items };
    let _memory = budget.reserve(memory(contents.tar_bytes(objects)));
    put(draft, &artifact(plan), |out| write(&contents, objects, &XZ_FAMILY, out))
}

/// Makes the pack of a bundle for an endpoint with an earlier version of it. It is never larger than the pack for new
/// installations, `zero`, if there is one: that one then takes its place, as it holds all of it.
pub(crate) fn make_update(
    plan: &PackPlan,
    deltas: &[PackedDelta],
    zero: Option<&PackPlan>,
    objects: &Objects<'_>,
    budget: &Budget,
    draft: &Draft<'_>,
) -> Result<ArtifactMeta, BuildError> {
    let artifact = artifact(plan);
    let zero = zero.map(|zero| Zero::find(zero, draft)).transpose()?.flatten();
    let same_members = |zero: &Zero<'_>| deltas.is_empty() && zero.plan.items.len() == plan.items.len();
    if let Some(zero) = zero.as_ref().filter(|zero| same_members(zero)) {
        return zero.copy_to(&artifact, draft);
    }
    let limit = zero.as_ref().map_or(u64::MAX, |zero| zero.meta.size);
    let contents = Contents { deltas, staged: &plan.items };
    let tar_bytes = contents.tar_bytes(objects);
    let _memory = budget.reserve(memory(tar_bytes));
    let made = if tar_bytes <= SMALL_BYTES as u64 {
        put_within(limit, draft, &artifact, |out| {
            let mut smallest = Vec::new();
            write(&contents, objects, &XZ_FAMILY, &mut smallest)?;
            let mut other = Vec::new();
            write(&contents, objects, &ZSTD_FAMILY, &mut other)?;
            out.write_all(if other.len() < smallest.len() { &other } else { &smallest }).map_err(MemberError::Write)
        })
    } else {
        put_within(limit, draft, &artifact, |out| write(&contents, objects, &XZ_FAMILY, out))
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

impl Contents<'_> {
    fn tar_bytes(&self, objects: &Objects<'_>) -> u64 {
        let deltas = self.deltas.iter().map(|delta| delta.bytes.len() as u64 + 1024);
        deltas.chain(self.staged.iter().map(|&item| objects.tar_bytes(item))).sum()
    }
}

/// The codecs of both streams of a pack, which have to be of one kind.
struct Family {
    others: &'static [Codec],
    machine_code: &'static [Codec],
}

const XZ_FAMILY: Family = Family { others: &[XZ], machine_code: &[XZ_X86, XZ] };
const ZSTD_FAMILY: Family = Family { others: &[Codec::Zstd { level: 19 }], machine_code: &[Codec::Zstd { level: 19 }] };

fn write(
    contents: &Contents<'_>,
    objects: &Objects<'_>,
    family: &Family,
    out: &mut dyn Write,
) -> Result<(), MemberError> {
    let (machine_code, others) = by_content(contents.staged, objects)?;

    let mut first = Segment::new(family.others, out);
    let mut tar = TarWriter::new(&mut first);
    for folder in [&b"delta/"[..], b"staged/"] {
        tar.directory(folder, FOLDER, 0).map_err(MemberError::Write)?;
    }
    for delta in contents.deltas {
        let name = format!("delta/{}", delta.name);
        let size = delta.bytes.len() as u64;
        tar.file(name.as_bytes(), Owner::MANIFEST, 0, size, &mut &delta.bytes[..]).map_err(MemberError::Write)?;
    }
    append(&others, objects, &mut tar)?;
    if machine_code.is_empty() {
        tar.finish().map_err(MemberError::Write)?;
        return first.finish().map_err(MemberError::Write).map(drop);
    }
    // The tar goes on in the second stream: only its compression begins anew.
    let mut second = Segment::new(family.machine_code, first.finish().map_err(MemberError::Write)?);
    let mut tar = TarWriter::new(&mut second);
    append(&machine_code, objects, &mut tar)?;
    tar.finish().map_err(MemberError::Write)?;
    second.finish().map_err(MemberError::Write).map(drop)
}

fn append<W: Write>(items: &[PackItem], objects: &Objects<'_>, tar: &mut TarWriter<W>) -> Result<(), MemberError> {
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
fn memory(tar_bytes: u64) -> u64 {
    2 * tar_bytes.min(SMALL_BYTES as u64) + XZ.encoder_memory(tar_bytes)
}

/// Another mode or owner would change the client's own folders (packs 2).
const FOLDER: Owner = Owner { permissions: 0o700, uid: 0, gid: 0 };

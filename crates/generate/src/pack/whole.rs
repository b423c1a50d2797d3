//! A small pack in one piece: its members sorted into at most three streams.
//!
//! ```text
//! stream 1   delta/  staged/  delta/10-20-<from>-<to> …  staged/<hash> …     solid deltas, all but machine code
//! stream 2   staged/<hash> …                                                 x86 machine code, with the branch filter
//! stream 3   delta/10-20-<from>-<to> …                                       deltas whose blocks are compressed
//! ```
//!
//! In each stream, members of zero packs keep the order of the manifest, which puts files of one folder next to each
//! other; members of update packs keep the order that `deltas` chose.

use std::io::Write;

use clearwell_format::archive::TarWriter;

use super::builder::Families;
use super::member::{Contents, PackedDelta, append_folders};
use super::segment_writer::SegmentWriter;
use crate::compression::CodecPair;
use crate::error::BuildError;
use crate::executable::{START_BYTES, is_x86};
use crate::member::{MemberError, Naming, Objects};
use crate::plan::PackItem;
use crate::profile::Family;

/// The bytes of a pack: the smallest that the families of codecs make.
///
/// # Errors
/// [`MemberError::Object`] if an object cannot be read or is not what its hash says.
pub(super) fn whole(
    contents: &Contents<'_>,
    families: Families,
    objects: &Objects<'_>,
) -> Result<Vec<u8>, MemberError> {
    let mut smallest = Vec::new();
    write(contents, objects, families.main, &mut smallest)?;
    if let Some(family) = families.small {
        let mut other = Vec::new();
        write(contents, objects, family, &mut other)?;
        smallest = if other.len() < smallest.len() { other } else { smallest };
    }
    Ok(smallest)
}

fn write(
    contents: &Contents<'_>,
    objects: &Objects<'_>,
    family: Family,
    mut out: &mut dyn Write,
) -> Result<(), MemberError> {
    let (machine_code, others) = by_content(contents.staged, objects)?;
    let (solid, stored): (Vec<_>, Vec<_>) = contents.deltas.iter().partition(|delta| delta.solid);
    let streams = [
        Stream { codecs: family.others, deltas: solid, staged: others },
        Stream { codecs: family.machine_code, deltas: Vec::new(), staged: machine_code },
        Stream { codecs: family.stored, deltas: stored, staged: Vec::new() },
    ];

    // The tar runs through all streams: only its compression starts again.
    let last = streams.iter().rposition(|stream| !stream.is_empty()).unwrap_or(0);
    for (index, stream) in streams.iter().enumerate().filter(|(index, stream)| *index == 0 || !stream.is_empty()) {
        let mut segment = SegmentWriter::new(stream.codecs, out);
        let mut tar = TarWriter::new(&mut segment);
        if index == 0 {
            append_folders(&mut tar)?;
        }
        stream.deltas.iter().try_for_each(|delta| delta.append(&mut tar))?;
        stream.staged.iter().try_for_each(|&item| objects.append(&mut tar, Naming::Staged, item))?;
        if index == last {
            tar.finish().map_err(MemberError::Write)?;
        }
        out = segment.finish().map_err(MemberError::Write)?;
    }
    Ok(())
}

/// Members that are compressed together.
struct Stream<'p> {
    codecs: CodecPair,
    deltas: Vec<&'p PackedDelta<'p>>,
    staged: Vec<PackItem>,
}

impl Stream<'_> {
    const fn is_empty(&self) -> bool {
        self.deltas.is_empty() && self.staged.is_empty()
    }
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

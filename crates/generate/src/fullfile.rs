//! Fullfiles: one tar per distinct object, for endpoints that no pack can help (content layout §4).
//!
//! ```text
//! <version>/files/<hash>.tar      always this suffix, whatever the compression
//! ```
//!
//! Always true: the tar has exactly one member, and the member is named `<hash>`. Directories and links are gzip; a file
//! is compressed by the method that makes it smallest, or not at all where none helps. A large program is three streams,
//! which clients take as one: header, content, end. Packs have the same content.

use std::io::{self, Write};

use clearwell_format::archive::{Codec, TarWriter};
use clearwell_format::resource::Artifact;
use clearwell_store::{ArtifactMeta, Draft};

use crate::budget::Budget;
use crate::compression::{Method, XZ};
use crate::error::BuildError;
use crate::member::{MemberError, Naming, Objects};
use crate::plan::PackItem;
use crate::profile::Profile;
use crate::put::{put, put_within};

/// How hard fullfiles are compressed.
#[derive(Clone, Copy)]
pub(crate) struct Effort<'a> {
    pub(crate) profile: Profile,
    /// Those of the mix.
    pub(crate) methods: &'a [Method],
}

impl Effort<'_> {
    fn codecs(self, content: &[u8]) -> Vec<Codec> {
        self.profile.file_codecs(self.methods, content)
    }
}

/// Makes the fullfile of one object.
pub(crate) fn make(
    item: PackItem,
    effort: Effort<'_>,
    objects: &Objects<'_>,
    budget: &Budget,
    draft: &Draft<'_>,
) -> Result<ArtifactMeta, BuildError> {
    let tar_bytes = objects.tar_bytes(item) + TAR_END;
    if tar_bytes > WHOLE_BYTES {
        return make_large(item, effort, objects, budget, draft);
    }
    // The tar, the smallest result so far, the one being made, and the compressor.
    let _memory = budget.reserve(3 * tar_bytes + XZ.encoder_memory(tar_bytes));
    put(draft, &Artifact::Fullfile(item.hash), |out| {
        let tar = write_tar(item, objects, Vec::new())?;
        let smallest = smallest(&tar, objects.may_be_file(item), effort).map_err(MemberError::Write)?;
        out.write_all(smallest.as_deref().unwrap_or(&tar)).map_err(MemberError::Write)
    })
}

/// The compressed content of a file, up to the end of its last block: what the fullfile shares with packs.
pub(crate) fn shared_content(
    item: PackItem,
    profile: Profile,
    objects: &Objects<'_>,
    budget: &Budget,
) -> Result<Vec<u8>, MemberError> {
    let tar_bytes = objects.tar_bytes(item);
    // What comes out is hardly ever half as large.
    let _memory = budget.reserve(START_BYTES + tar_bytes / 2 + XZ.encoder_memory(tar_bytes));
    let start = objects.start(item, START_BYTES)?;
    let mut encoder = profile.shared_codec(&start).encoder(Vec::new(), Some(tar_bytes)).map_err(MemberError::Write)?;
    objects.append_content(&mut TarWriter::new(&mut encoder), item)?;
    encoder.finish().map_err(MemberError::Write)
}

/// Makes the fullfile of a file from its compressed content.
pub(crate) fn make_shared(
    item: PackItem,
    content: &[u8],
    objects: &Objects<'_>,
    draft: &Draft<'_>,
) -> Result<ArtifactMeta, BuildError> {
    put(draft, &Artifact::Fullfile(item.hash), |out| {
        let mut header = TarWriter::new(Vec::new());
        objects.append_header(&mut header, Naming::Fullfile, item)?;
        let header = XZ.compress(header.get_mut()).map_err(MemberError::Write)?;
        let end = TarWriter::new(Vec::new()).finish().and_then(|end| XZ.compress(&end)).map_err(MemberError::Write)?;
        [&header[..], content, &end].into_iter().try_for_each(|part| out.write_all(part)).map_err(MemberError::Write)
    })
}

/// The smallest compression of a tar in memory; `None` if the tar itself is not larger.
fn smallest(tar: &[u8], is_file: bool, effort: Effort<'_>) -> io::Result<Option<Vec<u8>>> {
    if !is_file {
        return Codec::Gzip { level: 9 }.compress(tar).map(Some);
    }
    let mut smallest: Option<Vec<u8>> = None;
    for codec in effort.codecs(&tar[HEADER..]) {
        let compressed = codec.compress(tar)?;
        if compressed.len() < smallest.as_ref().map_or(tar.len(), Vec::len) {
            smallest = Some(compressed);
        }
    }
    Ok(smallest)
}

/// A file too large to lie in memory: read once for each method to find the smallest, and once to write it.
fn make_large(
    item: PackItem,
    effort: Effort<'_>,
    objects: &Objects<'_>,
    budget: &Budget,
    draft: &Draft<'_>,
) -> Result<ArtifactMeta, BuildError> {
    let artifact = Artifact::Fullfile(item.hash);
    let tar_bytes = objects.tar_bytes(item) + TAR_END;
    let _memory = budget.reserve(START_BYTES + XZ.encoder_memory(tar_bytes));
    let start = objects.start(item, START_BYTES)?;
    let write = |codec: Codec, out: &mut dyn Write| {
        let encoder = codec.encoder(out, Some(tar_bytes)).map_err(MemberError::Write)?;
        write_tar(item, objects, encoder)?.finish().map_err(MemberError::Write).map(drop)
    };
    let codecs = effort.codecs(&start);
    let codec = match codecs[..] {
        [only] => only,
        _ => {
            let mut smallest = (tar_bytes, Codec::None);
            for codec in codecs {
                let mut count = Count(0);
                write(codec, &mut count).map_err(|error| error.of(&artifact, draft.version()))?;
                smallest = if count.0 < smallest.0 { (count.0, codec) } else { smallest };
            }
            smallest.1
        }
    };
    match put_within(tar_bytes - 1, draft, &artifact, |out| write(codec, out))? {
        Some(meta) => Ok(meta),
        None => put(draft, &artifact, |out| write(Codec::None, out)),
    }
}

fn write_tar<W: Write>(item: PackItem, objects: &Objects<'_>, out: W) -> Result<W, MemberError> {
    let mut tar = TarWriter::new(out);
    objects.append(&mut tar, Naming::Fullfile, item)?;
    tar.finish().map_err(MemberError::Write)
}

/// Counts what is written to it.
struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tars up to this size are held in memory, which every budget that is of use has room for.
const WHOLE_BYTES: u64 = 32 << 20;
/// What is read of a larger file to choose its filter.
const START_BYTES: u64 = 4 << 20;
const HEADER: usize = 512;
/// The zero blocks at the end of a tar.
const TAR_END: u64 = 1024;

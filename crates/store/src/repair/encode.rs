//! Archives as generators write them: the same object, compressed with each supported method.

use std::io;

use clearwell_format::archive::{Codec, DictSize, MemberHeader, NiceLength, TarWriter};
use clearwell_format::{FileHash, FileKind, ManifestName, Owner};

/// Every fullfile that a generator may have made of an object, likeliest first.
pub(super) fn fullfiles(hash: FileHash, header: &MemberHeader, content: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let name = hash.to_string();
    let mut tar = TarWriter::new(Vec::new());
    match header.kind {
        FileKind::File => {
            tar.file(name.as_bytes(), header.owner, header.mtime, content.len() as u64, &mut &content[..])?;
        }
        FileKind::Directory => tar.directory(name.as_bytes(), header.owner, header.mtime)?,
        FileKind::Link => tar.link(name.as_bytes(), header.owner, header.mtime, &header.target)?,
    }
    let tar = tar.finish()?;
    let codecs: &[Codec] = if header.kind == FileKind::File { &OF_FILES } else { &[Codec::Gzip { level: 9 }] };
    codecs.iter().map(|codec| codec.compress(&tar)).collect()
}

/// The archive of a manifest.
pub(super) fn manifest(name: &ManifestName, text: &[u8], signature: Option<&[u8]>, mtime: u64) -> io::Result<Vec<u8>> {
    let mut tar = TarWriter::new(Vec::new());
    let mut add = |name: String, mut bytes: &[u8]| {
        tar.file(name.as_bytes(), Owner::MANIFEST, mtime, bytes.len() as u64, &mut bytes)
    };
    add(format!("Manifest.{name}"), text)?;
    if let Some(signature) = signature {
        add(format!("Manifest.{name}.sig"), signature)?;
    }
    Codec::Xz { preset: 6, x86: false }.compress(&tar.finish()?)
}

const NICE_LENGTH: NiceLength = NiceLength::new(40).expect("a length that a match can have");

/// What the generator tries for files, and what mixer's `COMPRESSION` may name.
const OF_FILES: [Codec; 8] = [
    Codec::OwnXz { dict_size: DictSize::MIB_8, nice_length: NICE_LENGTH, x86: false },
    Codec::OwnXz { dict_size: DictSize::MIB_8, nice_length: NICE_LENGTH, x86: true },
    Codec::Xz { preset: 6, x86: false },
    Codec::Xz { preset: 6, x86: true },
    Codec::None,
    Codec::Gzip { level: 9 },
    Codec::Bzip2 { level: 9 },
    Codec::Zstd { level: 19 },
];

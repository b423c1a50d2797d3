//! Manifests to bytes.

use std::io::{self, Write};

use super::{Entry, Header, Verbatim};
use crate::mom::MomEntry;
use crate::{FileHash, Version};

/// The text that was read, if header and entries are unchanged; else what the reference writes for them.
pub(crate) fn text<E: WriteLine>(header: &Header, entries: &[E], verbatim: Option<&Verbatim>) -> Vec<u8> {
    let write = |out: &mut dyn Write| canonical(header, entries, out);
    if let Some(text) = verbatim.and_then(|verbatim| verbatim.text(write)) {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(512 + entries.iter().map(|entry| 84 + entry.name().len()).sum::<usize>());
    write(&mut out).expect("writing to memory does not fail");
    out
}

pub(crate) fn canonical<E: WriteLine>(header: &Header, entries: &[E], out: &mut dyn Write) -> io::Result<()> {
    write_header(header, out)?;
    entries.iter().try_for_each(|entry| entry.write(out))
}

/// An entry of a bundle manifest or of a MoM.
pub(crate) trait WriteLine {
    fn name(&self) -> &[u8];
    fn write(&self, out: &mut dyn Write) -> io::Result<()>;
}

impl WriteLine for Entry {
    fn name(&self) -> &[u8] {
        self.path.as_bytes()
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        line(self.flags(), &self.hash(), self.version, self.name(), out)
    }
}

impl WriteLine for MomEntry {
    fn name(&self) -> &[u8] {
        self.bundle.as_str().as_bytes()
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        line(self.flags.to_bytes(), &self.hash, self.version, self.name(), out)
    }
}

fn write_header(header: &Header, out: &mut dyn Write) -> io::Result<()> {
    let mut field = |key: &str, value: &dyn std::fmt::Display| writeln!(out, "{key}\t{value}");
    field("MANIFEST", &header.format)?;
    field("version:", &header.version)?;
    field("previous:", &header.previous.map_or(0, Version::number))?;
    if let Some(min_version) = header.min_version.filter(|_| header.format.has_min_version()) {
        field("minversion:", &min_version)?;
    }
    field("filecount:", &header.file_count)?;
    field("timestamp:", &header.timestamp)?;
    field("contentsize:", &header.content_size)?;
    for bundle in &header.includes {
        field("includes:", bundle)?;
    }
    for bundle in header.also_add.iter().filter(|_| header.format.has_also_add()) {
        field("also-add:", bundle)?;
    }
    out.write_all(b"\n")
}

fn line(flags: [u8; 4], hash: &FileHash, version: Version, name: &[u8], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&flags)?;
    out.write_all(b"\t")?;
    out.write_all(&hash.to_hex())?;
    write!(out, "\t{version}\t")?;
    out.write_all(name)?;
    out.write_all(b"\n")
}

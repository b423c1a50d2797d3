//! Manifests to bytes.

use std::io::Write;

use super::{Entry, Header, Manifest};
use crate::flags::Flags;
use crate::mom::Mom;
use crate::{FileHash, Version};

pub(super) fn manifest(manifest: &Manifest) -> Vec<u8> {
    let paths: usize = manifest.entries.iter().map(|entry| entry.path.as_bytes().len() + 84).sum();
    let mut out = Vec::with_capacity(512 + paths);
    header(&manifest.header, &mut out);
    for Entry { flags, hash, version, path } in &manifest.entries {
        line(*flags, hash, *version, path.as_bytes(), &mut out);
    }
    out
}

pub(crate) fn mom(mom: &Mom) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 + mom.entries.len() * 120);
    header(&mom.header, &mut out);
    for entry in &mom.entries {
        line(entry.flags, &entry.hash, entry.version, entry.bundle.as_str().as_bytes(), &mut out);
    }
    out
}

fn header(header: &Header, out: &mut Vec<u8>) {
    let mut field = |key: &str, value: &dyn std::fmt::Display| {
        writeln!(out, "{key}\t{value}").expect("writing to memory does not fail");
    };
    field("MANIFEST", &header.format);
    field("version:", &header.version);
    field("previous:", &header.previous.map_or(0, Version::number));
    if let Some(min_version) = header.min_version.filter(|_| header.format.has_min_version()) {
        field("minversion:", &min_version);
    }
    field("filecount:", &header.file_count);
    field("timestamp:", &header.timestamp);
    field("contentsize:", &header.content_size);
    for bundle in &header.includes {
        field("includes:", bundle);
    }
    for bundle in header.also_add.iter().filter(|_| header.format.has_also_add()) {
        field("also-add:", bundle);
    }
    out.push(b'\n');
}

fn line(flags: Flags, hash: &FileHash, version: Version, name: &[u8], out: &mut Vec<u8>) {
    out.extend(flags.to_bytes());
    out.push(b'\t');
    out.extend(hash.to_hex());
    write!(out, "\t{version}\t").expect("writing to memory does not fail");
    out.extend(name);
    out.push(b'\n');
}

//! A file, directory or link of an installed system, in memory.

use std::io::Write;

use clearwell_format::archive::{Codec, TarWriter};
use clearwell_format::{Entry, EntryPath, FileHash, FileKind, Owner, Version};

/// An object at a path, owned by root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestObject {
    /// Where it is installed.
    pub path: EntryPath,
    /// File, directory or link.
    pub kind: FileKind,
    /// Permission bits.
    pub permissions: u32,
    /// The content of a file or the target of a link.
    pub content: Vec<u8>,
}

impl TestObject {
    /// A file with mode 0644.
    pub fn file(path: &str, content: impl Into<Vec<u8>>) -> Self {
        Self { path: path.parse().unwrap(), kind: FileKind::File, permissions: 0o644, content: content.into() }
    }

    /// A file with mode 0755.
    pub fn program(path: &str, content: impl Into<Vec<u8>>) -> Self {
        Self { permissions: 0o755, ..Self::file(path, content) }
    }

    /// A directory with mode 0755.
    pub fn directory(path: &str) -> Self {
        Self { kind: FileKind::Directory, permissions: 0o755, ..Self::file(path, "") }
    }

    /// A symbolic link.
    pub fn link(path: &str, target: &str) -> Self {
        Self { kind: FileKind::Link, permissions: 0o777, ..Self::file(path, target) }
    }

    /// The swupd hash.
    pub fn hash(&self) -> FileHash {
        match self.kind {
            FileKind::File => FileHash::of_file(&self.content, self.owner()),
            FileKind::Directory => FileHash::of_directory(self.owner()),
            FileKind::Link => FileHash::of_link(&self.content, self.owner()),
        }
    }

    /// Bytes that count as content: none for a directory.
    pub fn size(&self) -> u64 {
        self.content.len() as u64
    }

    /// The manifest line.
    pub fn entry(&self, version: Version) -> Entry {
        Entry::present(self.path.clone(), version, self.kind, self.hash())
    }

    /// The archive `files/<hash>.tar`.
    pub fn fullfile(&self) -> Vec<u8> {
        let mut tar = TarWriter::new(Vec::new());
        self.append_to(&mut tar, self.hash().to_string().as_bytes());
        let codec = match self.kind {
            FileKind::File => Codec::Xz { preset: 1, x86: false },
            FileKind::Directory | FileKind::Link => Codec::Gzip { level: 6 },
        };
        codec.compress(&tar.finish().unwrap()).unwrap()
    }

    /// Adds the object to a pack, below `staged/`.
    pub fn stage_in<W: Write>(&self, tar: &mut TarWriter<W>) {
        let slash = if self.kind == FileKind::Directory { "/" } else { "" };
        self.append_to(tar, format!("staged/{}{slash}", self.hash()).as_bytes());
    }

    fn append_to<W: Write>(&self, tar: &mut TarWriter<W>, name: &[u8]) {
        let written = match self.kind {
            FileKind::File => tar.file(name, self.owner(), MTIME, self.size(), &mut self.content.as_slice()),
            FileKind::Directory => tar.directory(name, self.owner(), MTIME),
            FileKind::Link => tar.link(name, self.owner(), MTIME, &self.content),
        };
        written.unwrap();
    }

    const fn owner(&self) -> Owner {
        Owner { permissions: self.permissions, uid: 0, gid: 0 }
    }
}

const MTIME: u64 = 1_700_000_000;

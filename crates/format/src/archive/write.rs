//! Writing tar: members to bytes.

use std::io::{self, Read, Write};

use crate::{FileKind, Owner};

/// Writes a tar, member by member.
pub struct TarWriter<W: Write> {
    out: W,
}

impl<W: Write> TarWriter<W> {
    /// Begins a tar.
    pub const fn new(out: W) -> Self {
        Self { out }
    }

    /// Adds a file of exactly `size` bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if `content` is shorter or longer; any error if the writer fails.
    pub fn file(&mut self, name: &[u8], owner: Owner, mtime: u64, size: u64, content: &mut dyn Read) -> io::Result<()> {
        self.file_header(name, owner, mtime, size)?;
        self.content(size, content)
    }

    /// The header of [`TarWriter::file`] without the content, for content that is compressed separately.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn file_header(&mut self, name: &[u8], owner: Owner, mtime: u64, size: u64) -> io::Result<()> {
        self.header(name, FileKind::File, owner, mtime, size, b"")
    }

    /// The content of [`TarWriter::file`]: exactly `size` bytes, padded to a whole block.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if `content` is shorter or longer; any error if the writer fails.
    pub fn content(&mut self, size: u64, content: &mut dyn Read) -> io::Result<()> {
        let copied = io::copy(&mut content.take(size), &mut self.out)?;
        let mut more = [0];
        if copied != size || content.read(&mut more)? != 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file changed its size while it was read"));
        }
        let padding = (BLOCK - size % BLOCK) % BLOCK;
        self.out.write_all(&ZEROS[..usize::try_from(padding).expect("below a block")])
    }

    /// Adds a directory. The name is written as it is: fullfiles have no slash at the end, packs do.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn directory(&mut self, name: &[u8], owner: Owner, mtime: u64) -> io::Result<()> {
        self.header(name, FileKind::Directory, owner, mtime, 0, b"")
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn link(&mut self, name: &[u8], owner: Owner, mtime: u64, target: &[u8]) -> io::Result<()> {
        self.header(name, FileKind::Link, Owner { permissions: 0o777, ..owner }, mtime, 0, target)
    }

    /// Ends the tar with its two zero blocks and returns the writer.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&ZEROS)?;
        Ok(self.out)
    }

    /// Lets the compressor around this tar begin a new stream: everything before is flushed to it.
    pub const fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    fn header(
        &mut self,
        name: &[u8],
        kind: FileKind,
        owner: Owner,
        mtime: u64,
        size: u64,
        target: &[u8],
    ) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        if !fits(name) {
            self.long_record(b'L', name)?;
        }
        if target.len() > LINK_FIELD {
            self.long_record(b'K', target)?;
        }
        set_name(&mut header, name);
        let field = &mut header.as_old_mut().linkname;
        let shown = target.len().min(field.len());
        field[..shown].copy_from_slice(&target[..shown]);
        header.set_entry_type(match kind {
            FileKind::File => tar::EntryType::Regular,
            FileKind::Directory => tar::EntryType::Directory,
            FileKind::Link => tar::EntryType::Symlink,
        });
        header.set_mode(owner.permissions);
        header.set_uid(owner.uid.into());
        header.set_gid(owner.gid.into());
        header.set_mtime(mtime);
        header.set_size(size);
        header.set_cksum();
        self.out.write_all(header.as_bytes())
    }

    /// A GNU record that carries a long name (`L`) or link target (`K`) for the header that follows.
    fn long_record(&mut self, kind: u8, value: &[u8]) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        set_name(&mut header, b"././@LongLink");
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_mode(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        // The value is terminated by a NUL that counts.
        header.set_size(value.len() as u64 + 1);
        header.set_cksum();
        self.out.write_all(header.as_bytes())?;
        self.out.write_all(value)?;
        let padding = BLOCK_USIZE - value.len() % BLOCK_USIZE;
        self.out.write_all(&ZEROS[..padding])
    }
}

/// A ustar name field has 100 bytes; member names of the protocol never need its prefix field.
const fn fits(name: &[u8]) -> bool {
    name.len() <= NAME_FIELD
}

fn set_name(header: &mut tar::Header, name: &[u8]) {
    let field = &mut header.as_old_mut().name;
    let shown = name.len().min(field.len());
    field[..shown].copy_from_slice(&name[..shown]);
}

const BLOCK: u64 = 512;
const BLOCK_USIZE: usize = 512;
const ZEROS: [u8; 1024] = [0; 1024];
const NAME_FIELD: usize = 100;
const LINK_FIELD: usize = 100;

//! Archives to members.

use std::io::{self, BufRead, Read};

use super::codec::decoder;
use crate::{FileHash, FileHasher, FileKind, Owner};

/// What a member's header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberHeader {
    /// The name as written, with a trailing slash where there is one.
    pub name: Vec<u8>,
    /// File, directory or link. Nothing else belongs in content.
    pub kind: FileKind,
    /// Permission bits and numeric owners.
    pub owner: Owner,
    /// Seconds since the epoch.
    pub mtime: u64,
    /// Bytes of a file; 0 otherwise.
    pub size: u64,
    /// Target of a link; empty otherwise.
    pub target: Vec<u8>,
    /// True if the header names a user or group, which some clients map to other numbers (content layout 3).
    pub names_owner: bool,
    /// True if the link target came in a PAX record, which fails outside ASCII in the C locale.
    pub pax_target: bool,
}

/// One member of an archive; its content is read from it.
pub struct Member<'a> {
    /// What the header says.
    pub header: MemberHeader,
    /// The content of a file, exactly [`MemberHeader::size`] bytes unless the archive is cut off.
    pub body: MemberBody<'a>,
}

/// The content of a member.
pub type MemberBody<'a> = &'a mut dyn Read;

impl Member<'_> {
    /// Reads the content and returns the swupd hash of the object the member makes, feeding the content to `sink`.
    ///
    /// # Errors
    /// If the content is cut off or `sink` fails.
    pub fn hash(&mut self, sink: &mut dyn io::Write) -> Result<FileHash, ArchiveError> {
        match self.header.kind {
            FileKind::Directory => Ok(FileHash::of_directory(self.header.owner)),
            FileKind::Link => Ok(FileHash::of_link(&self.header.target, self.header.owner)),
            FileKind::File => {
                let mut hasher = FileHasher::new(self.header.owner, self.header.size);
                let mut buffer = vec![0; 64 << 10];
                let mut left = self.header.size;
                while left > 0 {
                    let count = match self.body.read(&mut buffer) {
                        Ok(0) => return Err(ArchiveError::Truncated),
                        Ok(count) => count,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                        Err(error) => return Err(ArchiveError::Read(error)),
                    };
                    hasher.update(&buffer[..count]);
                    sink.write_all(&buffer[..count]).map_err(ArchiveError::Write)?;
                    left -= count as u64;
                }
                Ok(hasher.finish())
            }
        }
    }
}

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Damaged compression, a damaged header, or the reader failed.
    #[error("the archive cannot be read")]
    Read(#[source] io::Error),
    /// The archive ends inside a member.
    #[error("the archive is cut off")]
    Truncated,
    /// What was read could not be passed on.
    #[error("failed to write what was read")]
    Write(#[source] io::Error),
    /// A member that content never has: a device, a hard link, a FIFO.
    #[error("the member {0} is neither a file nor a directory nor a link")]
    Type(String),
    /// A member is larger than the caller takes.
    #[error("the member has {0} bytes, more than expected")]
    TooLarge(u64),
    /// Not exactly one member, where one is the rule.
    #[error("the archive has {0} members in place of one")]
    MemberCount(usize),
}

/// Calls `visit` for each member, in order. Memory does not grow with the archive.
///
/// # Errors
/// The archive's own, or the first of `visit`.
pub fn read_members<'r, E: From<ArchiveError>>(
    reader: impl BufRead + Send + 'r,
    mut visit: impl FnMut(Member<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let decoder = decoder(reader).map_err(ArchiveError::Read)?;
    let mut archive = tar::Archive::new(decoder);
    let entries = archive.entries().map_err(ArchiveError::Read)?;
    for entry in entries {
        let mut entry = entry.map_err(ArchiveError::Read)?;
        let header = member_header(&mut entry)?;
        visit(Member { header, body: &mut entry })?;
    }
    Ok(())
}

/// Reads an archive of one member, as fullfiles and manifest archives are, with a content of at most `limit` bytes.
///
/// # Errors
/// Also for no member or several, as the client (content layout 4).
pub fn single_member(bytes: &[u8], limit: u64) -> Result<(MemberHeader, Vec<u8>), ArchiveError> {
    let mut found = None;
    let mut count = 0;
    read_members::<ArchiveError>(bytes, |member| {
        count += 1;
        if count == 1 {
            if member.header.size > limit {
                return Err(ArchiveError::TooLarge(member.header.size));
            }
            let mut content = Vec::new();
            member.body.take(member.header.size).read_to_end(&mut content).map_err(ArchiveError::Read)?;
            if content.len() as u64 != member.header.size {
                return Err(ArchiveError::Truncated);
            }
            found = Some((member.header, content));
        }
        Ok(())
    })?;
    found.filter(|_| count == 1).ok_or(ArchiveError::MemberCount(count))
}

fn member_header<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<MemberHeader, ArchiveError> {
    use tar::EntryType;
    let name = entry.path_bytes().into_owned();
    let kind = match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous => FileKind::File,
        EntryType::Directory => FileKind::Directory,
        EntryType::Symlink => FileKind::Link,
        _ => return Err(ArchiveError::Type(name.escape_ascii().to_string())),
    };
    let pax = PaxRecords::of(entry)?;
    let header = entry.header();
    let named = |name: Option<&[u8]>| name.is_some_and(|name| !name.is_empty());
    let owner = Owner {
        permissions: header.mode().map_err(ArchiveError::Read)? & 0o7777,
        uid: small(pax.uid.map_or_else(|| header.uid(), Ok))?,
        gid: small(pax.gid.map_or_else(|| header.gid(), Ok))?,
    };
    let names_owner = pax.names_owner || named(header.username_bytes()) || named(header.groupname_bytes());
    let mtime = header.mtime().map_err(ArchiveError::Read)?;
    let target =
        if kind == FileKind::Link { entry.link_name_bytes().unwrap_or_default().into_owned() } else { Vec::new() };
    let size = if kind == FileKind::File { entry.size() } else { 0 };
    Ok(MemberHeader { name, kind, owner, mtime, size, target, names_owner, pax_target: pax.target })
}

fn small(number: io::Result<u64>) -> Result<u32, ArchiveError> {
    let number = number.map_err(ArchiveError::Read)?;
    u32::try_from(number)
        .map_err(|_| ArchiveError::Read(io::Error::new(io::ErrorKind::InvalidData, "owner above 32 bits")))
}

/// What PAX records say beyond what the tar reader applies itself (path, size and link target).
#[derive(Default)]
struct PaxRecords {
    uid: Option<u64>,
    gid: Option<u64>,
    names_owner: bool,
    target: bool,
}

impl PaxRecords {
    fn of<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Self, ArchiveError> {
        let mut records = Self::default();
        let Some(extensions) = entry.pax_extensions().map_err(ArchiveError::Read)? else {
            return Ok(records);
        };
        for extension in extensions {
            let extension = extension.map_err(ArchiveError::Read)?;
            let number = || extension.value().ok().and_then(|value| value.parse().ok());
            match extension.key_bytes() {
                b"uid" => records.uid = number(),
                b"gid" => records.gid = number(),
                b"uname" | b"gname" => records.names_owner = true,
                b"linkpath" => records.target = true,
                _ => {}
            }
        }
        Ok(records)
    }
}

//! Reading archives: bytes to members.

use std::io::{self, BufRead, Read};

use super::codec::decoder;
use super::shape::MemberError;
use super::tar::TarReader;
use crate::{FileHash, FileHasher, FileKind, Owner};

/// The header of a member.
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
    /// True if the header names a user or group, which some clients map to other numbers (content layout §3).
    pub names_owner: bool,
    /// True if the link target came in a PAX record, which fails outside ASCII in the C locale.
    pub pax_target: bool,
}

/// One member of an archive; its content is read from it.
pub struct Member<'a> {
    /// The header.
    pub header: MemberHeader,
    /// The content of a file, exactly [`MemberHeader::size`] bytes unless the archive is truncated.
    pub body: MemberBody<'a>,
}

/// The content of a member.
pub type MemberBody<'a> = &'a mut dyn Read;

impl Member<'_> {
    /// Reads the content into memory, if the header declares at most `limit` bytes. Memory grows with the bytes that
    /// are there, not with the declared size.
    ///
    /// # Errors
    /// [`ArchiveError::TooLarge`] above the limit, [`ArchiveError::Truncated`] if the archive ends before the declared
    /// size, [`ArchiveError::Read`] if it cannot be read.
    pub fn content(&mut self, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        let size = self.header.size;
        if size > limit {
            return Err(ArchiveError::TooLarge(size));
        }
        let mut content = Vec::new();
        (&mut self.body).take(size).read_to_end(&mut content).map_err(ArchiveError::Read)?;
        if content.len() as u64 == size { Ok(content) } else { Err(ArchiveError::Truncated) }
    }

    /// Reads the content and returns the swupd hash of the object the member makes, feeding the content to `sink`.
    ///
    /// # Errors
    /// [`ArchiveError::Truncated`] if the content ends early, [`ArchiveError::Read`] if it cannot be read,
    /// [`ArchiveError::Write`] if `sink` fails.
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
    /// The sink failed.
    #[error("failed to write the extracted data")]
    Write(#[source] io::Error),
    /// A member that content never has: a device, a hard link, a FIFO.
    #[error("the member {0} is not a file, a directory or a link")]
    Type(String),
    /// A member is larger than the caller's limit.
    #[error("the member has {0} bytes, more than expected")]
    TooLarge(u64),
    /// A header with impossible values.
    #[error("invalid header: {0}")]
    Header(&'static str),
    /// A name, a link target or PAX records that no file can have.
    #[error("an extension header has {size} bytes, but {limit} are enough for the longest path")]
    ExtensionTooLarge {
        /// The declared size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// A PAX record for something that content does not have: attributes, flags, sparse files.
    #[error("the PAX record {0} is not allowed in swupd content")]
    PaxRecord(String),
    /// Data after the end, which some clients read and others do not.
    #[error("data follows the end of the archive")]
    Trailing,
    /// A member that does not belong in an archive of its kind, or one that is missing.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// Not exactly one member, where one is the rule.
    #[error("the archive has {0} members instead of one")]
    MemberCount(usize),
}

/// Calls `visit` for each member, in order, and reads the archive to its last byte. Memory does not grow with the
/// archive, for any declared size; the time does, so `visit` should refuse members that are larger than necessary.
///
/// # Errors
/// An [`ArchiveError`] if the archive is damaged, or the first error of `visit`.
pub fn read_members<'r, E: From<ArchiveError>>(
    reader: impl BufRead + Send + 'r,
    mut visit: impl FnMut(Member<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut archive = TarReader::new(decoder(reader).map_err(ArchiveError::Read)?);
    while let Some(header) = archive.next()? {
        visit(Member { header, body: &mut archive })?;
    }
    Ok(())
}

/// Reads an archive of one member, as fullfiles and manifest archives are, with at most `limit` bytes of content.
///
/// # Errors
/// [`ArchiveError::MemberCount`] for no member or several, as the client (content layout §4), and those of
/// [`Member::content`].
pub fn single_member(bytes: &[u8], limit: u64) -> Result<(MemberHeader, Vec<u8>), ArchiveError> {
    let mut found = None;
    let mut count = 0;
    read_members::<ArchiveError>(bytes, |mut member| {
        count += 1;
        if count == 1 {
            let content = member.content(limit)?;
            found = Some((member.header, content));
        }
        Ok(())
    })?;
    found.filter(|_| count == 1).ok_or(ArchiveError::MemberCount(count))
}

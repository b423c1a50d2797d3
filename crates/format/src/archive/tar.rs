//! Reading tar: blocks to members. Every length is bounded before memory is allocated for it.
//!
//! ```text
//! member    = *extension header content padding        blocks of 512 bytes
//! extension = GNU long name ('L'), GNU long target ('K') or PAX records ('x'), each once at most
//! end       = two blocks of zeros, then zeros up to a whole record, or the end of the file
//! ```
//!
//! Always true: a header and its extensions take less than [`EXTENSION_BYTES`] each, for any declared size; what a
//! client could read in another way than this module is refused. Sparse files, PAX records that restore attributes,
//! global PAX records, a trailing slash after the name of a file and data after the end are of that kind: generators of
//! the protocol do not write them (content layout §3).

#![warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

use std::io::{self, Read};

use super::read::{ArchiveError, MemberHeader};
use crate::{FileKind, Owner};

/// Reads the members of a tar, one after the other.
pub(super) struct TarReader<R> {
    inner: R,
    /// Bytes of the current member that were not read yet.
    content: u64,
    /// Bytes behind them, up to a whole block.
    padding: u64,
}

impl<R: Read> TarReader<R> {
    pub(super) const fn new(inner: R) -> Self {
        Self { inner, content: 0, padding: 0 }
    }

    /// The header of the next member, and `None` at the end of the archive. The rest of the previous member is skipped.
    pub(super) fn next(&mut self) -> Result<Option<MemberHeader>, ArchiveError> {
        let mut extensions = Extensions::default();
        loop {
            self.pass_over()?;
            let Some(block) = self.block()? else {
                return if extensions.is_empty() { Ok(None) } else { Err(ArchiveError::Truncated) };
            };
            if block.iter().all(|&byte| byte == 0) {
                if !extensions.is_empty() {
                    return Err(ArchiveError::Header("an extension without a member"));
                }
                return self.only_zeros_follow().map(|()| None);
            }
            let header = tar::Header::from_byte_slice(&block);
            check_sum(header)?;
            let size = number(&header.as_old().size).ok_or(ArchiveError::Header("its size is not a number"))?;
            match header.entry_type().as_byte() {
                b'L' => extensions.long_name(self.extension(size, LONGEST_PATH)?)?,
                b'K' => extensions.long_target(self.extension(size, LONGEST_PATH)?)?,
                b'x' => extensions.records(&self.extension(size, EXTENSION_BYTES)?)?,
                _ => {
                    let member = extensions.apply(header, size)?;
                    self.expect(member.size);
                    return Ok(Some(member));
                }
            }
        }
    }

    fn expect(&mut self, size: u64) {
        self.content = size;
        self.padding = size.wrapping_neg() % 512;
    }

    /// A block that begins a header; `None` at the end of the file.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, ArchiveError> {
        let mut block = [0; BLOCK];
        match fill(&mut self.inner, &mut block)? {
            0 => Ok(None),
            BLOCK => Ok(Some(block)),
            _ => Err(ArchiveError::Truncated),
        }
    }

    fn extension(&mut self, size: u64, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        if size > limit {
            return Err(ArchiveError::ExtensionTooLarge { size, limit });
        }
        self.expect(size);
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).map_err(ArchiveError::Read)?;
        if bytes.len() as u64 == size { Ok(bytes) } else { Err(ArchiveError::Truncated) }
    }

    fn pass_over(&mut self) -> Result<(), ArchiveError> {
        let rest = self.content.saturating_add(std::mem::take(&mut self.padding));
        self.content = 0;
        let passed = io::copy(&mut self.inner.by_ref().take(rest), &mut io::sink()).map_err(ArchiveError::Read)?;
        if passed == rest { Ok(()) } else { Err(ArchiveError::Truncated) }
    }

    /// Writers fill the last record with zeros; other data, which a client would not see, is refused.
    fn only_zeros_follow(&mut self) -> Result<(), ArchiveError> {
        for _ in 0..LONGEST_END {
            let mut block = [0; BLOCK];
            let filled = fill(&mut self.inner, &mut block)?;
            if block.iter().any(|&byte| byte != 0) {
                return Err(ArchiveError::Trailing);
            }
            if filled < BLOCK {
                return Ok(());
            }
        }
        Err(ArchiveError::Trailing)
    }
}

impl<R: Read> Read for TarReader<R> {
    /// The content of the current member.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.content).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = self.inner.read(&mut buffer[..wanted])?;
        self.content = self.content.saturating_sub(count as u64);
        Ok(count)
    }
}

/// The number of bytes of `buffer` that could be filled.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled = filled.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ArchiveError::Read(error)),
        }
    }
    Ok(filled)
}

fn check_sum(header: &tar::Header) -> Result<(), ArchiveError> {
    let field = 148..156;
    let sum = |(at, &byte): (usize, &u8)| u64::from(if field.contains(&at) { b' ' } else { byte });
    let found: u64 = header.as_bytes().iter().enumerate().map(sum).sum();
    if number(&header.as_old().cksum) == Some(found) {
        Ok(())
    } else {
        Err(ArchiveError::Header("its checksum is wrong"))
    }
}

/// A number of a header: octal digits between spaces or NULs, or binary after a set first bit. `None` also for negative
/// ones.
fn number(field: &[u8]) -> Option<u64> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        // The second bit is the sign.
        let start = (first & 0x40 == 0).then_some(u64::from(first & 0x3f))?;
        return rest.iter().try_fold(start, |value, &byte| Some(value.checked_mul(256)? | u64::from(byte)));
    }
    let digits = field.trim_ascii_start();
    let end = digits.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(digits.len());
    digits[..end].iter().try_fold(0u64, |value, &byte| {
        let digit = char::from(byte).to_digit(8)?;
        Some(value.checked_mul(8)? | u64::from(digit))
    })
}

/// The extensions of the next header.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    /// The target came in a PAX record.
    pax_target: bool,
    has_records: bool,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    names_owner: bool,
}

impl Extensions {
    const fn is_empty(&self) -> bool {
        self.name.is_none() && self.target.is_none() && !self.has_records
    }

    fn long_name(&mut self, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        once(&mut self.name, until_nul(bytes))
    }

    fn long_target(&mut self, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        once(&mut self.target, until_nul(bytes))
    }

    /// Reads PAX records: `<length of the record> <key>=<value>` and a newline.
    fn records(&mut self, mut rest: &[u8]) -> Result<(), ArchiveError> {
        const BAD: ArchiveError = ArchiveError::Header("a malformed PAX record");
        if std::mem::replace(&mut self.has_records, true) {
            return Err(ArchiveError::Header("two PAX headers for one member"));
        }
        while !rest.is_empty() {
            let length = split(rest, b' ').and_then(|(length, _)| decimal(length)).ok_or(BAD)?;
            let (record, after) = rest.split_at_checked(usize::try_from(length).map_err(|_| BAD)?).ok_or(BAD)?;
            let pair = record.strip_suffix(b"\n").and_then(|record| split(record, b' ')).ok_or(BAD)?.1;
            let (key, value) = split(pair, b'=').ok_or(BAD)?;
            self.record(key, value)?;
            rest = after;
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), ArchiveError> {
        const NUMBER: ArchiveError = ArchiveError::Header("a PAX record with a number that is not one");
        match key {
            b"path" => once(&mut self.name, value.to_vec())?,
            b"linkpath" => {
                once(&mut self.target, value.to_vec())?;
                self.pax_target = true;
            }
            b"size" => once(&mut self.size, decimal(value).ok_or(NUMBER)?)?,
            b"uid" => once(&mut self.uid, decimal(value).ok_or(NUMBER)?)?,
            b"gid" => once(&mut self.gid, decimal(value).ok_or(NUMBER)?)?,
            b"uname" | b"gname" => self.names_owner |= !value.is_empty(),
            b"mtime" | b"atime" | b"ctime" | b"comment" | b"charset" | b"hdrcharset" => {}
            _ => return Err(ArchiveError::PaxRecord(shown(key))),
        }
        Ok(())
    }

    fn apply(self, header: &tar::Header, size: u64) -> Result<MemberHeader, ArchiveError> {
        let name = self.name.unwrap_or_else(|| header.path_bytes().into_owned());
        let kind = match header.entry_type().as_byte() {
            b'0' | 0 | b'7' => FileKind::File,
            b'5' => FileKind::Directory,
            b'2' => FileKind::Link,
            _ => return Err(ArchiveError::Type(shown(&name))),
        };
        let target = match kind {
            FileKind::Link => self.target.unwrap_or_else(|| header.link_name_bytes().unwrap_or_default().into_owned()),
            FileKind::File | FileKind::Directory => Vec::new(),
        };
        // Clients cut strings at a NUL, take a file with a slash behind its name for a directory, and disagree about
        // the content of what has none.
        if name.contains(&0) || target.contains(&0) {
            return Err(ArchiveError::Header("a name with a NUL"));
        }
        if kind == FileKind::File && name.ends_with(b"/") {
            return Err(ArchiveError::Type(shown(&name)));
        }
        let size = self.size.unwrap_or(size);
        if kind != FileKind::File && size > 0 {
            return Err(ArchiveError::Header("a directory or link with content"));
        }
        let field = |field: &[u8]| number(field).ok_or(ArchiveError::Header("a field that is not a number"));
        let old = header.as_old();
        let owner = Owner {
            permissions: u32::try_from(field(&old.mode)? & 0o7777).expect("twelve bits"),
            uid: owner(self.uid.map_or_else(|| field(&old.uid), Ok)?)?,
            gid: owner(self.gid.map_or_else(|| field(&old.gid), Ok)?)?,
        };
        let named = |name: Option<&[u8]>| name.is_some_and(|name| !name.is_empty());
        let names_owner = self.names_owner || named(header.username_bytes()) || named(header.groupname_bytes());
        // Times are restored and never compared: one before 1970 is as good as none.
        let mtime = number(&old.mtime).unwrap_or(0);
        Ok(MemberHeader { name, kind, owner, mtime, size, target, names_owner, pax_target: self.pax_target })
    }
}

fn split(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let mut parts = bytes.splitn(2, |&byte| byte == at);
    Some((parts.next()?, parts.next()?))
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), ArchiveError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(ArchiveError::Header("two extensions that say the same of one member")),
    }
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

fn owner(number: u64) -> Result<u32, ArchiveError> {
    u32::try_from(number).map_err(|_| ArchiveError::Header("an owner above 32 bits"))
}

/// A name for messages.
pub(super) fn shown(name: &[u8]) -> String {
    name[..name.len().min(LONGEST_SHOWN)].escape_ascii().to_string()
}

const BLOCK: usize = 512;
/// `PATH_MAX` of Linux, which counts the NUL at the end: the kernel refuses longer names and targets.
const LONGEST_PATH: u64 = 4096;
/// Most bytes of the PAX records of one member: a name and a target, and numbers.
pub(super) const EXTENSION_BYTES: u64 = 4 * LONGEST_PATH;
/// Most blocks of zeros after the first one: writers have no larger records.
const LONGEST_END: usize = 2048;
const LONGEST_SHOWN: usize = 200;

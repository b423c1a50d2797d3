//! Bytes to manifests.

use super::{Entry, Header, Manifest};
use crate::bundle::InvalidBundleName;
use crate::flags::{EntryKind, Flags};
use crate::format_number::InvalidFormat;
use crate::hash::InvalidHash;
use crate::mom::{Mom, MomEntry};
use crate::path::InvalidPath;
use crate::version::{InvalidVersion, decimal};
use crate::{BundleName, EntryPath, FileHash, FormatNumber, Version};

/// Why a manifest cannot be read, and in which line (counted from 1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}")]
pub struct ParseError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    #[source]
    pub kind: ParseErrorKind,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    #[error("the manifest does not start with MANIFEST and its format")]
    NoMagic,
    #[error("the manifest ends before its blank line")]
    NoBlankLine,
    #[error("the last line does not end with a line feed")]
    Truncated,
    #[error("the line is longer than a client reads (8191 bytes)")]
    LineTooLong,
    #[error("the header line is not a key, a TAB and a value")]
    HeaderLine,
    #[error("unknown header key \"{0}\"")]
    UnknownKey(String),
    #[error("the header key {0} stands twice")]
    RepeatedKey(&'static str),
    #[error("the header key {0} is missing")]
    MissingKey(&'static str),
    #[error("the header key {0} does not exist in format {1}")]
    NotInFormat(&'static str, FormatNumber),
    #[error("the value of {0} is not a number a client accepts")]
    Number(&'static str),
    #[error("a blank line among the entries")]
    BlankLine,
    #[error("the entry is not flags, hash, version and path with a TAB between")]
    EntryLine,
    #[error("the flags \"{0}\" have no meaning here")]
    Flags(String),
    #[error(transparent)]
    Format(#[from] InvalidFormat),
    #[error(transparent)]
    Version(#[from] InvalidVersion),
    #[error(transparent)]
    Hash(#[from] InvalidHash),
    #[error(transparent)]
    Path(#[from] InvalidPath),
    #[error(transparent)]
    Bundle(#[from] InvalidBundleName),
}

use ParseErrorKind as Kind;

pub(super) fn manifest(text: &[u8]) -> Result<Manifest, ParseError> {
    let mut lines = Lines { rest: text, number: 0 };
    let header = header(&mut lines)?;
    let mut entries = Vec::new();
    while let Some(line) = lines.next()? {
        let entry = fields(line).and_then(|fields| {
            let entry = Entry {
                flags: fields.flags,
                hash: fields.hash,
                version: fields.version,
                path: EntryPath::parse(fields.name)?,
            };
            match entry.flags.kind {
                EntryKind::Manifest | EntryKind::IterativeManifest => Err(flags_error(line)),
                EntryKind::Absent if entry.is_absent_without_reason() => Err(flags_error(line)),
                _ => Ok(entry),
            }
        });
        entries.push(entry.map_err(|kind| lines.error(kind))?);
    }
    Ok(Manifest { header, entries })
}

pub(crate) fn mom(text: &[u8]) -> Result<Mom, ParseError> {
    let mut lines = Lines { rest: text, number: 0 };
    let header = header(&mut lines)?;
    let mut entries = Vec::new();
    while let Some(line) = lines.next()? {
        let entry = fields(line).and_then(|fields| match fields.flags.kind {
            EntryKind::Manifest | EntryKind::IterativeManifest => Ok(MomEntry {
                flags: fields.flags,
                hash: fields.hash,
                version: fields.version,
                bundle: BundleName::parse(fields.name)?,
            }),
            _ => Err(flags_error(line)),
        });
        entries.push(entry.map_err(|kind| lines.error(kind))?);
    }
    Ok(Mom { header, entries })
}

impl Entry {
    /// `.` as type is for deleted and ghosted entries only; the reference cannot write another (manifest 2.1).
    fn is_absent_without_reason(&self) -> bool {
        use crate::flags::Status;
        !matches!(self.flags.status, Status::Deleted | Status::Ghosted)
    }
}

struct Fields<'a> {
    flags: Flags,
    hash: FileHash,
    version: Version,
    name: &'a [u8],
}

fn fields(line: &[u8]) -> Result<Fields<'_>, Kind> {
    if line.is_empty() {
        return Err(Kind::BlankLine);
    }
    let mut columns = line.splitn(4, |&byte| byte == b'\t');
    let (Some(flags), Some(hash), Some(version), Some(name)) =
        (columns.next(), columns.next(), columns.next(), columns.next())
    else {
        return Err(Kind::EntryLine);
    };
    let flags = flags.try_into().ok().and_then(Flags::parse).ok_or_else(|| flags_error(line))?;
    Ok(Fields { flags, hash: FileHash::parse(hash)?, version: Version::parse(version)?, name })
}

fn flags_error(line: &[u8]) -> Kind {
    let flags = line.split(|&byte| byte == b'\t').next().unwrap_or_default();
    Kind::Flags(flags[..flags.len().min(16)].escape_ascii().to_string())
}

fn header(lines: &mut Lines<'_>) -> Result<Header, ParseError> {
    let format = match lines.next()?.and_then(|line| line.strip_prefix(b"MANIFEST\t")) {
        Some(digits) => FormatNumber::parse(digits).map_err(|kind| lines.error(kind.into()))?,
        None => return Err(ParseError { line: 1, kind: Kind::NoMagic }),
    };
    let mut fields = HeaderFields::default();
    loop {
        match lines.next()? {
            None => return Err(lines.error(Kind::NoBlankLine)),
            Some(b"") => break,
            Some(line) => fields.read(line, format).map_err(|kind| lines.error(kind))?,
        }
    }
    fields.finish(format).map_err(|kind| lines.error(kind))
}

#[derive(Default)]
struct HeaderFields {
    version: Option<Version>,
    previous: Option<Option<Version>>,
    min_version: Option<Version>,
    file_count: Option<u32>,
    timestamp: Option<i64>,
    content_size: Option<u64>,
    includes: Vec<BundleName>,
    also_add: Vec<BundleName>,
}

impl HeaderFields {
    fn read(&mut self, line: &[u8], format: FormatNumber) -> Result<(), Kind> {
        let tab = line.iter().position(|&byte| byte == b'\t').ok_or(Kind::HeaderLine)?;
        let (key, value) = (&line[..tab], &line[tab + 1..]);
        match key {
            b"version:" => once(&mut self.version, "version:", Version::parse(value)?),
            b"previous:" => {
                let previous = if value == b"0" { None } else { Some(Version::parse(value)?) };
                once(&mut self.previous, "previous:", previous)
            }
            b"minversion:" if !format.has_min_version() => Err(Kind::NotInFormat("minversion:", format)),
            b"minversion:" => once(&mut self.min_version, "minversion:", Version::parse(value)?),
            b"filecount:" => {
                let count = number(value, "filecount:", u64::from(Header::MAX_FILE_COUNT))?;
                let count = u32::try_from(count).map_err(|_| Kind::Number("filecount:"))?;
                once(&mut self.file_count, "filecount:", count)
            }
            b"timestamp:" => once(&mut self.timestamp, "timestamp:", timestamp(value)?),
            b"contentsize:" => {
                once(&mut self.content_size, "contentsize:", number(value, "contentsize:", Header::MAX_CONTENT_SIZE)?)
            }
            b"includes:" => {
                self.includes.push(BundleName::parse(value)?);
                Ok(())
            }
            b"also-add:" if !format.has_also_add() => Err(Kind::NotInFormat("also-add:", format)),
            b"also-add:" => {
                self.also_add.push(BundleName::parse(value)?);
                Ok(())
            }
            unknown => Err(Kind::UnknownKey(unknown[..unknown.len().min(40)].escape_ascii().to_string())),
        }
    }

    fn finish(self, format: FormatNumber) -> Result<Header, Kind> {
        Ok(Header {
            format,
            version: self.version.ok_or(Kind::MissingKey("version:"))?,
            previous: self.previous.ok_or(Kind::MissingKey("previous:"))?,
            min_version: self.min_version,
            file_count: self.file_count.ok_or(Kind::MissingKey("filecount:"))?,
            timestamp: self.timestamp.ok_or(Kind::MissingKey("timestamp:"))?,
            content_size: self.content_size.ok_or(Kind::MissingKey("contentsize:"))?,
            includes: self.includes,
            also_add: self.also_add,
        })
    }
}

fn once<T>(field: &mut Option<T>, key: &'static str, value: T) -> Result<(), Kind> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(Kind::RepeatedKey(key)),
    }
}

fn number(digits: &[u8], key: &'static str, largest: u64) -> Result<u64, Kind> {
    decimal(digits).filter(|number| *number <= largest).ok_or(Kind::Number(key))
}

fn timestamp(digits: &[u8]) -> Result<i64, Kind> {
    let invalid = Kind::Number("timestamp:");
    let (negative, digits) = match digits.strip_prefix(b"-") {
        Some(b"0") => return Err(invalid),
        Some(digits) => (true, digits),
        None => (false, digits),
    };
    let seconds = decimal(digits).and_then(|seconds| i64::try_from(seconds).ok()).ok_or(invalid)?;
    Ok(if negative { -seconds } else { seconds })
}

/// Lines with their numbers; each must end with a line feed and be short enough for a client.
struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<Option<&'a [u8]>, ParseError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let window = &self.rest[..self.rest.len().min(Manifest::MAX_LINE)];
        match window.iter().position(|&byte| byte == b'\n') {
            Some(end) => {
                let line = &self.rest[..end];
                self.rest = &self.rest[end + 1..];
                Ok(Some(line))
            }
            None if window.len() < Manifest::MAX_LINE => Err(self.error(Kind::Truncated)),
            None => Err(self.error(Kind::LineTooLong)),
        }
    }

    fn error(&self, kind: Kind) -> ParseError {
        ParseError { line: self.number, kind }
    }
}

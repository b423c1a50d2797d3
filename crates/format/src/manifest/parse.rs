//! Parsing manifests.
//!
//! Everything that the stock client accepts is parsed, with the meaning it has to the client (manifest §3.2). Where
//! client and reference generator differ:
//!
//! | In the text | Client | Generator | Here |
//! |---|---|---|---|
//! | bytes 2 to 4 of the flags other than those of the table | as `.` | refused, but for `C`, `s`, `b` and `r` | as the client |
//! | flags of fewer or more than four bytes | the first four bytes of the line | refused | as the client |
//! | no or other type, and present; `M` or `I` among files | not a file | refused; `M` as a file, `I` skipped | ignored |
//! | unknown header keys | skipped | skipped | ignored |
//! | a header key twice | the last counts | refused | the last counts, the others are ignored |
//! | no `previous:`, `timestamp:`, `filecount:`, `contentsize:` | 0 | refused | 0 |
//! | `previous:`, `minversion:`, `timestamp:` that are not numbers | skipped | refused | ignored |
//! | `filecount:` and `contentsize:` that are not numbers | 0 | refused | 0 |
//! | signs, leading zeros, white space around numbers | accepted | some refused | accepted |
//! | `minversion:` and `also-add:` in formats that have none | the second is followed | both are | as the generator |
//! | a format above 65535 | accepted in bundle manifests | refused | 65535; refused in a MoM, whose format is in URLs |
//! | a hash of other than 64 lower-case digits | matches no file | matches no file | ignored; [`FileHash::ZERO`] for a deleted entry |
//! | names that are not a path, or not a bundle's | accepted | accepted | ignored |
//! | no entries, or no blank line | accepted | refused | accepted |
//!
//! *Ignored* lines are neither header nor entry, are listed by [`Manifest::ignored`], and come back with the text. What
//! the client rejects (manifest §3.1) is an error, also if the generator accepts it: NULs, CRLF line ends, a last line
//! without a line feed, header lines without a TAB, lines of 8192 bytes and more.

use super::{Entry, Header, Ignored, Legacy, Manifest, State, number};
use crate::bundle::InvalidBundleName;
use crate::flags::{Misc, Modifier};
use crate::format_number::InvalidFormat;
use crate::hash::{FileKind, InvalidHash};
use crate::mom::{Mom, MomEntry, MomFlags};
use crate::path::InvalidPath;
use crate::version::InvalidVersion;
use crate::{BundleName, EntryPath, FileHash, FormatNumber, Version};

/// Why a manifest cannot be read, or a line of it is ignored, and which line (counted from 1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}")]
pub struct ParseError {
    /// The line, counted from 1.
    pub line: usize,
    /// The error.
    #[source]
    pub kind: ParseErrorKind,
}

/// The error of a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    #[error("the manifest does not start with MANIFEST and a format number")]
    NoMagic,
    #[error("the last line does not end with a line feed")]
    Truncated,
    #[error("the line is longer than a client reads (8191 bytes)")]
    LineTooLong,
    #[error("the line contains a NUL")]
    Nul,
    #[error("the header line is not a key, a TAB and a value")]
    HeaderLine,
    #[error("unknown header key \"{0}\"")]
    UnknownKey(String),
    #[error("the header key {0} occurs twice")]
    RepeatedKey(&'static str),
    #[error("the header key {0} is missing")]
    MissingKey(&'static str),
    #[error("the value of {0} is not a number a client accepts")]
    Number(&'static str),
    #[error("a blank line among the entries")]
    BlankLine,
    #[error("the entry is not flags, hash, version and path, separated by TABs")]
    EntryLine,
    #[error("the flags \"{0}\" are not valid for a file")]
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
    let mut reader = Reader::new(text);
    // Clients do not compare the format of a bundle manifest with anything.
    let header =
        reader.header(|digits| match number::integer(digits).and_then(|format| u32::try_from(format).ok()) {
            Some(format) if format > u32::from(u16::MAX) => Ok(FormatNumber::MAX),
            _ => format(digits),
        })?;
    let entries = reader.entries(|columns| {
        let hash = columns.hash()?;
        let path = EntryPath::parse(columns.name)?;
        let [kind, status, modifier, misc] = columns.flags;
        Ok(Entry {
            state: state(kind, status, hash).ok_or_else(|| columns.flags_error())?,
            modifier: Modifier::parse(modifier),
            misc: Misc::parse(misc),
            version: columns.version,
            path,
        })
    })?;
    Ok(Manifest::read(header, entries, text, reader.ignored))
}

pub(crate) fn mom(text: &[u8]) -> Result<Mom, ParseError> {
    let mut reader = Reader::new(text);
    let header = reader.header(format)?;
    let entries = reader.entries(|columns| {
        Ok(MomEntry {
            flags: MomFlags::parse(columns.flags),
            hash: columns.hash()?,
            version: columns.version,
            bundle: BundleName::parse(columns.name)?,
        })
    })?;
    Ok(Mom::read(header, entries, text, reader.ignored))
}

/// `None` for what is not a file: `M` and `I`, and a present entry without a type.
fn state(kind: u8, status: u8, hash: FileHash) -> Option<State> {
    let kind = match kind {
        b'F' => Some(FileKind::File),
        b'D' => Some(FileKind::Directory),
        b'L' => Some(FileKind::Link),
        b'M' | b'I' => return None,
        _ => None,
    };
    match status {
        b'd' => Some(State::Deleted(Legacy::new(kind, hash))),
        b'g' => Some(State::Ghosted(Legacy::new(kind, hash))),
        _ => kind.map(|kind| State::Present { kind, hash }),
    }
}

fn format(digits: &[u8]) -> Result<FormatNumber, Kind> {
    let number = number::integer(digits).and_then(|number| u16::try_from(number).ok()).and_then(FormatNumber::new);
    number.map_or_else(|| Ok(FormatNumber::parse(digits)?), Ok)
}

fn version(digits: &[u8]) -> Result<Version, InvalidVersion> {
    let number = number::integer(digits).and_then(|number| u32::try_from(number).ok()).and_then(Version::new);
    number.map_or_else(|| Version::parse(digits), Ok)
}

/// The columns of an entry.
struct Columns<'a> {
    line: &'a [u8],
    flags: [u8; 4],
    hash: &'a [u8],
    version: Version,
    name: &'a [u8],
}

impl<'a> Columns<'a> {
    fn split(line: &'a [u8]) -> Result<Self, Kind> {
        if line.is_empty() {
            return Err(Kind::BlankLine);
        }
        let mut columns = line.splitn(4, |&byte| byte == b'\t').skip(1);
        let (Some(flags), Some(hash), Some(digits), Some(name)) =
            (line.first_chunk(), columns.next(), columns.next(), columns.next())
        else {
            return Err(Kind::EntryLine);
        };
        Ok(Self { line, flags: *flags, hash, version: version(digits)?, name })
    }

    /// Clients copy 64 bytes. For a deleted or ghosted entry they may be anything.
    fn hash(&self) -> Result<FileHash, InvalidHash> {
        match FileHash::parse(self.hash.get(..64).unwrap_or(self.hash)) {
            Err(_) if matches!(self.flags[1], b'd' | b'g') => Ok(FileHash::ZERO),
            parsed => parsed,
        }
    }

    fn flags_error(&self) -> Kind {
        let flags = self.line.split(|&byte| byte == b'\t').next().unwrap_or_default();
        Kind::Flags(shown(flags))
    }
}

fn shown(text: &[u8]) -> String {
    text[..text.len().min(40)].escape_ascii().to_string()
}

struct Reader<'a> {
    lines: Lines<'a>,
    ignored: Ignored,
}

impl<'a> Reader<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { lines: Lines { rest: text, number: 0 }, ignored: Ignored::default() }
    }

    fn header(&mut self, format: impl Fn(&[u8]) -> Result<FormatNumber, Kind>) -> Result<Header, ParseError> {
        let format = match self.lines.next()?.and_then(|line| line.strip_prefix(b"MANIFEST\t")) {
            Some(digits) => format(digits).map_err(|kind| self.lines.error(kind))?,
            None => return Err(ParseError { line: 1, kind: Kind::NoMagic }),
        };
        let mut fields = HeaderFields::default();
        while let Some(line) = self.lines.next()?.filter(|line| !line.is_empty()) {
            match fields.read(line) {
                Ok(Taken::Whole) => {}
                Ok(Taken::Without(kind)) => self.ignored.header.push(self.lines.error(kind)),
                Err(kind) => return Err(self.lines.error(kind)),
            }
        }
        fields.finish(format).map_err(|kind| self.lines.error(kind))
    }

    fn entries<E>(&mut self, entry: impl Fn(&Columns<'a>) -> Result<E, Kind>) -> Result<Vec<E>, ParseError> {
        let mut entries = Vec::new();
        while let Some(line) = self.lines.next()? {
            let columns = Columns::split(line).map_err(|kind| self.lines.error(kind))?;
            match entry(&columns) {
                Ok(entry) => entries.push(entry),
                Err(kind) => self.ignored.entries.push(self.lines.error(kind)),
            }
        }
        Ok(entries)
    }
}

/// The outcome of a header line that clients accept.
enum Taken {
    Whole,
    /// A line is ignored: this one, or an earlier one with the same key.
    Without(Kind),
}

#[derive(Default)]
struct HeaderFields {
    version: Option<Version>,
    previous: Option<Option<Version>>,
    min_version: Option<Option<Version>>,
    file_count: Option<u32>,
    timestamp: Option<i64>,
    content_size: Option<u64>,
    includes: Vec<BundleName>,
    also_add: Vec<BundleName>,
}

impl HeaderFields {
    fn read(&mut self, line: &[u8]) -> Result<Taken, Kind> {
        let tab = line.iter().position(|&byte| byte == b'\t').ok_or(Kind::HeaderLine)?;
        let (key, value) = (&line[..tab], &line[tab + 1..]);
        Ok(match key {
            b"version:" => set(&mut self.version, "version:", version(value)?),
            b"previous:" => optional(&mut self.previous, "previous:", version_or_none(value)),
            b"minversion:" => optional(&mut self.min_version, "minversion:", version_or_none(value)),
            b"filecount:" => {
                let count = number::count(value, Header::MAX_FILE_COUNT.into()).ok_or(Kind::Number("filecount:"))?;
                set(&mut self.file_count, "filecount:", u32::try_from(count).expect("a limit of 32 bits"))
            }
            b"timestamp:" => {
                let seconds = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                optional(&mut self.timestamp, "timestamp:", seconds)
            }
            b"contentsize:" => {
                let size = number::count(value, Header::MAX_CONTENT_SIZE).ok_or(Kind::Number("contentsize:"))?;
                set(&mut self.content_size, "contentsize:", size)
            }
            b"includes:" => add(&mut self.includes, value),
            b"also-add:" => add(&mut self.also_add, value),
            unknown => Taken::Without(Kind::UnknownKey(shown(unknown))),
        })
    }

    fn finish(self, format: FormatNumber) -> Result<Header, Kind> {
        Ok(Header {
            format,
            version: self.version.ok_or(Kind::MissingKey("version:"))?,
            previous: self.previous.flatten(),
            min_version: self.min_version.flatten(),
            file_count: self.file_count.unwrap_or_default(),
            timestamp: self.timestamp.unwrap_or_default(),
            content_size: self.content_size.unwrap_or_default(),
            includes: self.includes,
            also_add: self.also_add,
        })
    }
}

fn set<T>(field: &mut Option<T>, key: &'static str, value: T) -> Taken {
    match field.replace(value) {
        None => Taken::Whole,
        Some(_) => Taken::Without(Kind::RepeatedKey(key)),
    }
}

/// A value that clients ignore.
fn optional<T>(field: &mut Option<T>, key: &'static str, value: Option<T>) -> Taken {
    match value {
        Some(value) => set(field, key, value),
        None => Taken::Without(Kind::Number(key)),
    }
}

fn add(bundles: &mut Vec<BundleName>, name: &[u8]) -> Taken {
    match BundleName::parse(name) {
        Ok(bundle) => {
            bundles.push(bundle);
            Taken::Whole
        }
        Err(error) => Taken::Without(error.into()),
    }
}

/// A version, or 0 for none.
fn version_or_none(digits: &[u8]) -> Option<Option<Version>> {
    match number::integer(digits)? {
        0 if digits.is_empty() => None,
        number => u32::try_from(number).ok().map(Version::new),
    }
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
        match window.iter().position(|&byte| matches!(byte, b'\n' | 0)) {
            Some(end) if window[end] == 0 => Err(self.error(Kind::Nul)),
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

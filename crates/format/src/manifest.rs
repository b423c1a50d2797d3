//! Manifests: the files of one bundle at one version (manifest §1).
//!
//! ```text
//! MANIFEST<TAB>30                         format
//! version:<TAB>20
//! previous:<TAB>10                        0: none
//! minversion:<TAB>10                      formats from 26, optional
//! filecount:<TAB>2
//! timestamp:<TAB>1700000000
//! contentsize:<TAB>6
//! includes:<TAB>os-core                   any number, order kept
//! also-add:<TAB>docs                      formats from 29, any number
//!
//! D...<TAB><64 hex digits><TAB>10<TAB>/usr/bin
//! ```
//!
//! What is parsed is written back byte for byte, in the same order, also if another generator wrote it.
//!
//! | To add … | Change |
//! |---|---|
//! | a header line | a field of [`Header`]; its key in `HeaderFields::read` and `finish` (`parse.rs`); its line in `write_header` (`write.rs`), at its place in the order, only for formats that have it |
//! | a format that has it | a question such as [`FormatNumber::has_min_version`] |
//! | its value in new releases | `clearwell-generate`: `plan/header.rs`, where every field is filled |
//! | a flag | [`Entry`] in `entry.rs`, or [`crate::flags`] |
//!
//! Old manifests come back unchanged: without the line the field is empty, and an empty field is not written.

mod entry;
mod number;
mod parse;
mod verbatim;
pub(crate) mod write;

pub use entry::{Entry, Legacy, State};
pub use parse::ParseError;
pub use verbatim::Ignored;

use crate::{BundleName, FormatNumber, Version};

/// The lines above the blank one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// `MANIFEST`.
    pub format: FormatNumber,
    /// `version:`, the version of this manifest.
    pub version: Version,
    /// `previous:`, the version of the previous manifest; `None` is written as 0. Clients do not read it.
    pub previous: Option<Version>,
    /// `minversion:`. Only written in formats that have it.
    pub min_version: Option<Version>,
    /// `filecount:`. The reference counts lines that it later leaves out, so it may exceed the entries (manifest §5.8).
    /// Like `timestamp:` and `contentsize:` it may be missing in what is read, and is 0 then.
    pub file_count: u32,
    /// `timestamp:`, seconds since the epoch. Clients do not read it.
    pub timestamp: i64,
    /// `contentsize:`, bytes.
    pub content_size: u64,
    /// `includes:`, in order; every normal bundle begins with os-core.
    pub includes: Vec<BundleName>,
    /// `also-add:`, in order. Only written in formats that have it.
    pub also_add: Vec<BundleName>,
}

impl Header {
    /// The largest `filecount:` a stock client takes (manifest §3.3).
    pub const MAX_FILE_COUNT: u32 = 4_000_000;
    /// The largest `contentsize:` a stock client takes.
    pub const MAX_CONTENT_SIZE: u64 = 2_000_000_000_000;
}

/// A bundle manifest, or the full manifest of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The lines above the blank one.
    pub header: Header,
    /// The lines below it.
    pub entries: Vec<Entry>,
    verbatim: Option<Box<Verbatim>>,
}

impl Manifest {
    /// The longest line a stock client reads, with its line feed (manifest §3.3).
    pub const MAX_LINE: usize = 8191;

    /// A new manifest.
    pub const fn new(header: Header, entries: Vec<Entry>) -> Self {
        Self { header, entries, verbatim: None }
    }

    /// Parses what the stock client accepts, and keeps the text where this writer would write other bytes.
    ///
    /// # Errors
    /// The first error, with its line. No memory is allocated by a number in the text.
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        parse::manifest(text)
    }

    fn read(header: Header, entries: Vec<Entry>, text: &[u8], ignored: Ignored) -> Self {
        let verbatim = Verbatim::of(text, ignored, |out| write::canonical(&header, &entries, out));
        Self { header, entries, verbatim }
    }

    /// The bytes of the manifest: those that were parsed, or what the reference writes if it is new or was changed.
    pub fn to_bytes(&self) -> Vec<u8> {
        write::text(&self.header, &self.entries, self.verbatim.as_deref())
    }

    /// The lines that became neither header nor entry.
    pub fn ignored(&self) -> &Ignored {
        self.verbatim.as_ref().map_or(Ignored::NONE, |verbatim| &verbatim.ignored)
    }

    /// The entries that a client installs.
    pub fn present(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.is_present())
    }
}

pub(crate) use parse::mom as parse_mom;
pub(crate) use verbatim::Verbatim;

#[cfg(test)]
mod tests;

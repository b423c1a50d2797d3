//! The text of a manifest that was read, where it is not the text that would be written.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use super::ParseError;

/// The text of a manifest whose flag bytes, keys, numbers or orders differ from those of this writer.
///
/// It is used while the manifest is unchanged. A changed manifest is serialised as the reference would write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verbatim {
    text: Box<[u8]>,
    /// Digest of header and entries as they would have been written when they were read.
    written: [u8; 32],
    pub(crate) ignored: Ignored,
}

/// Lines that clients accept and that have no meaning for a generator or an endpoint. Later releases do not contain
/// them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    /// Unknown keys, values that are not valid for their key, and all but the last occurrence of a key.
    pub header: Vec<ParseError>,
    /// Entries that are not a file, a deletion or a bundle.
    pub entries: Vec<ParseError>,
}

impl Ignored {
    pub(crate) const NONE: &Self = &Self { header: Vec::new(), entries: Vec::new() };
}

impl Verbatim {
    /// Keeps `text` if `write` writes anything else.
    pub(crate) fn of(
        text: &[u8],
        ignored: Ignored,
        write: impl Fn(&mut dyn Write) -> io::Result<()>,
    ) -> Option<Box<Self>> {
        let mut rest = Expected(text);
        if write(&mut rest).is_ok() && rest.0.is_empty() {
            return None;
        }
        Some(Box::new(Self { text: text.into(), written: digest(write), ignored }))
    }

    /// The text, if header and entries are unchanged since it was read.
    pub(crate) fn text(&self, write: impl Fn(&mut dyn Write) -> io::Result<()>) -> Option<&[u8]> {
        (digest(write) == self.written).then_some(&self.text)
    }
}

fn digest(write: impl Fn(&mut dyn Write) -> io::Result<()>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    write(&mut hasher).expect("hashing does not fail");
    hasher.finalize().into()
}

/// Accepts only the expected bytes: the first other byte is an error.
struct Expected<'a>(&'a [u8]);

impl Write for Expected<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

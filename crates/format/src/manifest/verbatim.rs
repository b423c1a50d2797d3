//! The text of a manifest that was read, where it is not the text that would be written.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use super::ParseError;

/// What brings a manifest back byte for byte: other flag bytes, keys, numbers and orders than those of this writer.
///
/// It holds for what was read only. A manifest that was changed since is written anew, as the reference would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verbatim {
    text: Box<[u8]>,
    /// Digest of what is written of header and entries, as they were read.
    written: [u8; 32],
    pub(crate) ignored: Ignored,
}

/// Lines that clients take and that say nothing to a generator or an endpoint. They are in no later release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    /// Unknown keys, values that are none of their key, and all but the last of a key that stands more than once.
    pub header: Vec<ParseError>,
    /// Entries that are not a file, a deletion or a bundle.
    pub entries: Vec<ParseError>,
}

impl Ignored {
    pub(crate) const NONE: &Self = &Self { header: Vec::new(), entries: Vec::new() };
}

impl Verbatim {
    /// Keeps `text` if `write` does not write just that.
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

    /// The text, if what `write` writes is what it wrote when the text was read.
    pub(crate) fn text(&self, write: impl Fn(&mut dyn Write) -> io::Result<()>) -> Option<&[u8]> {
        (digest(write) == self.written).then_some(&self.text)
    }
}

fn digest(write: impl Fn(&mut dyn Write) -> io::Result<()>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    write(&mut hasher).expect("hashing does not fail");
    hasher.finalize().into()
}

/// Takes only what it expects: the first other byte is an error.
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

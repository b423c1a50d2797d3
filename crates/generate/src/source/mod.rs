//! Where the inputs of a release come from.
//!
//! | Module | Source |
//! |---|---|
//! | [`mix`] | a mixer workspace, as `mixer build bundles` leaves it |
//! | [`trees`] | a folder for each bundle, filled by packages or by hand |
//!
//! Each text file has a separate parser that takes the text, so that each can be tested without a disk.

mod error;
pub mod mix;
mod problems;
pub mod trees;

pub use error::{SourceError, TextError, TextNote};
pub use problems::Problems;

use std::io;
use std::path::Path;

use clearwell_store::regular;

/// More than the files of a workspace have: the largest lists every path of a bundle.
const TEXT_BYTES: u64 = 256 << 20;

/// The text of a file; `None` if it does not exist.
fn read_text(path: &Path) -> Result<Option<String>, SourceError> {
    match regular::read_named(path, TEXT_BYTES) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
            TextError { line, what: "the line is not UTF-8".into() }.of(path)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SourceError::Read { path: path.to_owned(), source }),
    }
}

/// As [`read_text`], with a replacement character for what is not UTF-8: in a comment it does no harm.
fn read_commented(path: &Path) -> Result<Option<String>, SourceError> {
    match regular::read_named(path, TEXT_BYTES) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SourceError::Read { path: path.to_owned(), source }),
    }
}

/// As [`read_commented`], of a file that has to be there.
fn required_commented(path: &Path) -> Result<String, SourceError> {
    let missing = || SourceError::Read { path: path.to_owned(), source: io::Error::from(io::ErrorKind::NotFound) };
    read_commented(path)?.ok_or_else(missing)
}

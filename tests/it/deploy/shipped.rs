//! A file of `deploy/`, with the values that its text asks to replace.

use std::fs;
use std::path::{Path, PathBuf};

/// The text of a shipped file.
pub(crate) struct Shipped(String);

impl Shipped {
    /// A file below `deploy/`.
    pub(crate) fn read(path: &str) -> Self {
        Self(fs::read_to_string(file(path)).unwrap())
    }

    /// Replaces a value everywhere; it has to be there.
    #[track_caller]
    pub(crate) fn with(self, old: &str, new: impl AsRef<str>) -> Self {
        assert!(self.0.contains(old), "no {old:?} in:\n{}", self.0);
        Self(self.0.replace(old, new.as_ref()))
    }

    /// Writes the result.
    pub(crate) fn write(&self, to: &Path) {
        fs::write(to, &self.0).unwrap();
    }
}

/// Where a file of `deploy/` is.
pub(crate) fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path)
}

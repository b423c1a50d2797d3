//! The order of whole files in a pack: similar files are neighbours, so that the compressor finds their matches.
//!
//! Directories and links first; then files by extension, base name and path: `man1/x.1` of ten
//! languages, `__init__.py` of a hundred packages.

use clearwell_format::{EntryPath, FileKind};

/// The sort key of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SortKey {
    is_file: bool,
    extension: Vec<u8>,
    base_name: Vec<u8>,
    path: EntryPath,
}

impl SortKey {
    /// The key of an object at `path`.
    pub(crate) fn of(kind: FileKind, path: &EntryPath) -> Self {
        let base_name = path.base_name().to_vec();
        Self { is_file: kind == FileKind::File, extension: extension(&base_name), base_name, path: path.clone() }
    }
}

/// The part after the last dot, without the version of a library and the like.
fn extension(base_name: &[u8]) -> Vec<u8> {
    let is_number = |part: &&[u8]| part.iter().all(u8::is_ascii_digit);
    let mut parts = base_name.split(|&byte| byte == b'.').rev().skip_while(is_number).peekable();
    match (parts.next(), parts.peek()) {
        (Some(last), Some(_)) => last.to_vec(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_of_a_library_ignores_its_version() {
        for (name, expected) in [
            ("libfoo.so.1.2", "so"),
            ("libfoo.so", "so"),
            ("grep.1", ""),
            ("README", ""),
            ("x.py", "py"),
            (".profile", "profile"),
            ("1.2.3", ""),
            ("", ""),
        ] {
            assert_eq!(extension(name.as_bytes()), expected.as_bytes(), "{name}");
        }
    }
}

//! The text files of the repository.

use std::fs;
use std::path::Path;

/// Directories whose content is made by tools: build folders, what fuzzing found, output of the reference generator.
const GENERATED: [&str; 5] = ["target", "corpus", "artifacts", "expected", "node_modules"];

pub(super) struct TextFile {
    /// Relative to the root of the repository.
    pub(super) path: String,
    pub(super) text: String,
}

impl TextFile {
    pub(super) fn is_markdown(&self) -> bool {
        self.path.ends_with(".md")
    }

    /// The name of the file, if it is a page of the specification.
    pub(super) fn specification_page(&self) -> Option<&str> {
        self.path.strip_prefix("docs/spec/").filter(|name| *name != "README.md")
    }
}

pub(super) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Every file that is text, in the order of paths.
pub(super) fn text_files() -> Vec<TextFile> {
    let mut files = Vec::new();
    collect(root(), "", &mut files);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<TextFile>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            // `.ci` is the only hidden directory with sources.
            if !GENERATED.contains(&name.as_str()) && (!name.starts_with('.') || name == ".ci") {
                collect(&entry.path(), &format!("{path}/"), files);
            }
        } else if kind.is_file()
            && name != "Cargo.lock"
            && let Ok(text) = String::from_utf8(fs::read(entry.path()).unwrap())
            && !text.contains('\0')
        {
            files.push(TextFile { path, text });
        }
    }
}

//! Pages that are written from the code.

use std::fs;
use std::path::Path;

/// The line below the title of such a page.
pub const GENERATED: &str = "*Written from the code by a test; `CLEARWELL_UPDATE=1 cargo test -p clearwell -p clearwell-metrics reference` updates it.*";

/// Compares a page with its file, named by its path in the repository. With `CLEARWELL_UPDATE=1` writes the file instead.
///
/// # Panics
/// If they differ.
#[track_caller]
pub fn assert_page(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os("CLEARWELL_UPDATE").is_some_and(|value| value == "1") {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        return;
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    let line = found.lines().zip(text.lines()).position(|(found, text)| found != text);
    let line = line.unwrap_or_else(|| found.lines().count().min(text.lines().count()));
    assert!(
        found == text,
        "{path}:{}: the page differs from the code, which says:\n{}\nUpdate it with CLEARWELL_UPDATE=1.",
        line + 1,
        text.lines().nth(line).unwrap_or_default()
    );
}

//! No source of the crates that write to a store changes files but through the disk, where the hook is asked.

use std::path::Path;

/// What changes the file system.
const CALLS: [&str; 19] = [
    "fs::write(",
    "fs::rename(",
    "fs::remove_file(",
    "fs::remove_dir(",
    "fs::remove_dir_all(",
    "fs::create_dir(",
    "fs::create_dir_all(",
    "fs::create_dir_all)",
    "fs::copy(",
    "fs::hard_link(",
    "fs::set_permissions(",
    "symlink(",
    "File::create(",
    "File::create_new(",
    "OpenOptions::new()",
    ".set_len(",
    ".set_permissions(",
    "DirBuilder::",
    "rustix::fs::syncfs(",
];

/// Files that may, and why.
const EXCUSED: [(&str, &str); 5] = [
    ("store/src/disk.rs", "it is the disk"),
    ("store/src/regular.rs", "it opens to read, and for the disk"),
    ("store/src/fuzzing.rs", "a file for a fuzzing run, in no store"),
    ("generate/src/source/mix/dialect.rs", "it is for tests only"),
    ("generate/src/source/mix/edit.rs", "the maintainer's workspace, in no store"),
];

/// The places below `folder` with such a call, as "file:line: text"; modules of tests are passed over.
fn calls_below(folder: &Path, crates: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            calls_below(&entry, crates, found);
        } else if !entry.ends_with("tests.rs") && entry.extension().is_some_and(|extension| extension == "rs") {
            let file = entry.strip_prefix(crates).unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&entry).unwrap();
            let is_begin_of_tests = |pair: &(&str, &str)| pair.0 == "#[cfg(test)]" && pair.1.contains("mod tests {");
            let lines = text.lines().zip(text.lines().skip(1).chain([""]));
            let code = lines.take_while(|pair| !is_begin_of_tests(pair)).map(|(line, _)| line);
            for (number, line) in code.enumerate() {
                let is_comment = line.trim_start().starts_with("//");
                if !is_comment && CALLS.iter().any(|call| line.contains(call)) {
                    found.push((file.clone(), format!("{file}:{}: {}", number + 1, line.trim())));
                }
            }
        }
    }
}

#[test]
fn files_change_through_the_disk_only() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for name in ["store", "generate"] {
        calls_below(&crates.join(name).join("src"), crates, &mut found);
    }
    let is_excused = |file: &str| EXCUSED.iter().any(|(excused, _)| *excused == file);
    let past: Vec<_> = found.iter().filter(|(file, _)| !is_excused(file)).map(|(_, place)| place).collect();
    assert!(past.is_empty(), "use clearwell_store::disk, or excuse the file with a reason: {past:#?}");
    for (excused, reason) in EXCUSED {
        assert!(found.iter().any(|(file, _)| file == excused), "{excused} needs no excuse any more: {reason}");
    }
}

//! Manual pages as files, and what programs that read them say about them.

use std::path::{Path, PathBuf};
use std::process::Command;

use clearwell_testkit::program;

use crate::options_table::COMMANDS;
use crate::run::run;

/// The pages below `dir/man`.
fn written(dir: &Path) -> Vec<PathBuf> {
    let json = run(dir, &["man", "man", "--timestamp", "1700000000", "--json"]).expect(0).json();
    json["pages"].as_array().unwrap().iter().map(|page| dir.join(page.as_str().unwrap())).collect()
}

#[test]
fn each_command_has_a_page_with_the_date() {
    let dir = tempfile::tempdir().unwrap();
    let pages = written(dir.path());
    for command in COMMANDS.into_iter().chain([""]) {
        let words = ["clearwell"].into_iter().chain(command.split_whitespace()).collect::<Vec<_>>();
        let page = dir.path().join("man/man1").join(words.join("-") + ".1");
        assert!(pages.contains(&page), "{}", page.display());
        assert!(std::fs::read_to_string(page).unwrap().contains(" 1 2023-11-14 "));
    }
    assert_eq!(pages.len(), COMMANDS.len() + 3, "and two configuration files");
    // The same pages again, over the old ones.
    let before: Vec<_> = pages.iter().map(|page| std::fs::read(page).unwrap()).collect();
    let after: Vec<_> = written(dir.path()).iter().map(|page| std::fs::read(page).unwrap()).collect();
    assert_eq!(before, after);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    run(dir.path(), &["man", "file"]).expect(9).says(&["file/man1"]);
}

#[test]
fn groff_has_no_warnings() {
    let Some(man) = program("man", "manual pages are not formatted") else { return };
    let dir = tempfile::tempdir().unwrap();
    for page in written(dir.path()) {
        let formatted = Command::new(&man)
            .args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8"])
            .arg(&page)
            .env("MANROFFSEQ", "")
            .env("MANWIDTH", "80")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&formatted.stderr);
        assert!(formatted.status.success() && said.is_empty(), "{}: {said}", page.display());
        assert!(formatted.stdout.len() > 500, "{}", page.display());
    }
}

#[test]
fn mandoc_has_no_warnings() {
    let Some(mandoc) = program("mandoc", "manual pages are not checked by it") else { return };
    let dir = tempfile::tempdir().unwrap();
    let checked = Command::new(mandoc).args(["-Tlint", "-Wwarning"]).args(written(dir.path())).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

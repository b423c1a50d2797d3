//! The table of contents, and the languages of code blocks.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::book::{Kind, contents, pages, root};

/// What a fence may name besides the forms that are executed.
const LANGUAGES: [&str; 9] = ["console", "haproxy", "ini", "json", "nginx", "promql", "text", "toml", "yaml"];

#[test]
fn the_table_of_contents_lists_every_page_once() {
    let docs = root().join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let mut found = BTreeSet::new();
    markdown(&docs, "", &mut found);
    found.remove("SUMMARY.md");
    let listed = contents(&summary);
    let unique: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(unique.len(), listed.len(), "docs/SUMMARY.md lists a page twice");
    let missing: Vec<_> = found.difference(&unique).collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md does not list {missing:?}");
    let unknown: Vec<_> = unique.difference(&found).collect();
    assert!(unknown.is_empty(), "docs/SUMMARY.md lists {unknown:?}, which are not in docs/");
}

fn markdown(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.path().is_dir() {
            markdown(&entry.path(), &format!("{name}/"), found);
        } else if name.ends_with(".md") {
            found.insert(name);
        }
    }
}

/// A block without a language, or with a misspelt one, would be executed by no test.
#[test]
fn every_code_block_says_what_it_is() {
    let mut problems = Vec::new();
    for page in pages() {
        for block in page.blocks() {
            if let Kind::Other(language) = &block.kind
                && !LANGUAGES.contains(&language.as_str())
                // These have layouts and listings only.
                && !(language.is_empty() && ["docs/spec/", "docs/command-line"].iter().any(|of| page.path.starts_with(of)))
            {
                problems.push(format!("{}:{}: the language of the block is {language:?}", page.path, block.line));
            }
        }
    }
    assert!(problems.is_empty(), "tests/it/manual/main.rs lists the languages\n{}", problems.join("\n"));
}

#[test]
fn pages_for_a_booted_system_are_run_in_one() {
    let scripts: String = fs::read_dir(root().join("tests/packages")).map_or_else(
        |_| String::new(),
        |folder| {
            let files = folder.map(|entry| entry.unwrap().path());
            let boot = files.filter(|file| file.file_name().unwrap().to_string_lossy().starts_with("boot"));
            boot.map(|file| fs::read_to_string(file).unwrap()).collect()
        },
    );
    let problems: Vec<String> = pages()
        .into_iter()
        .filter(|page| page.blocks().iter().any(|block| block.kind == Kind::System))
        .filter(|page| !scripts.contains(&page.path))
        .map(|page| format!("{} has `sh,system` blocks, but tests/packages/boot does not name it", page.path))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

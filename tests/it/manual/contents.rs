//! The table of contents, and the languages of code blocks.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::book::{Kind, contents, pages, root};

/// What a fence may name in addition to the forms that are executed.
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
fn pages_for_other_systems_are_named_by_the_scripts_that_run_them() {
    let mut problems = Vec::new();
    for page in pages() {
        for block in page.blocks() {
            if let Kind::Elsewhere(script) = block.kind
                && !runs(&scripts(script), &page.path)
            {
                problems.push(format!("{}:{}: no tests/packages/{script} runs it", page.path, block.line));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The scripts whose names begin so.
fn scripts(name: &str) -> String {
    let Ok(folder) = fs::read_dir(root().join("tests/packages")) else { return String::new() };
    let files = folder.map(|entry| entry.unwrap().path());
    let named = files.filter(|file| file.file_name().unwrap().to_string_lossy().starts_with(name));
    named.map(|file| fs::read_to_string(file).unwrap()).collect()
}

/// A script names a page, or all pages of the folder.
fn runs(script: &str, page: &str) -> bool {
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    script.contains(page) || script.contains(&format!("/{folder}/*.md"))
}

#[test]
fn a_script_runs_the_pages_that_it_names() {
    assert!(runs("run docs/install.md", "docs/install.md"));
    assert!(runs("for page in \"$project\"/docs/*.md; do", "docs/install.md"));
    assert!(!runs("run docs/install.md", "docs/systemd.md"));
}

//! Relative links of documents.

use std::fs;
use std::path::Path;

use super::files::{TextFile, root};

/// Links to files or headings that do not exist.
pub(super) fn broken(file: &TextFile) -> Vec<String> {
    let folder = root().join(&file.path);
    let folder = folder.parent().unwrap_or(root());
    let mut problems = Vec::new();
    for (line, target) in targets(&file.text) {
        let (path, heading) = target.split_once('#').unwrap_or((target, ""));
        let at = if path.is_empty() { root().join(&file.path) } else { folder.join(path) };
        if !at.exists() {
            problems.push(format!("{}:{line}: {target} does not exist", file.path));
        } else if !heading.is_empty() && !has_heading(&at, heading) {
            problems.push(format!("{}:{line}: {path} has no heading #{heading}", file.path));
        }
    }
    problems
}

/// Names of source files in code spans that are not links: a file that moves would leave them behind.
pub(super) fn unlinked_sources(file: &TextFile) -> Vec<String> {
    let mut problems = Vec::new();
    let mut in_block = false;
    for (at, line) in file.text.lines().enumerate() {
        if line.starts_with("```") {
            in_block = !in_block;
        }
        let spans: Vec<&str> = line.split('`').collect();
        for (span, after) in spans.iter().zip(spans.iter().skip(1)).skip(1).step_by(2) {
            if !in_block && span.ends_with(".rs") && !after.starts_with("](") {
                problems.push(format!("{}:{}: `{span}` is not a link", file.path, at + 1));
            }
        }
    }
    problems
}

/// The relative targets of inline links, with their lines.
fn targets(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().flat_map(|(at, line)| {
        let rest = line.split("](").skip(1);
        let targets = rest.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        targets
            .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
            .map(move |target| (at + 1, target))
    })
}

/// True if the document has a heading with this anchor, as GitHub makes it: lower case, dashes for spaces, nothing but
/// letters, digits, dashes and underscores.
fn has_heading(path: &Path, anchor: &str) -> bool {
    let anchor_of = |title: &str| -> String {
        let kept = title.trim().to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
    };
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().any(|line| line.starts_with('#') && anchor_of(line.trim_start_matches('#')) == anchor)
}

#[test]
fn broken_links_are_found() {
    let check = |text: &str| broken(&TextFile { path: "docs/spec/README.md".to_owned(), text: text.to_owned() }).len();
    assert_eq!(
        check("[a](manifest.md) [b](../../crates/README.md)\n[c](https://example.org/x) [d](hash.md#1-definition)"),
        0
    );
    assert_eq!(check("[a](manifests.md)"), 1);
    assert_eq!(check("[a](hash.md#1-definitions)"), 1);
    assert_eq!(check("[a](manifest.md), [b](none.md)"), 1);
}

#[test]
fn sources_without_a_link_are_found() {
    let check = |text: &str| unlinked_sources(&TextFile { path: "README.md".to_owned(), text: text.to_owned() }).len();
    assert_eq!(check("[`build.rs`](a/build.rs) and `build`\n```\n`x.rs`\n```"), 0);
    assert_eq!(check("[`a.rs`](a.rs), then `b.rs`, `c.rs`"), 2);
}

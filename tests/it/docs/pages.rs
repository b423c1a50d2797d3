//! The pages of the specification, their numbered sections and items.
//!
//! ```text
//! ## 5. Generation          section 5
//! ### 5.1 Bundle list       section 5.1
//! 1. `groups.ini`: …        item 1 of section 5.1
//! | 17 | An illegal …       item 17, in a table whose first column is headed `#`
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::citation::Target;
use super::files::root;

/// Pages with numbered sections, by the name in citations.
pub(super) const PAGES: [(&str, &str); 8] = [
    ("client behaviour", "client-behaviour.md"),
    ("content layout", "content-layout.md"),
    ("delta", "delta.md"),
    ("hash", "hash.md"),
    ("manifest", "manifest.md"),
    ("mixer workspace", "mixer-workspace.md"),
    ("must-keep", "must-keep.md"),
    ("packs", "packs.md"),
];

pub(super) struct Specification {
    pages: BTreeMap<&'static str, Page>,
    /// Terms of the glossary.
    terms: BTreeSet<String>,
}

/// Items by section.
#[derive(Default)]
struct Page {
    sections: BTreeMap<String, BTreeSet<u32>>,
    gaps: Vec<String>,
}

impl Specification {
    pub(super) fn read() -> Self {
        let read = |file: &str| fs::read_to_string(root().join("docs/spec").join(file)).expect(file);
        Self {
            pages: PAGES.iter().map(|(name, file)| (*name, Page::parse(file, &read(file)))).collect(),
            terms: read("glossary.md").lines().flat_map(terms).collect(),
        }
    }

    /// Gaps in the numbering, and files of the folder that cannot be cited.
    pub(super) fn gaps(&self) -> Vec<String> {
        let known =
            |name: &str| name == "README.md" || name == "glossary.md" || PAGES.iter().any(|(_, file)| *file == name);
        let folder = fs::read_dir(root().join("docs/spec")).unwrap();
        let strangers = folder
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !known(name))
            .map(|name| format!("docs/spec/{name}: not in the list of pages (tests/it/docs/pages.rs)"));
        self.pages.values().flat_map(|page| page.gaps.clone()).chain(strangers).collect()
    }

    /// Why a citation does not resolve.
    pub(super) fn missing(&self, target: &Target) -> Option<String> {
        match target {
            Target::Term(term) => (!self.terms.contains(term)).then(|| "not in docs/spec/glossary.md".to_owned()),
            Target::Section { page, section, items } => {
                let Some(found) = self.pages[page].sections.get(section) else {
                    return Some(format!("{page} has no section {section}"));
                };
                let missing = items.iter().find(|item| !found.contains(item))?;
                Some(format!("section {section} has no item {missing}"))
            }
        }
    }
}

/// `deleted / ghosted` are two terms; what follows in parentheses is not part of one.
fn terms(line: &str) -> Vec<String> {
    let Some(cell) = line.strip_prefix("| ").and_then(|row| row.split(" |").next()) else { return Vec::new() };
    cell.split(" (").next().unwrap_or(cell).split(" / ").map(str::to_owned).collect()
}

impl Page {
    fn parse(file: &str, text: &str) -> Self {
        let mut page = Self::default();
        let (mut section, mut last_section) = (String::new(), (0, 0));
        let (mut last_item, mut last_row, mut in_numbered_table) = (0, 0, false);
        for (at, line) in text.lines().enumerate() {
            let mut expect = |number: u32, allowed: &[u32], what: &str| {
                if !allowed.contains(&number) {
                    page.gaps.push(format!("docs/spec/{file}:{}: {what} {number}, expected {allowed:?}", at + 1));
                }
            };
            if let Some(title) = line.strip_prefix("### ") {
                if let Some((major, minor)) = subsection(title) {
                    expect(major, &[last_section.0], "subsection of");
                    expect(minor, &[last_section.1 + 1], "subsection");
                    last_section.1 = minor;
                    section = format!("{major}.{minor}");
                }
                (last_item, in_numbered_table) = (0, false);
                page.sections.entry(section.clone()).or_default();
            } else if let Some(title) = line.strip_prefix("## ") {
                let number = leading_number(title).unwrap_or(0);
                expect(number, &[last_section.0 + 1], "section");
                last_section = (number, 0);
                section = number.to_string();
                (last_item, in_numbered_table) = (0, false);
                page.sections.entry(section.clone()).or_default();
            } else if line.starts_with("| # |") {
                in_numbered_table = true;
            } else if let Some(number) = line.strip_prefix("| ").filter(|_| in_numbered_table).and_then(leading_number)
            {
                expect(number, &[1, last_row + 1], "row");
                last_row = number;
                page.sections.entry(section.clone()).or_default().insert(number);
            } else if let Some(number) = leading_number(line).filter(|_| line.contains(". ")) {
                expect(number, &[1, last_item + 1], "item");
                last_item = number;
                page.sections.entry(section.clone()).or_default().insert(number);
            } else if !line.starts_with('|') {
                in_numbered_table = false;
            }
        }
        page
    }
}

/// The number before `. ` or ` |`.
fn leading_number(text: &str) -> Option<u32> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number = text[..digits].parse().ok()?;
    [". ", " |"].iter().any(|end| text[digits..].starts_with(end)).then_some(number)
}

/// `5.1 Title`.
fn subsection(title: &str) -> Option<(u32, u32)> {
    let (number, _) = title.split_once(' ')?;
    let (major, minor) = number.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[test]
fn gaps_in_the_numbering_are_found() {
    let good = "## 1. A\n1. x\n2. y\n\n1. z\n### 1.1 B\n| # | Q |\n|---|---|\n| 1 | q |\n## 2. C\n";
    let page = Page::parse("a.md", good);
    assert!(page.gaps.is_empty(), "{:?}", page.gaps);
    assert_eq!(page.sections.keys().collect::<Vec<_>>(), ["1", "1.1", "2"]);
    assert_eq!(page.sections["1"], BTreeSet::from([1, 2]));
    assert_eq!(page.sections["1.1"], BTreeSet::from([1]));
    for (from, to) in
        [("## 2.", "## 3."), ("### 1.1", "### 1.2"), ("2. y", "3. y"), ("| 1 | q", "| 2 | q"), ("### 1.1", "### 2.1")]
    {
        assert!(!Page::parse("a.md", &good.replace(from, to)).gaps.is_empty(), "{to}");
    }
}

//! Citations of the specification in running text.
//!
//! A citation may be broken over lines of comments; so the text is read as one line, without the markers of comments.

use std::fmt;

use super::files::TextFile;
use super::pages::PAGES;

/// The section sign, which this file must not contain: it would be a citation.
const SIGN: char = '\u{a7}';

/// Numbers of sections; a larger one after the name of a page is a quantity (`packs 20`).
const HIGHEST_SECTION: u32 = 12;

/// The page of terms, which have no numbers.
const GLOSSARY: &str = "glossary";

/// Other spellings of the names of pages.
const MISSPELLED: [&str; 4] = ["client-behaviour", "content-layout", "mixer-workspace", "workspace"];

/// Documents of others that are cited in the same form, apart from RFCs.
const FOREIGN: [&str; 2] = ["proxy-protocol.txt", "W3C Trace Context"];

/// Words between a section and the number of an item.
const ITEM_WORDS: [&str; 5] = ["item", "quirk", "rule", "step", "trap"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Section { page: &'static str, section: String, items: Vec<u32> },
    Term(String),
}

pub(super) struct Citation {
    pub(super) target: Target,
    pub(super) line: usize,
}

#[derive(Default)]
pub(super) struct Found {
    pub(super) citations: Vec<Citation>,
    /// Text that looks like a citation but does not have its form, with file and line.
    pub(super) problems: Vec<String>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Section { page, section, items } => {
                write!(f, "{page} {SIGN}{section}")?;
                items.iter().try_for_each(|item| write!(f, " item {item}"))
            }
            Self::Term(term) => write!(f, "{GLOSSARY} \"{term}\""),
        }
    }
}

/// What a section sign belongs to.
#[derive(Clone, Copy)]
enum Document {
    Page(&'static str),
    /// An RFC or one of [`FOREIGN`], which are not checked.
    Foreign,
}

pub(super) fn find(file: &TextFile) -> Found {
    let text = RunningText::of(file);
    let mut found = Found::default();
    let home = file.specification_page().and_then(|name| PAGES.iter().find(|(_, page)| *page == name));
    // The document of the last section sign, and where that citation ended.
    let mut last: Option<(Document, usize)> = None;
    let mut ends = Vec::new();
    for (at, _) in text.line.match_indices(SIGN) {
        let before = &text.line[..at];
        let continued = last.filter(|(_, end)| [",", "and", "to", "or"].contains(&text.line[*end..at].trim()));
        let document = document_before(before)
            .or(continued.map(|(document, _)| document))
            .or(home.map(|(page, _)| Document::Page(page)));
        let rest = &text.line[at + SIGN.len_utf8()..];
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let section = rest[..number].trim_end_matches('.');
        let (items, used) = items(&rest[section.len()..]);
        last = document.map(|document| (document, at + SIGN.len_utf8() + section.len() + used));
        ends.extend(last.map(|(_, end)| end));
        match document {
            _ if section.is_empty() => found.problem(&text, at, "a section sign without a number"),
            None => found.problem(&text, at, "a section sign without the name of a document before it"),
            Some(Document::Foreign) => {}
            Some(Document::Page(page)) => found.citations.push(Citation {
                target: Target::Section { page, section: section.to_owned(), items },
                line: text.line_number(at),
            }),
        }
    }
    found.terms(&text);
    found.bare(&text);
    found.stray(&text, &ends);
    found
}

impl Found {
    fn problem(&mut self, text: &RunningText<'_>, at: usize, what: &str) {
        let around: String = text.line[at..].chars().take(40).collect();
        self.problems.push(format!("{}:{}: {what}: {around:?}", text.file.path, text.line_number(at)));
    }

    /// A term in quotation marks after the name of the glossary.
    fn terms(&mut self, text: &RunningText<'_>) {
        for (at, name) in text.line.match_indices(GLOSSARY) {
            let quoted =
                text.line[at + name.len()..].strip_prefix(" \"").or(text.line[at + name.len()..].strip_prefix(" \\\""));
            if let Some(term) = quoted.and_then(|rest| rest.split(['"', '\\']).next()) {
                self.citations.push(Citation { target: Target::Term(term.to_owned()), line: text.line_number(at) });
            }
        }
    }

    /// Names of pages followed by a bare number: a search for the section sign would not find them.
    fn bare(&mut self, text: &RunningText<'_>) {
        for name in PAGES.iter().map(|(name, _)| *name).chain(MISSPELLED) {
            for (at, _) in text.lower.match_indices(name) {
                let rest = text.lower[at + name.len()..].trim_start_matches(".md");
                let rest =
                    rest.strip_prefix(", section ").or(rest.strip_prefix(" section ")).or(rest.strip_prefix(' '));
                let number = rest.and_then(leading_section);
                let is_found_already = name == "workspace" && text.lower[..at].ends_with("mixer ");
                if is_word_start(&text.lower, at)
                    && number.is_some_and(|number| number <= HIGHEST_SECTION)
                    && !is_found_already
                {
                    self.problem(text, at, "a citation without a section sign");
                }
            }
        }
    }

    /// Numbers that belong to a section which is not named: one with a dot in parentheses, in a comment, and a quirk or
    /// trap outside a citation.
    fn stray(&mut self, text: &RunningText<'_>, ends: &[usize]) {
        for word in ["quirk ", "quirks ", "trap ", "traps "] {
            for (at, _) in text.lower.match_indices(word) {
                let is_numbered = leading_section(&text.lower[at + word.len()..]).is_some();
                if is_word_start(&text.lower, at) && is_numbered && !ends.iter().any(|end| (at..at + 20).contains(end))
                {
                    self.problem(text, at, "a numbered item without its section");
                }
            }
        }
        for (at, _) in text.line.match_indices('(') {
            let rest = &text.line[at + 1..];
            let number = &rest[..rest.find([',', ')', ';']).unwrap_or(0)];
            let is_section = number.split_once('.').is_some_and(|(major, minor)| {
                leading_section(major).is_some_and(|major| major <= HIGHEST_SECTION) && minor.parse::<u32>().is_ok()
            });
            if is_section && text.is_comment(at) {
                self.problem(text, at, "a number that looks like a section without its document");
            }
        }
    }
}

/// The document whose name ends the text.
fn document_before(text: &str) -> Option<Document> {
    let text = text.trim_end();
    let page = PAGES.iter().find(|(name, _)| {
        let start = text.len().wrapping_sub(name.len());
        text.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(name)) && is_word_start(text, start)
    });
    let (rest, number) = text.rsplit_once(' ').unwrap_or_default();
    let is_rfc = rest.ends_with("RFC") && number.parse::<u32>().is_ok();
    let is_foreign = is_rfc || FOREIGN.iter().any(|name| text.ends_with(name));
    page.map(|(name, _)| Document::Page(name)).or(is_foreign.then_some(Document::Foreign))
}

/// The numbers after a word for items, such as ` rules 4 and 5`, and the length of that text.
fn items(text: &str) -> (Vec<u32>, usize) {
    let mut items = Vec::new();
    let mut rest = text.trim_start_matches(',').trim_start();
    let Some(word) = ITEM_WORDS.iter().find(|word| rest.starts_with(**word)) else { return (items, 0) };
    rest = rest[word.len()..].trim_start_matches('s');
    let mut end = rest;
    while let Some(number) = rest.strip_prefix(' ') {
        let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        let Ok(item) = number[..digits].parse() else { break };
        items.push(item);
        end = &number[digits..];
        let next = [" and", " to", ","].iter().find_map(|word| end.strip_prefix(word));
        let Some(next) = next else { break };
        rest = next;
    }
    let used = if items.is_empty() { 0 } else { text.len() - end.len() };
    (items, used)
}

/// The first part of a number such as `5.2`, not followed by what makes it another kind of number.
fn leading_section(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..end].parse().ok().filter(|number| *number > 0)?;
    (!text[end..].starts_with(|c: char| c.is_alphanumeric() || "_%:".contains(c))).then_some(number)
}

fn is_word_start(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|c: char| c.is_alphanumeric() || "_-/.:".contains(c))
}

/// The line of a document with the texts of its links in their place: a citation may link the page.
fn link_texts(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, (_, after))) =
        rest.split_once("](").and_then(|(before, link)| Some((before, link.split_once(')')?)))
    {
        text.push_str(before);
        if let Some(at) = text.rfind('[') {
            text.remove(at);
        }
        rest = after;
    }
    text + rest
}

/// A file as one line, without the markers of comments, and where its lines began.
struct RunningText<'a> {
    file: &'a TextFile,
    line: String,
    lower: String,
    /// Where each line begins, and whether it is a comment of a source.
    starts: Vec<(usize, bool)>,
}

impl<'a> RunningText<'a> {
    fn of(file: &'a TextFile) -> Self {
        let (mut line, mut starts) = (String::new(), Vec::new());
        for each in file.text.lines() {
            let each = each.trim_start();
            starts.push((line.len(), each.starts_with("//")));
            let each = ["//!", "///", "//"].iter().find_map(|marker| each.strip_prefix(marker)).unwrap_or(each);
            let each = if file.is_markdown() { link_texts(each) } else { each.trim_start_matches('#').to_owned() };
            for word in each.split_whitespace() {
                line.push_str(word);
                line.push(' ');
            }
        }
        let lower = line.to_ascii_lowercase();
        Self { file, line, lower, starts }
    }

    fn line_number(&self, at: usize) -> usize {
        self.starts.partition_point(|(start, _)| *start <= at)
    }

    fn is_comment(&self, at: usize) -> bool {
        self.starts[self.line_number(at) - 1].1
    }
}

#[test]
fn a_citation_may_link_the_page() {
    let text = format!("See [manifest](../spec/manifest.md) {SIGN}5.2 and [packs](packs.md) {SIGN}2.");
    let found = find(&TextFile { path: "a.md".to_owned(), text });
    let targets: Vec<String> = found.citations.iter().map(|one| one.target.to_string()).collect();
    assert_eq!(targets, [format!("manifest {SIGN}5.2"), format!("packs {SIGN}2")]);
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    assert_eq!(link_texts("a [b c](d) [e] [f](g)(h)"), "a b c [e] f(h)");
}

#[test]
fn citations_are_found_in_every_spelling() {
    // `~` keeps a sample from being found here, `$` stands for the sign.
    let found = |text: &str| {
        let file = TextFile { path: "a.rs".to_owned(), text: text.replace('~', "").replace('$', &SIGN.to_string()) };
        let found = find(&file);
        let targets: Vec<String> = found.citations.iter().map(|one| one.target.to_string()).collect();
        (targets.join("; ").replace(SIGN, "$"), found.problems.len())
    };
    for (text, targets) in [
        ("// (manifest $5.2).", "manifest $5.2"),
        ("//! Source: manifest\n//! $5.2, $6 and $6.1.", "manifest $5.2; manifest $6; manifest $6.1"),
        (
            "// client behaviour $3 to $5; content layout $1",
            "client behaviour $3; client behaviour $5; content layout $1",
        ),
        ("// manifest $6 quirk ~17, packs $2", "manifest $6 item 17; packs $2"),
        ("// manifest $5.2 rules 4 and 5, $6", "manifest $5.2 item 4 item 5; manifest $6"),
        ("\"see content\n    layout $3 trap ~1\"", "content layout $3 item 1"),
        ("// RFC 9110 $13.2.2, $13.1 and proxy-protocol.txt $2", ""),
        ("// glossary \"os-core\" and a glossary", "glossary \"os-core\""),
        ("let packs = hash(manifest, 1); // packs 20, a hash: 4", ""),
    ] {
        assert_eq!(found(text), (targets.to_owned(), 0), "{text}");
    }
    for text in [
        "// manifest ~5.2",
        "// Manifest ~5",
        "// (spec, content layout ~3)",
        "//! client\n//! behaviour ~6",
        "// client-behaviour ~3",
        "// delta.md ~4",
        "// client behaviour, section ~6",
        "// workspace ~5.1",
        "// must-keep ~8",
        "// layout $3",
        "// see $5",
        "// manifest $5.2 (the rule) and $6",
        "// manifest $",
        "// as mixer does (5~.4)",
        "// what it weighs (5~.7, 5~.8)",
        "// mixer drops it (quirk ~17)",
    ] {
        assert_eq!(found(text).1, 1, "{text}");
    }
}

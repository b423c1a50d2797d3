//! The pages of the manual and their code blocks.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) struct Page {
    /// Relative to the root of the repository.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A fenced code block. Lines are counted from 1.
#[derive(Debug, PartialEq)]
pub(crate) struct Block {
    /// The line of the opening fence.
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    pub(crate) lines: Vec<String>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Kind {
    /// `sh`, with the programs that `needs=` names.
    Commands { needs: Vec<String> },
    /// `sh,system` or `sh,image`: what [`Kind::SCRIPTS`] executes.
    Elsewhere(&'static str),
    /// `text,output`.
    Output,
    /// Any other language; empty without one.
    Other(String),
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The README and the pages of the book, in the order in which they are read.
pub(crate) fn pages() -> Vec<Page> {
    let linked = contents(&fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap());
    let paths = linked.into_iter().map(|page| format!("docs/{page}"));
    std::iter::once("README.md".to_owned())
        .chain(paths)
        .map(|path| Page { text: fs::read_to_string(root().join(&path)).expect(&path), path })
        .collect()
}

/// The pages that a table of contents links, relative to its folder.
pub(crate) fn contents(summary: &str) -> Vec<String> {
    let targets = summary.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_owned()).collect()
}

impl Page {
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let (mut blocks, mut open) = (Vec::new(), None::<Block>);
        for (at, line) in self.text.lines().enumerate() {
            match (&mut open, line.trim_start().strip_prefix("```")) {
                (None, Some(language)) => {
                    open = Some(Block { line: at + 1, kind: Kind::parse(language), lines: Vec::new() });
                }
                (Some(_), Some("")) => blocks.extend(open.take()),
                (Some(block), _) => block.lines.push(line.to_owned()),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a code block is not closed", self.path);
        blocks
    }
}

impl Kind {
    /// Languages of blocks that need their own system, and the beginning of the names of the scripts in `tests/packages`
    /// that execute them.
    const SCRIPTS: [(&str, &str); 2] = [("sh,system", "boot"), ("sh,image", "image")];

    fn parse(language: &str) -> Self {
        if let Some((_, script)) = Self::SCRIPTS.iter().find(|(name, _)| *name == language) {
            return Self::Elsewhere(script);
        }
        match language {
            "sh" => Self::Commands { needs: Vec::new() },
            "text,output" => Self::Output,
            _ => match language.strip_prefix("sh,needs=") {
                Some(needs) => Self::Commands { needs: needs.split('+').map(str::to_owned).collect() },
                None => Self::Other(language.to_owned()),
            },
        }
    }
}

#[test]
fn blocks_have_lines_and_kinds() {
    let text =
        "# A\n```sh\necho a\n```\n\n```text,output\na\n```\n1. x\n   ```sh,needs=swupd+openssl\n   swupd\n   ```\n";
    let page = Page { path: "a.md".to_owned(), text: text.to_owned() };
    let blocks = page.blocks();
    let expected = [
        Block { line: 2, kind: Kind::Commands { needs: Vec::new() }, lines: vec!["echo a".to_owned()] },
        Block { line: 6, kind: Kind::Output, lines: vec!["a".to_owned()] },
        Block {
            line: 10,
            kind: Kind::Commands { needs: vec!["swupd".to_owned(), "openssl".to_owned()] },
            lines: vec!["   swupd".to_owned()],
        },
    ];
    assert_eq!(blocks, expected);
    assert_eq!(Kind::parse("sh,system"), Kind::Elsewhere("boot"));
    assert_eq!(Kind::parse("toml"), Kind::Other("toml".to_owned()));
}

#[test]
fn a_table_of_contents_links_pages() {
    let summary = "# Summary\n\n[Introduction](README.md)\n\n- [A page](a.md)\n  - [Another](b/c.md)\n";
    assert_eq!(contents(summary), ["README.md", "a.md", "b/c.md"]);
}

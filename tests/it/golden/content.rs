//! The content generators of the scenarios, exact to the byte.

use std::io::{self, Read};
use std::sync::Arc;

use clearwell_generate::tree::Generated;
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize, Clone, Debug)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Generator {
    Stream { seed: String, size: usize },
    Lines { seed: String, size: usize },
    Repeat { text: String, size: usize },
    Speckled { text: String, size: usize, seed: String, every: usize },
    Zeros { size: u64 },
    Edit { base: Box<Piece>, edits: Vec<Edit> },
}

#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Piece {
    content: Option<String>,
    content_gen: Option<Generator>,
}

#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    at: usize,
    #[serde(default)]
    delete: usize,
    insert: Option<Piece>,
}

/// Zeros, never in memory as a whole.
pub(super) struct Zeros(pub(super) u64);

impl Generated for Zeros {
    fn open(&self) -> Box<dyn Read + Send> {
        Box::new(io::repeat(0).take(self.0))
    }
}

impl Generator {
    /// The bytes. Not for zeros that do not fit into memory.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Stream { seed, size } => stream(seed, *size),
            Self::Lines { seed, size } => lines(seed, *size),
            Self::Repeat { text, size } => repeat(text, *size),
            Self::Speckled { text, size, seed, every } => {
                let mut bytes = repeat(text, *size);
                for (index, noise) in stream(seed, size / every).into_iter().enumerate() {
                    bytes[index * every + every - 1] = noise;
                }
                bytes
            }
            Self::Zeros { size } => vec![0; usize::try_from(*size).unwrap()],
            Self::Edit { base, edits } => {
                let base = base.bytes();
                let mut bytes = Vec::new();
                let mut position = 0;
                for edit in edits {
                    bytes.extend_from_slice(&base[position..edit.at]);
                    bytes.extend(edit.insert.iter().flat_map(Piece::bytes));
                    position = edit.at + edit.delete;
                }
                bytes.extend_from_slice(&base[position..]);
                bytes
            }
        }
    }
}

impl Piece {
    fn bytes(&self) -> Vec<u8> {
        match (&self.content, &self.content_gen) {
            (Some(content), None) => content.clone().into_bytes(),
            (None, Some(generator)) => generator.bytes(),
            _ => panic!("one of content and content_gen"),
        }
    }
}

/// A file's bytes as shared memory.
pub(super) fn shared(content: Option<&str>, generator: Option<&Generator>) -> Arc<[u8]> {
    match (content, generator) {
        (Some(content), None) => content.as_bytes().into(),
        (None, Some(generator)) => generator.bytes().into(),
        _ => panic!("a file has one of content and content_gen"),
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn stream(seed: &str, size: usize) -> Vec<u8> {
    (0..).flat_map(|index: usize| digest(&format!("{seed}:{index}"))).take(size).collect()
}

fn lines(seed: &str, size: usize) -> Vec<u8> {
    let line = |index: usize| {
        let hex: String = digest(&format!("{seed}:{index}"))[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{seed} line {index} {hex}\n").into_bytes()
    };
    (0..).flat_map(line).take(size).collect()
}

fn repeat(text: &str, size: usize) -> Vec<u8> {
    text.bytes().cycle().take(size).collect()
}

#[test]
fn golden_generators_match_their_check_values() {
    let cases = [
        (
            r#"{"kind":"stream","seed":"hammer","size":40}"#,
            "3ed923211ce1f3d001cac0ccdb4019ee32b611df9213b4b571656a0fbeaad29e",
        ),
        (
            r#"{"kind":"stream","seed":"","size":1000}"#,
            "e824358c5b88a3528a8f0743288fcb8cfc3defdaeb31474c2c62d1386fbf5293",
        ),
        (
            r#"{"kind":"lines","seed":"manual","size":60}"#,
            "60b35761e10bb1862fe3a97cd6e5315f0a1d405f0447649be905eaef497ae82c",
        ),
        (
            r#"{"kind":"lines","seed":"é","size":100}"#,
            "ccf90a2852309386102f7b365bafde62ae666b13e4d7dc16e02fb5e7e6428678",
        ),
        (
            r#"{"kind":"repeat","text":"abc","size":8}"#,
            "c212e6e3f814fb29117327c2f11661b116e015d5348d1b8aacf97e648ace5638",
        ),
        (
            r#"{"kind":"speckled","text":"The quick brown fox. ","seed":"noise","every":4,"size":30}"#,
            "ef6c87f7bf7445f7e69cad04ccf95ff5281d23cbd68de4f4b0a355ac894f5509",
        ),
        (
            r#"{"kind":"edit","base":{"content":"0123456789"},"edits":[{"at":0,"insert":{"content":"<"}},{"at":2,"delete":3},{"at":7,"delete":1,"insert":{"content_gen":{"kind":"repeat","text":"x","size":3}}},{"at":10,"insert":{"content":">"}}]}"#,
            "8f250c3ed2379c5a71fce321cdac5a128467069282bc21177f52399e552e3e51",
        ),
    ];
    for (generator, sha256) in cases {
        let bytes = serde_json::from_str::<Generator>(generator).unwrap().bytes();
        let hex: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, sha256, "{generator}");
    }
}

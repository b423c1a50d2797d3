//! Every delta of the vectors gives what the reference decoder gives: the same bytes, or the same kind of refusal.
//!
//! `fixtures/delta-vectors/index.tsv` names them: deltas of the reference encoder, hand-made unusual deltas it accepts,
//! and hand-made damage it refuses, each with what the reference decoder did.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use clearwell_delta::{HeaderVersion, PatchError, header, patch};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/delta-vectors")
}

fn read(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn vectors() -> Vec<BTreeMap<String, String>> {
    let index = String::from_utf8(read("index.tsv")).expect("index.tsv is text");
    let mut lines = index.lines();
    let columns: Vec<&str> = lines.next().expect("a line of column names").split('\t').collect();
    lines
        .map(|line| columns.iter().zip(line.split('\t')).map(|(c, v)| (c.to_string(), v.to_string())).collect())
        .collect()
}

#[test]
fn each_vector_has_the_result_of_the_reference() {
    for vector in vectors() {
        let id = &vector["id"];
        let result = patch(&read(&vector["old"]), &read(&vector["delta"]));
        match (vector["bspatch_exit"].as_str(), result) {
            ("0", Ok(patched)) => assert!(patched.bytes == read(&vector["new"]), "{id}: wrong bytes"),
            ("254", Err(error)) => assert!(error.means_full_download(), "{id}: {error}"),
            ("255", Err(error)) => assert!(!error.means_full_download(), "{id}: {error}"),
            (exit, result) => panic!("{id}: the reference ends with {exit}, we with {result:?}"),
        }
    }
}

#[test]
fn each_header_reads_as_written() {
    for vector in vectors().iter().filter(|vector| vector["bspatch_exit"] == "0") {
        let id = &vector["id"];
        let header = header(&read(&vector["delta"])).unwrap();
        for (column, value) in [
            ("first_block_offset", header.first_block.into()),
            ("ctrl_len", header.control_len),
            ("diff_len", header.diff_len),
            ("extra_len", header.extra_len),
            ("old_size", header.old_size),
            ("new_size", header.new_size),
        ] {
            assert_eq!(vector[column], value.to_string(), "{id}: {column}");
        }
        let found = header.encodings;
        // Of several the lowest is used; the index names all that are set.
        for (block, named) in
            [found.control, found.diff, found.extra].iter().zip(vector["enc_ctrl/diff/extra"].split('/'))
        {
            assert_eq!(block.to_string(), named.split('+').next().unwrap(), "{id}: encodings");
        }
        let version = [(HeaderVersion::V20, "v2.0"), (HeaderVersion::V21, "v2.1")];
        assert!(version.contains(&(header.version, &vector["header"])), "{id}: layout");
        let file = header.new_file;
        assert_eq!(vector["hdr_mode"], format!("{:o}", file.mode), "{id}: mode");
        assert_eq!(vector["hdr_uid:gid"], format!("{}:{}", file.uid, file.gid), "{id}: owner");
    }
}

#[test]
fn refusals_name_what_is_wrong() {
    let refused = |id: &str| {
        let vector = vectors().into_iter().find(|vector| vector["id"] == id).unwrap();
        patch(&read(&vector["old"]), &read(&vector["delta"])).unwrap_err()
    };
    assert!(matches!(refused("14-fulldl-newsmall"), PatchError::FullDownload));
    assert!(matches!(refused("r01-no-bits"), PatchError::NoEncoding { .. }));
    assert!(matches!(refused("r03-old-size"), PatchError::OldSize { declared: 99, actual: 100 }));
    assert!(matches!(refused("r04-trailing-byte"), PatchError::WrongSize { declared: 156, actual: 157 }));
    assert!(matches!(refused("r05-negative-diff"), PatchError::TripleOutOfRange { .. }));
    assert!(matches!(refused("r08-seek-below"), PatchError::SeekOutOfRange { .. }));
    assert!(matches!(refused("r10-short-ctrl"), PatchError::TripleOutOfRange { .. } | PatchError::BlockEnds { .. }));
    assert!(matches!(refused("r13-xz-nocheck"), PatchError::Decode { .. }));
    assert!(matches!(refused("r14-xz-dict128"), PatchError::Decode { .. }));
    assert!(matches!(refused("r15-xz-two-streams"), PatchError::BlockEnds { .. }));
    assert!(matches!(refused("r16-zeros-short"), PatchError::BlockEnds { .. }));
    assert!(matches!(refused("r17-dir"), PatchError::Directory));
    assert!(matches!(refused("r18-unknown"), PatchError::UnknownMagic { .. }));
    assert!(matches!(refused("r20-short-file"), PatchError::ShortHeader { .. }));
}

#[test]
fn no_vector_is_forgotten() {
    let named: BTreeSet<String> =
        vectors().iter().flat_map(|vector| ["old", "new", "delta"].map(|column| vector[column].clone())).collect();
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "index.tsv" || named.contains(&name), "{name} is in no line of index.tsv");
    }
}

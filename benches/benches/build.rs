//! Two releases of a made-up mix: a first one, and an update that touches one file in fifty.
//!
//! ```text
//! cargo bench -p clearwell-benches --bench build -- FILES      default 2000
//! cargo bench -p clearwell-benches --bench build -- --smoke    200 files
//! ```
//!
//! Timed: everything from the plan to the pointers, on all cores. Not timed: reading and hashing the trees, which are
//! made in memory, and signing, which needs a key.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::sync::Arc;
use std::time::Instant;

use clearwell_format::{BundleName, EntryPath, FormatNumber, Owner, Version};
use clearwell_generate::build::{BuildOptions, build};
use clearwell_generate::guard::Rule;
use clearwell_generate::inputs::{BundleInput, BundleStatus, DebuginfoBan, Inputs, Listed, Release};
use clearwell_generate::progress::Silent;
use clearwell_generate::tree::{Node, Tree};
use clearwell_store::Store;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let files = match arguments.first().map(String::as_str) {
        Some("--smoke") => 200,
        Some(number) => number.parse().expect("a number of files"),
        None => 2000,
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = Store::create(dir.path().join("store")).expect("a new store");
    let mut writer = store.writer("bench").expect("the only writer");
    println!("{:>8} {:>8} {:>12} {:>8} {:>10}", "version", "files", "input bytes", "s", "MB/s");
    for (number, previous) in [(10, None), (20, Version::new(10))] {
        let inputs = inputs(Version::new(number).expect("not zero"), previous, files);
        let bytes: u64 = inputs.tree.nodes().map(|(_, node)| node.size()).sum();
        let mut options = BuildOptions::new(1_700_000_000);
        options.allowed = Rule::ALL.iter().copied().filter(|rule| rule.allowable()).collect();
        let begun = Instant::now();
        let outcome = build(&inputs, &mut writer, None, &options, &Silent).expect("a release");
        let seconds = begun.elapsed().as_secs_f64();
        println!("{number:>8} {files:>8} {bytes:>12} {seconds:>8.2} {:>10.2}", bytes as f64 / seconds / 1e6);
        for phase in outcome.phases {
            println!("{:>17} {:>8.2} s", phase.phase, phase.milliseconds as f64 / 1e3);
        }
    }
}

fn inputs(version: Version, previous: Option<Version>, files: u32) -> Inputs {
    let owner = Owner { permissions: 0o644, uid: 0, gid: 0 };
    let folder = Owner { permissions: 0o755, ..owner };
    let path = |text: String| EntryPath::parse(text.as_bytes()).expect("a path");
    let mut nodes: Vec<Node> =
        ["/usr", "/usr/share", "/usr/share/bench", "/usr/share/clear", "/usr/share/clear/bundles", "/usr/lib"]
            .map(|folder_path| Node::directory(path(folder_path.into()), folder, 0))
            .to_vec();
    let mut add = |name: String, content: Vec<u8>| nodes.push(Node::file(path(name), owner, 0, Arc::from(content)));
    add("/usr/share/clear/bundles/os-core".into(), Vec::new());
    add("/usr/share/clear/version".into(), version.to_string().into_bytes());
    add("/usr/share/clear/versionstamp".into(), b"1700000000".to_vec());
    add("/usr/lib/os-release".into(), format!("VERSION_ID={version}\n").into_bytes());
    for file in 0..files {
        let edition = if previous.is_some() && file % 50 == 0 { 2 } else { 1 };
        add(format!("/usr/share/bench/{file:06}"), text(file, edition));
    }
    let tree = Tree::new(nodes).expect("distinct paths");
    let listed = tree.nodes().map(|(node, _)| Listed { node, exported: false }).collect();
    let bundle = BundleInput {
        name: BundleName::os_core(),
        status: BundleStatus::Active,
        includes: Vec::new(),
        also_add: Vec::new(),
        files: listed,
    };
    let format = FormatNumber::new(30).expect("not zero");
    Inputs {
        release: Release { version, previous, format, min_version: None, timestamp: 1_700_000_000 },
        tree,
        bundles: vec![bundle],
        stamps: Vec::new(),
        debuginfo: DebuginfoBan::usual(),
        upstream: None,
        warnings: Vec::new(),
    }
}

/// Between one and sixteen KiB of lines.
fn text(file: u32, edition: u32) -> Vec<u8> {
    let mut state = file.wrapping_mul(2_654_435_761);
    let lines = 20 + file % 300;
    (0..lines)
        .flat_map(|line| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let edition = if line == lines / 2 { edition } else { 1 };
            format!("file {file} line {line} edition {edition} says {:08x}\n", state >> 3).into_bytes()
        })
        .collect()
}

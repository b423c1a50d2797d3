//! The plan of a mix as large as a distribution: how time and memory grow with bundles and files.
//!
//! ```text
//! cargo bench -p clearwell-benches --bench plan                1,000 bundles, 500,000 files, and a quarter and a half of it
//! cargo bench -p clearwell-benches --bench plan -- --smoke     10 bundles, 1,000 files
//! ```
//!
//! Two plans each: a first version, and an update in which one file in fifty changed. Memory is the most that the process
//! has used so far, so sizes grow from line to line.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::sync::Arc;
use std::time::Instant;

use clearwell_format::{BundleName, EntryPath, FileHash, FormatNumber, Owner, Version};
use clearwell_generate::inputs::{BundleInput, BundleStatus, DebuginfoBan, Inputs, Listed, Release};
use clearwell_generate::plan::{PlanOptions, plan};
use clearwell_generate::tree::{Body, Content, Node, Tree};

fn main() {
    let is_smoke = std::env::args().any(|argument| argument == "--smoke");
    let sizes: &[(u32, u32)] = if is_smoke { &[(10, 100)] } else { &[(250, 500), (500, 500), (1_000, 500)] };
    println!("{:>8} {:>8} {:>8} {:>8} {:>10} {:>10}", "bundles", "files", "version", "s", "MiB", "artifacts");
    for &(bundles, files) in sizes {
        let mut previous = None;
        for number in [10, 20] {
            let version = Version::new(number).expect("not zero");
            let inputs =
                inputs(version, previous.as_ref().map(|_| Version::new(10).expect("not zero")), bundles, files);
            let options = PlanOptions { packs_from: previous.iter().cloned().collect(), ..PlanOptions::default() };
            let begun = Instant::now();
            let plan = plan(&inputs, previous.as_deref(), &options).expect("a plan");
            let seconds = begun.elapsed().as_secs_f64();
            let artifacts = plan.fullfiles.len() + plan.packs.len() + plan.bundles.len();
            let all = bundles * files;
            println!("{bundles:>8} {all:>8} {number:>8} {seconds:>8.2} {:>10} {artifacts:>10}", peak_mib());
            previous = Some(Arc::new(plan.release()));
        }
    }
}

fn inputs(version: Version, previous: Option<Version>, bundles: u32, files: u32) -> Inputs {
    let owner = Owner { permissions: 0o644, uid: 0, gid: 0 };
    let path = |text: String| EntryPath::parse(text.as_bytes()).expect("a path");
    let folder = |text: &str| Node::directory(path(text.into()), Owner { permissions: 0o755, ..owner }, 0);
    let mut nodes: Vec<Node> = ["/usr", "/usr/lib"].map(folder).to_vec();
    let mut file = |name: String, edition: u32| {
        let text = format!("{name} {edition}");
        let body = Body::File { size: text.len() as u64, content: Content::Memory(Arc::from(&b""[..])) };
        nodes.push(Node { path: path(name), owner, mtime: 0, hash: FileHash::of_file(text.as_bytes(), owner), body });
    };
    for bundle in 0..bundles {
        for number in 0..files {
            let is_changed = previous.is_some() && number % 50 == bundle % 50;
            file(format!("/usr/lib/{bundle:04}-{number:04}.so"), u32::from(is_changed));
        }
    }
    let tree = Tree::new(nodes).expect("distinct paths");
    let mut lists: Vec<Vec<Listed>> = vec![Vec::new(); bundles as usize];
    let mut base = Vec::new();
    for (node, found) in tree.nodes() {
        let listed = Listed { node, exported: false };
        let name: Option<u32> =
            found.path.as_bytes().get(9..13).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        match name {
            Some(bundle) => lists[bundle as usize].push(listed),
            None => base.push(listed),
        }
    }
    let bundle = |(number, mut files): (usize, Vec<Listed>)| {
        files.splice(0..0, base.iter().copied());
        let name = if number == 0 { "os-core".to_owned() } else { format!("bundle-{number:04}") };
        BundleInput {
            name: BundleName::parse(name.as_bytes()).expect("a bundle name"),
            status: BundleStatus::Active,
            includes: Vec::new(),
            also_add: Vec::new(),
            files,
        }
    };
    Inputs {
        release: Release {
            version,
            previous,
            format: FormatNumber::new(30).expect("not zero"),
            min_version: None,
            timestamp: 1_700_000_000,
        },
        bundles: lists.into_iter().enumerate().map(bundle).collect(),
        tree,
        stamps: Vec::new(),
        debuginfo: DebuginfoBan::usual(),
        upstream: None,
        warnings: Vec::new(),
    }
}

/// Peak resident memory of this process, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) >> 10
}

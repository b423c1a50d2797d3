//! Maintenance of a store: throughput of `check`, and time and memory of the plan of `gc`.
//!
//! ```text
//! cargo bench -p clearwell-benches --bench store               600 MB checked; 200 versions with a million files
//! cargo bench -p clearwell-benches --bench store -- --smoke    one hundredth of that
//! ```
//!
//! `check`: the bytes of fullfiles and packs against the index, on all cores, compared with `sha256sum` over the same
//! files on the same cores, both with the files in the page cache. Target: at least 0.8 of its throughput. Not timed: the contents of
//! archives.
//!
//! `gc`: a plan that keeps the last 10, 50, 100 of 200 versions, from indexes and manifests on disk. Target: under 10 s
//! and 500 MiB. Each version changes 5 of 100 bundles.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use clearwell_format::resource::{Artifact, Pointer};
use clearwell_format::{
    BundleName, Entry, FileHash, FileKind, FormatNumber, Header, Manifest, ManifestName, Mom, MomEntry, Version,
};
use clearwell_store::check::{CheckOptions, check};
use clearwell_store::gc::{Retention, plan};
use clearwell_store::progress::Silent;
use clearwell_store::{ArtifactMeta, Digest, ReleaseRecord, Store};

fn main() {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    check_bytes(if smoke { 6_000_000 } else { 600_000_000 });
    plan_collections(if smoke { 50 } else { 5_000 });
}

fn check_bytes(total: u64) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = Store::create(dir.path()).expect("a new store");
    let mut writer = store.writer("bench").expect("the only writer");
    let draft = writer.draft(version(10), "").expect("a new version");
    let (mut made, mut files, mut state) = (0, 0_u64, 0x9e37_79b9_7f4a_7c15_u64);
    while made < total {
        // As in a real release: half of the bytes in packs of megabytes, half in fullfiles of kilobytes.
        let is_pack = files % 200 == 0;
        let size = if is_pack { 6 << 20 } else { 2 << 10 << (files % 7) };
        let mut bytes = vec![0; size];
        for word in bytes.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        let artifact = match is_pack {
            true => Artifact::Pack { bundle: bundle(files), from: None },
            false => Artifact::Fullfile(hash(files)),
        };
        draft.put(&artifact, &bytes).expect("room on the disk");
        made += size as u64;
        files += 1;
    }
    let record = ReleaseRecord::new(version(10), format(), 0);
    draft.prepare(record).and_then(|prepared| prepared.release()).expect("a release");
    drop(writer);

    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    println!("check: {files} files, {made} bytes, {cores} cores");
    println!("{:>12} {:>12} {:>8}", "check MB/s", "sha256sum", "ratio");
    let speed = |seconds: Duration| made as f64 / seconds.as_secs_f64() / 1e6;
    for _ in 0..3 {
        let begun = Instant::now();
        let options = CheckOptions { contents: false, ..CheckOptions::new(0) };
        let report = check(&store, &options, &Silent).expect("a check");
        let ours = speed(begun.elapsed());
        assert_eq!(report.artifacts, files);
        let begun = Instant::now();
        let peer = sha256sum(dir.path(), cores).then(|| speed(begun.elapsed()));
        match peer {
            Some(peer) => println!("{ours:>12.0} {peer:>12.0} {:>8.2}", ours / peer),
            None => println!("{ours:>12.0} {:>12}", "not here"),
        }
    }
}

/// False where there is no `sha256sum`.
fn sha256sum(store: &Path, cores: usize) -> bool {
    let script = format!("find content -type f -print0 | xargs -0 -n 64 -P {cores} sha256sum");
    let run = Command::new("sh").args(["-c", &script]).current_dir(store).stdout(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}

const BUNDLES: u64 = 100;
const CHANGED: u64 = 5;
const VERSIONS: u32 = 200;

fn plan_collections(files_per_bundle: u64) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = Store::create(dir.path()).expect("a new store");
    let files = synthesize(&store, files_per_bundle);
    println!("gc: {VERSIONS} versions, {files} files");
    println!("{:>8} {:>8} {:>10} {:>12}", "keep", "s", "MiB", "goes");
    for last in [10, 50, 100] {
        forget_peak();
        let retention = Retention { grace: Duration::ZERO, ..Retention::new(last, SystemTime::now()) };
        let store = Store::open(dir.path()).expect("the store");
        let begun = Instant::now();
        let plan = plan(&store, &retention, &Silent).expect("a plan");
        let seconds = begun.elapsed().as_secs_f64();
        println!("{last:>8} {seconds:>8.2} {:>10} {:>12}", peak_mib(), plan.removed().number);
    }
}

/// Writes indexes, records and manifests but not the files, which a plan does not read.
fn synthesize(store: &Store, files_per_bundle: u64) -> usize {
    let layout = store.layout();
    let (mut manifests, mut hashes): (Vec<Manifest>, Vec<FileHash>) = Default::default();
    let (mut next, mut files) = (0_u64, 0);
    for step in 1..=VERSIONS {
        let version = version(step * 10);
        let folder = layout.release_folder(version);
        fs::create_dir_all(&folder).expect("room on the disk");
        let mut artifacts: BTreeMap<Artifact, ArtifactMeta> = BTreeMap::new();
        let changed: Vec<u64> = match step {
            1 => (0..BUNDLES).collect(),
            _ => (0..CHANGED).map(|at| (u64::from(step) * CHANGED + at) % BUNDLES).collect(),
        };
        for at in changed {
            let manifest = match manifests.get(at as usize) {
                None => (0..files_per_bundle).map(|file| entry(at, file, version, &mut next)).collect(),
                Some(before) => {
                    let mut entries = before.entries.clone();
                    // One tenth of the bundle, a different one in each version.
                    let tenth = (files_per_bundle / 10).max(1);
                    for file in (0..tenth).map(|file| (u64::from(step) * tenth + file) % files_per_bundle) {
                        entries[file as usize] = entry(at, file, version, &mut next);
                    }
                    entries
                }
            };
            let manifest = Manifest::new(header(version, files_per_bundle), manifest);
            for entry in manifest.entries.iter().filter(|entry| entry.version == version) {
                artifacts.insert(Artifact::Fullfile(entry.hash()), meta(b""));
                files += 1;
            }
            let bytes = manifest.to_bytes();
            write(&folder, Artifact::Manifest(ManifestName::Bundle(bundle(at))), &bytes, &mut artifacts);
            let hash = FileHash::of_manifest(&bytes);
            if manifests.len() == at as usize {
                manifests.push(manifest);
                hashes.push(hash);
            } else {
                manifests[at as usize] = manifest;
                hashes[at as usize] = hash;
            }
        }
        let entries = manifests
            .iter()
            .zip(&hashes)
            .enumerate()
            .map(|(at, (manifest, hash))| MomEntry::new(bundle(at as u64), manifest.header.version, *hash, false));
        let mom = Mom::new(header(version, BUNDLES), entries.collect());
        write(&folder, Artifact::Manifest(ManifestName::Mom), &mom.to_bytes(), &mut artifacts);
        fs::write(layout.index(version), index(version, &artifacts)).expect("room on the disk");
        let record = serde_record(version);
        fs::write(layout.record(version), record).expect("room on the disk");
    }
    let newest = version(VERSIONS * 10).to_string().into_bytes();
    let pointers = [(Pointer::Latest(format()), newest)].into();
    store.writer("bench").and_then(|writer| writer.publish(&pointers)).expect("room on the disk");
    files
}

fn write(folder: &Path, artifact: Artifact, bytes: &[u8], artifacts: &mut BTreeMap<Artifact, ArtifactMeta>) {
    fs::write(folder.join(artifact.to_string()), bytes).expect("room on the disk");
    artifacts.insert(artifact, meta(bytes));
}

/// An index in the layout of the store: fullfiles by hash, then the other artifacts by name.
fn index(release: Version, artifacts: &BTreeMap<Artifact, ArtifactMeta>) -> Vec<u8> {
    let (mut fullfiles, mut others) = (Vec::new(), BTreeMap::new());
    for (artifact, meta) in artifacts {
        match artifact {
            Artifact::Fullfile(hash) => fullfiles.push((hash, meta)),
            other => drop(others.insert(other.to_string(), meta)),
        }
    }
    let names: String = others.keys().map(String::as_str).collect();
    let mut bytes = b"CWINDEX\n".to_vec();
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(release.number().to_le_bytes());
    for number in [fullfiles.len(), others.len(), names.len()] {
        bytes.extend((number as u64).to_le_bytes());
    }
    let tail = |meta: &ArtifactMeta| [&meta.size.to_le_bytes()[..], meta.sha256.as_bytes()].concat();
    for (hash, meta) in fullfiles {
        bytes.extend(hash.as_bytes());
        bytes.extend(tail(meta));
    }
    let mut offset = 0_u32;
    for (name, meta) in &others {
        let length = u32::try_from(name.len()).expect("short names");
        bytes.extend([offset.to_le_bytes(), length.to_le_bytes()].concat());
        bytes.extend(tail(meta));
        offset += length;
    }
    bytes.extend(names.into_bytes());
    bytes.extend(*Digest::of(&bytes).as_bytes());
    bytes
}

fn serde_record(version: Version) -> String {
    let body = format!("{{\n  \"version\": {version},\n  \"format\": 30,\n  \"timestamp\": 0");
    let sum = Digest::of(format!("{body}\n}}").as_bytes());
    format!("{body},\n  \"checksum\": \"{sum}\"\n}}\n")
}

fn entry(bundle: u64, file: u64, version: Version, next: &mut u64) -> Entry {
    *next += 1;
    let path = format!("/usr/lib/bundle-{bundle:03}/some-folder/file-{file:06}.so").parse().expect("a path");
    Entry::present(path, version, FileKind::File, hash(*next))
}

fn header(version: Version, files: u64) -> Header {
    Header {
        format: format(),
        version,
        previous: None,
        min_version: None,
        file_count: u32::try_from(files).expect("few files"),
        timestamp: 0,
        content_size: 0,
        includes: Vec::new(),
        also_add: Vec::new(),
    }
}

fn meta(bytes: &[u8]) -> ArtifactMeta {
    ArtifactMeta { size: bytes.len() as u64, sha256: Digest::of(bytes) }
}

fn hash(number: u64) -> FileHash {
    FileHash::from_bytes(*Digest::of(&number.to_le_bytes()).as_bytes())
}

fn bundle(number: u64) -> BundleName {
    format!("bundle-{number:03}").parse().expect("a name")
}

fn version(number: u32) -> Version {
    Version::new(number).expect("not zero")
}

fn format() -> FormatNumber {
    FormatNumber::new(30).expect("not zero")
}

/// Resets the kernel's peak memory counter.
fn forget_peak() {
    // Where that cannot be written, the peak is that of making the store.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

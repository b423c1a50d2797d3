//! Deltas of pairs of files: time, size, and the same of a `bsdiff` found on PATH.
//!
//! ```text
//! cargo bench -p clearwell-benches --bench delta -- PAIRS      PAIRS has NAME.old and NAME.new
//! cargo bench -p clearwell-benches --bench delta -- --smoke    made-up pairs, once, no peer
//! ```
//!
//! Timed: one delta on one thread, from bytes in memory to bytes in memory; for bsdiff the whole process, which reads and
//! writes files besides (milliseconds). Every delta of ours is applied and compared, outside the measured time.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clearwell_delta::{Delta, DiffOptions, NewFile, diff, patch};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let pairs = match arguments.first().map(String::as_str) {
        None | Some("--smoke") => made_up(),
        Some(dir) => on_disk(Path::new(dir)),
    };
    let peer = arguments.first().is_some_and(|argument| argument != "--smoke") && has_bsdiff();
    if !peer {
        println!("no comparison: give a folder of pairs, with bsdiff on PATH");
    }
    println!("{:40} {:>10} {:>10} {:>8} {:>10} {:>8} {:>6}", "pair", "new", "ours", "s", "bsdiff", "s", "ratio");
    let (mut ours_all, mut theirs_all, mut seconds_all, mut their_seconds_all) = (0, 0, 0.0, 0.0);
    for (name, old, new) in pairs {
        let options = DiffOptions { threads: NonZeroUsize::MIN, ..DiffOptions::default() };
        let begun = Instant::now();
        let delta =
            diff(&old, &new, NewFile { mode: 0o100_644, uid: 0, gid: 0 }, &options).expect("a delta or a reason");
        let seconds = begun.elapsed().as_secs_f64();
        if let Delta::Bytes(bytes) = &delta {
            assert_eq!(patch(&old, bytes).expect("our delta applies").bytes, new, "{name}");
        }
        let ours = delta.into_file().len();
        (ours_all, seconds_all) = (ours_all + ours, seconds_all + seconds);
        let theirs = peer.then(|| bsdiff(&old, &new)).flatten();
        let columns = theirs.map_or_else(
            || format!("{:>10} {:>8} {:>6}", "-", "-", "-"),
            |(bytes, seconds)| {
                (theirs_all, their_seconds_all) = (theirs_all + bytes, their_seconds_all + seconds);
                format!("{bytes:>10} {seconds:>8.2} {:>6.3}", ours as f64 / bytes as f64)
            },
        );
        println!("{name:40} {:>10} {ours:>10} {seconds:>8.2} {columns}", new.len());
    }
    println!("all: {ours_all} bytes in {seconds_all:.2} s; bsdiff: {theirs_all} bytes in {their_seconds_all:.2} s");
}

fn on_disk(dir: &Path) -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let mut names: Vec<PathBuf> =
        fs::read_dir(dir).expect("a folder of pairs").filter_map(|entry| Some(entry.ok()?.path())).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "old"));
    names.sort();
    let read = |path: &Path| fs::read(path).expect("both files of a pair");
    let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    names.iter().map(|path| (name(path), read(path), read(&path.with_extension("new")))).collect()
}

/// Text that changes in few places, a table whose numbers all grow, and bytes that have nothing in common.
fn made_up() -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let mut state = 1u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as u8
    };
    let text: Vec<u8> = (0..300_000).map(|_| b"etaoin shrdlu\n"[usize::from(random() % 14)]).collect();
    let mut edited = text.clone();
    for at in [1000, 90_000, 200_000] {
        edited.splice(at..at + 10, *b"something else here");
    }
    let table = |base: u32| (0..50_000u32).flat_map(|row| (base + row * 16).to_le_bytes()).collect::<Vec<u8>>();
    let noise = |random: &mut dyn FnMut() -> u8| (0..100_000).map(|_| random()).collect::<Vec<u8>>();
    let (first, second) = (noise(&mut random), noise(&mut random));
    vec![
        ("text, three edits".into(), text, edited),
        ("table, all numbers moved".into(), table(4096), table(8192)),
        ("noise".into(), first, second),
    ]
}

fn has_bsdiff() -> bool {
    Command::new("bsdiff").output().is_ok()
}

/// Bytes and seconds of the reference; `None` if it gives no delta.
fn bsdiff(old: &[u8], new: &[u8]) -> Option<(usize, f64)> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| dir.path().join(name);
    fs::write(path("old"), old).expect("room for a pair");
    fs::write(path("new"), new).expect("room for a pair");
    let begun = Instant::now();
    let status = Command::new("bsdiff").args([path("old"), path("new"), path("delta")]).status().ok()?;
    let seconds = begun.elapsed().as_secs_f64();
    status.success().then(|| fs::metadata(path("delta")).ok()).flatten().map(|meta| (meta.len() as usize, seconds))
}

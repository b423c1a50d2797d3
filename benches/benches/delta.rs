//! Deltas of pairs of files: time and size, compared with a `bsdiff` found on PATH.
//!
//! ```text
//! cargo bench -p clearwell-benches --bench delta -- PAIRS      PAIRS has NAME.old and NAME.new
//! cargo bench -p clearwell-benches --bench delta -- --smoke    made-up pairs, once, without bsdiff
//! ```
//!
//! Timed: one delta on one thread, from bytes in memory to bytes in memory, and the whole process of bsdiff, which reads
//! and writes files too (milliseconds). Both in seconds of processor time, which other work on the machine affects
//! little. Every delta of ours is applied and compared, outside the measured time.
//!
//! bsdiff takes many minutes for large pairs: its results are kept in `PAIRS/bsdiff.tsv` (name, bytes, seconds),
//! a line per pair, and read from there the next time.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use clearwell_delta::{Delta, DiffOptions, NewFile, diff, patch};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let pairs = match arguments.first().map(String::as_str) {
        None | Some("--smoke") => made_up(),
        Some(dir) => on_disk(Path::new(dir)),
    };
    let mut peer = match arguments.first() {
        Some(dir) if dir != "--smoke" => Some(Reference::new(Path::new(dir))),
        _ => None,
    };
    if peer.is_none() {
        println!("no comparison: give a folder of pairs, with bsdiff on PATH");
    }
    println!(
        "{:48} {:>9} {:>9} {:>7} {:>9} {:>7} {:>6} {:>6}",
        "pair", "new", "ours", "s", "bsdiff", "s", "bytes", "time"
    );
    let mut ours = Sum::default();
    let mut compared = (Sum::default(), Sum::default());
    for (name, old, new) in pairs {
        let options = DiffOptions { threads: NonZeroUsize::MIN, ..DiffOptions::default() };
        let begun = processor_seconds();
        let delta =
            diff(&old, &new, NewFile { mode: 0o100_644, uid: 0, gid: 0 }, &options).expect("a delta or a reason");
        let mine = Sum { bytes: 0, seconds: processor_seconds() - begun };
        if let Delta::Bytes(bytes) = &delta {
            assert_eq!(patch(&old, bytes).expect("our delta applies").bytes, new, "{name}");
        }
        let mine = Sum { bytes: delta.into_file().len(), ..mine };
        ours.add(&mine);
        let theirs = peer.as_mut().and_then(|peer| peer.bsdiff(&name, &old, &new));
        let columns = match &theirs {
            Some(theirs) => {
                compared.0.add(&mine);
                compared.1.add(theirs);
                let ratio = mine.ratio_to(theirs);
                format!("{:>9} {:>7.2} {:>6.3} {:>6.3}", theirs.bytes, theirs.seconds, ratio.0, ratio.1)
            }
            None => format!("{:>9} {:>7} {:>6} {:>6}", "-", "-", "-", "-"),
        };
        println!("{name:48} {:>9} {:>9} {:>7.2} {columns}", new.len(), mine.bytes, mine.seconds);
    }
    println!("all: {} bytes in {:.2} s", ours.bytes, ours.seconds);
    if compared.1.bytes > 0 {
        let (bytes, time) = compared.0.ratio_to(&compared.1);
        let theirs = compared.1;
        println!(
            "bsdiff: {} bytes in {:.2} s; to it {bytes:.3} of the bytes, {time:.3} of the time",
            theirs.bytes, theirs.seconds
        );
    }
}

/// Size and time of deltas.
#[derive(Clone, Copy, Default)]
struct Sum {
    bytes: usize,
    /// Processor time.
    seconds: f64,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.seconds += other.seconds;
    }

    /// Of bytes and of time.
    fn ratio_to(&self, other: &Self) -> (f64, f64) {
        (self.bytes as f64 / other.bytes as f64, self.seconds / other.seconds)
    }
}

/// Processor time of this process, of threads that have ended too.
fn processor_seconds() -> f64 {
    processor_time(11)
}

/// Processor time of child processes that were waited for.
fn processor_seconds_of_children() -> f64 {
    processor_time(13)
}

/// Two numbers of `/proc/self/stat`, in user mode and in the kernel. They come after the name of the program, which may
/// contain anything but ends with the last bracket (proc(5)).
fn processor_time(field: usize) -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").expect("/proc/self/stat");
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(field).take(2).map(|field| field.parse::<u64>().expect("a number")).sum();
    ticks as f64 / TICKS_PER_SECOND
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

/// The bsdiff on PATH, and its results so far.
struct Reference {
    table: PathBuf,
    known: BTreeMap<String, Sum>,
}

impl Reference {
    fn new(pairs: &Path) -> Self {
        let table = pairs.join("bsdiff.tsv");
        let text = fs::read_to_string(&table).unwrap_or_default();
        let line = |line: &str| {
            let mut fields = line.split('\t');
            let name = fields.next()?.to_owned();
            Some((name, Sum { bytes: fields.next()?.parse().ok()?, seconds: fields.next()?.parse().ok()? }))
        };
        Self { known: text.lines().filter_map(line).collect(), table }
    }

    /// `None` if it makes no delta, or is not on PATH.
    fn bsdiff(&mut self, name: &str, old: &[u8], new: &[u8]) -> Option<Sum> {
        if let Some(known) = self.known.get(name) {
            return Some(*known);
        }
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| dir.path().join(name);
        fs::write(path("old"), old).expect("room for a pair");
        fs::write(path("new"), new).expect("room for a pair");
        let begun = processor_seconds_of_children();
        let status = Command::new("bsdiff").args([path("old"), path("new"), path("delta")]).status().ok()?;
        let seconds = processor_seconds_of_children() - begun;
        let bytes = status.success().then(|| fs::metadata(path("delta")).ok()).flatten()?.len() as usize;
        let mut table = OpenOptions::new().create(true).append(true).open(&self.table).expect("room for a table");
        writeln!(table, "{name}\t{bytes}\t{seconds:.2}").expect("room for a table");
        Some(Sum { bytes, seconds })
    }
}

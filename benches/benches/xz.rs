//! Our xz encoder compared with preset 6 of liblzma, on the kind of data that packs contain.
//!
//! ```text
//! cargo bench -p clearwell-benches --bench xz -- FILE…       each file; machine code with the branch filter
//! cargo bench -p clearwell-benches --bench xz -- --smoke     the beginning of this program
//! ```
//!
//! One thread, processor time, in alternating runs; the dictionary is 32 MiB for both, and the other options of ours are
//! those of the profile `small`. Every stream is decoded by liblzma before a line is printed.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::io::{Read, Write};
use std::path::PathBuf;

use clearwell_format::archive::{Codec, DictSize, NiceLength};
use rustix::time::{ClockId, clock_gettime};

fn main() {
    let is_smoke = std::env::args().any(|argument| argument == "--smoke");
    let mut files: Vec<PathBuf> =
        std::env::args().skip(1).filter(|a| !a.starts_with("--")).map(PathBuf::from).collect();
    if files.is_empty() {
        files.extend(std::env::current_exe());
    }
    println!("{:>10} {:>10} {:>10} {:>6} {:>8} {:>8} {:>6}", "bytes", "liblzma", "ours", "ratio", "s", "s", "ratio");
    let (mut all_bytes, mut all_seconds) = ([0, 0], [0.0, 0.0]);
    for file in files {
        let mut data = std::fs::read(&file).expect("a file that can be read");
        data.truncate(if is_smoke { 200_000 } else { 32 << 20 });
        let x86 = data.starts_with(b"\x7fELF");
        let (liblzma, first) = timed(|| liblzma(&data, x86));
        let (ours, second) = timed(|| {
            Codec::OwnXz { dict_size: DictSize::MAX, nice_length: NiceLength::new(40).expect("a length"), x86 }
                .compress(&data)
                .expect("memory")
        });
        for stream in [&liblzma, &ours] {
            let mut back = Vec::new();
            liblzma::read::XzDecoder::new(&stream[..]).read_to_end(&mut back).expect("a whole stream");
            assert!(back == data, "{} does not come back", file.display());
        }
        print(data.len(), [liblzma.len(), ours.len()], [first, second]);
        all_bytes = [all_bytes[0] + liblzma.len(), all_bytes[1] + ours.len()];
        all_seconds = [all_seconds[0] + first, all_seconds[1] + second];
    }
    println!("all:");
    print(0, all_bytes, all_seconds);
}

fn print(length: usize, [liblzma, ours]: [usize; 2], [first, second]: [f64; 2]) {
    let (bytes, time) = (ours as f64 / liblzma as f64, second / first);
    println!("{length:>10} {liblzma:>10} {ours:>10} {bytes:>6.3} {first:>8.2} {second:>8.2} {time:>6.3}");
}

fn liblzma(data: &[u8], x86: bool) -> Vec<u8> {
    use liblzma::stream::{Check, Filters, LzmaOptions, Stream};
    let mut options = LzmaOptions::new_preset(6).expect("a preset");
    options.dict_size(32 << 20);
    let mut filters = Filters::new();
    if x86 {
        filters.x86();
    }
    filters.lzma2(&options);
    let stream = Stream::new_stream_encoder(&filters, Check::Crc64).expect("filters that exist");
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(data).and_then(|()| encoder.finish()).expect("memory")
}

/// The result, and the seconds of processor time that it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let now = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let begun = now();
    let result = work();
    (result, now() - begun)
}

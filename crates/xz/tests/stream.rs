//! What the encoder makes, read by liblzma.

use std::io::{Read, Write};

use clearwell_xz::{BLOCK_BYTES, DictSize, Encoder, NiceLength, Options, Props, encode};
use liblzma::stream::{CONCATENATED, Stream};
use proptest::prelude::*;

const PLAIN: Options = Options { dict_size: DictSize::MIB_8, nice_length: NICE, props: None, x86: false };
const NICE: NiceLength = NiceLength::new(64).unwrap();

fn decoded(stream: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let decoder = Stream::new_stream_decoder(u64::MAX, CONCATENATED).expect("a decoder");
    liblzma::bufread::XzDecoder::new_stream(stream, decoder).read_to_end(&mut bytes).expect("a whole stream");
    bytes
}

fn all_options() -> impl Iterator<Item = Options> {
    let ends = [(DictSize::MIB_8, NICE), (DictSize::MIN, NiceLength::MIN), (DictSize::MAX, NiceLength::MAX)];
    ends.into_iter().flat_map(|(dict_size, nice_length)| {
        [Some(Props::BINARY), Some(Props::TEXT)].into_iter().flat_map(move |props| {
            [false, true].into_iter().map(move |x86| Options { dict_size, nice_length, props, x86 })
        })
    })
}

fn comes_back(data: &[u8]) {
    for options in all_options() {
        assert!(decoded(&encode(data, options)) == data, "{} bytes with {options:?}", data.len());
    }
}

/// Incompressible bytes.
fn noise(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let next = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    next.take(count).collect()
}

#[test]
fn short_inputs_come_back() {
    for count in 0..70 {
        comes_back(&vec![b'a'; count]);
        comes_back(&noise(count, 1));
        comes_back(&b"abcab".repeat(count)[..count]);
    }
}

/// Just below, at and above every size at which something begins or ends: tables, prices, the longest operation, a
/// segment of the parser.
#[test]
fn limits_come_back() {
    for limit in [127, 256, 273, 512, 1023, 2048, 2048 + 273] {
        for count in limit - 2..=limit + 2 {
            comes_back(&noise(count, 13));
            comes_back(&[&noise(64, 14)[..], &vec![0; count]].concat());
            comes_back(&b"abcdefg".repeat(count)[..count]);
        }
    }
}

/// A match, a byte that differs and the match again, ending around the longest of each and where the input ends.
#[test]
fn tails_come_back() {
    let original = noise(700, 15);
    for first in [1, 63, 64, 145, 146, 272, 273] {
        for tail in [0, 1, 2, 126, 127, 128, 273] {
            let mut copy = original[..first + 1 + tail].to_vec();
            copy[first] ^= 0x55;
            let data = [&original[..], &copy].concat();
            comes_back(&data);
            comes_back(&[&data[..], b"?"].concat());
        }
    }
}

#[test]
fn long_runs_and_long_matches_come_back() {
    comes_back(&vec![0; 300_000]);
    comes_back(&noise(5000, 2).repeat(60));
    comes_back(&[noise(100_000, 3), vec![7; 100_000], noise(100_000, 3)].concat());
}

/// Uncompressed chunks between LZMA chunks, in every order: the model is reset, and operations planned before stay
/// right.
#[test]
fn noise_between_text_comes_back() {
    let text = b"The quick brown fox jumps over the lazy dog, and the dog does not mind. ".repeat(500);
    comes_back(&[&noise(200_000, 4), &text[..], &noise(70_000, 5), &text[..20_000], &noise(65_537, 6)].concat());
    comes_back(&[&text[..], &noise(300_000, 7), &text[..]].concat());
    // Just incompressible, with reps of every kind.
    let mut mixed = noise(400_000, 8);
    for place in (0..mixed.len() - 100).step_by(57) {
        let from = place / 2;
        mixed.copy_within(from..from + 3, place + 50);
    }
    comes_back(&mixed);
}

#[test]
fn machine_code_comes_back() {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    comes_back(&program[..program.len().min(600_000)]);
    let calls: Vec<u8> =
        noise(200_000, 9).into_iter().map(|byte| [0xe8, 0xe9, 0, 0xff, byte][byte as usize % 5]).collect();
    comes_back(&calls);
}

/// More than a block, in pieces of odd sizes; and nothing depends on the pieces.
#[test]
fn several_blocks_come_back() {
    let data: Vec<u8> = noise(1000, 10).into_iter().cycle().take(BLOCK_BYTES + 70_000).collect();
    let mut encoder = Encoder::new(Vec::new(), PLAIN);
    for piece in data.chunks(100_003) {
        encoder.write_all(piece).unwrap();
    }
    let stream = encoder.finish().unwrap();
    assert!(stream == encode(&data, PLAIN));
    assert!(decoded(&stream) == data);
}

/// The bytes are part of the contract: a rebuild of a release has to give the same ones. A change of the encoder that
/// is meant to change them changes these sums.
#[test]
fn encodings_keep_their_bytes() {
    let inputs = [
        Vec::new(),
        vec![0; 300_000],
        noise(100_000, 1),
        noise(5000, 2).repeat(60),
        b"The quick brown fox jumps over the lazy dog. ".repeat(5000),
    ];
    let sums = [
        [0x1b4f_15ae, 0x1b4f_15ae],
        [0x27c8_4adf, 0x307c_2436],
        [0x2a44_7340, 0x4c0f_1bca],
        [0xf784_53e4, 0xe49d_9f5b],
        [0x16c7_0dd7, 0x757e_fb1e],
    ];
    for (input, expected) in inputs.iter().zip(sums) {
        let found = [false, true].map(|x86| crc32fast::hash(&encode(input, Options { x86, ..PLAIN })));
        assert_eq!(found, expected, "{} bytes: {found:08x?}", input.len());
    }
}

#[test]
fn repetitive_inputs_get_small() {
    assert!(encode(&vec![0; 1 << 20], PLAIN).len() < 300);
    assert!(encode(&noise(1000, 11).repeat(100), PLAIN).len() < 1300);
    // Noise costs three bytes for each 64 KiB, and the container.
    assert!(encode(&noise(1 << 20, 12), PLAIN).len() < (1 << 20) + 200);
}

proptest! {
    #[test]
    fn anything_comes_back(
        pieces in prop::collection::vec((prop::collection::vec(0u8..4, 1..40), 0usize..30, any::<u8>()), 0..60),
        choice in 0usize..12,
    ) {
        let mut data = Vec::new();
        for (piece, times, byte) in pieces {
            for _ in 0..times {
                data.extend_from_slice(&piece);
            }
            data.push(byte);
        }
        let options = all_options().nth(choice).unwrap();
        prop_assert!(decoded(&encode(&data, options)) == data);
    }

    /// All options that can be constructed make streams that liblzma reads.
    #[test]
    fn all_options_come_back(
        log in 0u32..32,
        nice_length in 0u16..300,
        bits in (0u32..6, 0u32..6, 0u32..6),
        x86: bool,
        text in prop::collection::vec(0u8..6, 0..3000),
        seed: u32,
    ) {
        let (dict_size, nice_length) = (DictSize::new(1 << log), NiceLength::new(nice_length));
        let props = Props::new(bits.0, bits.1, bits.2);
        prop_assert_eq!(dict_size.is_some(), (12..=25).contains(&log));
        let (Some(dict_size), Some(nice_length)) = (dict_size, nice_length) else { return Ok(()) };
        // Repeats farther apart than the smallest window.
        let data = [&text[..], &noise(5000, seed), &text, &noise(100, seed)].concat();
        let options = Options { dict_size, nice_length, props, x86 };
        prop_assert!(decoded(&encode(&data, options)) == data, "{:?}", options);
    }
}

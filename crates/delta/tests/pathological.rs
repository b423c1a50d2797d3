//! Inputs that make suffix sorters, searches and greedy matchers quadratic. Each is large enough that quadratic work
//! would take hours: the tests assert the bytes, and end.

use std::num::NonZeroUsize;

use clearwell_delta::{AllowedEncodings, Delta, DiffError, DiffOptions, NewFile, diff, patch};

/// Raw blocks: these tests are about matching, not about codecs.
fn raw() -> DiffOptions {
    DiffOptions { encodings: AllowedEncodings::NONE, ..DiffOptions::default() }
}

fn delta(old: &[u8], new: &[u8], options: &DiffOptions) -> Vec<u8> {
    let Delta::Bytes(delta) = diff(old, new, NewFile::default(), options).expect("there is memory") else {
        panic!("no delta from {} to {} bytes", old.len(), new.len());
    };
    assert!(patch(old, &delta).expect("a delta of ours applies").bytes == new);
    delta
}

fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(step).collect()
}

#[test]
fn long_runs() {
    let zeros = vec![0; 8 << 20];
    let mut new = zeros.clone();
    for at in (0..new.len()).step_by(100_003) {
        new[at] = 1;
    }
    delta(&zeros, &new, &raw());
    delta(&new, &zeros, &raw());
    delta(&zeros, &vec![7; 3 << 20], &raw());
    delta(&zeros[..1000], &zeros, &raw());
}

#[test]
fn repeated_blocks_with_differing_phase() {
    let block = noise(4096, 1);
    let old = block.repeat(1500);
    let mut new = block[1000..].to_vec();
    for piece in 0..1000 {
        new.extend(&block[..4096 - piece]);
        new.push(piece as u8);
    }
    delta(&old, &new, &raw());
}

#[test]
fn short_periods() {
    let old = b"ab".repeat(3 << 20);
    let mut new = b"ba".repeat(2 << 20);
    for at in (0..new.len()).step_by(40) {
        new[at] = b'c';
    }
    delta(&old, &new, &raw());
}

#[test]
fn sorted_tables_with_a_row_in_front() {
    let table = |from: u32| (from..from + 400_000).flat_map(|row| [row, row * 3, 0, 7].map(u32::to_le_bytes)).flatten();
    delta(&table(5).collect::<Vec<u8>>(), &table(0).collect::<Vec<u8>>(), &raw());
}

#[test]
fn nothing_in_common() {
    delta(&noise(3 << 20, 1), &noise(3 << 20, 2), &raw());
}

#[test]
fn near_identical_files_have_small_deltas() {
    let old = noise(20 << 20, 3);
    let mut new = old.clone();
    new.splice(1_000_000..1_000_000, noise(500, 4));
    new.splice(15_000_000..15_000_900, noise(100, 5));
    for at in (0..new.len()).step_by(999_983) {
        new[at] ^= 0x55;
    }
    let size = delta(&old, &new, &DiffOptions::default()).len();
    assert!(size < 2500, "{size} bytes");
}

#[test]
fn a_block_index_is_used_if_a_suffix_array_does_not_fit() {
    let old = noise(6 << 20, 6);
    let mut new = old[3 << 20..].to_vec();
    new.extend(noise(5000, 7));
    new.extend(&old[..2 << 20]);
    let budget = |mebibytes: u64| DiffOptions { memory: Some(mebibytes << 20), ..DiffOptions::default() };
    let frugal = delta(&old, &new, &budget(26));
    assert!(frugal.len() < 6000, "{} bytes", frugal.len());
    let two = DiffOptions { threads: NonZeroUsize::new(2).expect("not zero"), ..budget(26) };
    assert!(delta(&old, &new, &two) == frugal);
}

#[test]
fn a_budget_that_is_too_small_is_refused() {
    let old = noise(1 << 20, 8);
    let options = DiffOptions { memory: Some(1 << 20), ..DiffOptions::default() };
    let error = diff(&old, &old, NewFile::default(), &options).unwrap_err();
    assert!(matches!(error, DiffError::MemoryBudget { budget: 1_048_576, .. }), "{error}");
}

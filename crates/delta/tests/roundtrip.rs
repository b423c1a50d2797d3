//! For any two files: our delta turns one into the other, and its header is right.

use std::num::NonZeroUsize;

use clearwell_delta::{AllowedEncodings, Delta, DiffOptions, FullDownloadReason, NewFile, diff, encode, header, patch};
use proptest::collection::vec;
use proptest::prelude::*;

const META: NewFile = NewFile { mode: 0o100755, uid: 12, gid: 34 };

fn options(threads: usize) -> DiffOptions {
    DiffOptions { threads: NonZeroUsize::new(threads).expect("not zero"), ..DiffOptions::default() }
}

/// Makes a delta and applies it; `None` without one.
fn checked(old: &[u8], new: &[u8], options: &DiffOptions) -> Option<Vec<u8>> {
    match diff(old, new, META, options).expect("there is memory") {
        Delta::Bytes(delta) => {
            let patched = patch(old, &delta).expect("a delta of ours applies");
            assert!(patched.bytes == new, "a delta of {} to {} bytes gives other bytes", old.len(), new.len());
            assert_eq!(patched.meta, META);
            assert_eq!(header(&delta).expect("a delta of ours has a header").new_size, new.len() as u64);
            Some(delta)
        }
        Delta::FullDownload(_) => None,
    }
}

/// Two files with much in common: pieces of the first, changed, moved, and mixed with new ones.
fn similar_files() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let old = prop_oneof![vec(any::<u8>(), 1..5000), vec(0u8..3, 1..5000)];
    let pieces = vec((any::<prop::sample::Index>(), 0usize..900, vec(any::<u8>(), 0..60), 0usize..90), 1..12);
    (old, pieces).prop_map(|(old, pieces)| {
        let mut new = Vec::new();
        for (start, len, inserted, change_every) in pieces {
            let start = start.index(old.len());
            let piece = &old[start..old.len().min(start + len)];
            new.extend(piece.iter().enumerate().map(|(at, byte)| {
                if change_every > 0 && at % change_every == 0 { byte.wrapping_add(3) } else { *byte }
            }));
            new.extend(inserted);
        }
        (old, new)
    })
}

proptest! {
    /// A header may declare anything that adds up to the length of the delta; it was not compared with a file.
    #[test]
    fn a_delta_of_any_declared_size_is_encoded_or_refused(
        old_size in prop_oneof![Just(u64::MAX >> 1), Just(u64::MAX), Just(u64::MAX / 6 + 1), any::<u64>()],
        new_size in prop_oneof![Just(512u64 << 20), Just(0), any::<u64>()],
        first_block: u8,
        lengths in prop::array::uniform3(prop_oneof![0u64..60, any::<u64>()]),
        tail in vec(any::<u8>(), 0..200),
        budget in prop_oneof![Just(None), any::<u64>().prop_map(Some)],
    ) {
        let mut delta = b"BSDIFF4U".to_vec();
        delta.push(first_block);
        delta.extend_from_slice(&(lengths[0] as u32).to_le_bytes());
        for number in [lengths[1], lengths[2], old_size, new_size, 0] {
            delta.extend_from_slice(&number.to_le_bytes());
        }
        delta.extend_from_slice(&[0; 12]);
        delta.extend_from_slice(&(1u16 | 1 << 5 | 1 << 10).to_le_bytes());
        delta.extend(tail);
        let declared = lengths.iter().try_fold(u64::from(first_block), |sum, length| sum.checked_add(*length));
        if let Some(declared) = declared.filter(|declared| *declared < 1000) {
            delta.resize(declared as usize, 7);
        }
        let _ = encode(&delta, &DiffOptions { memory: budget, ..options(1) });
        let _ = patch(b"a base", &delta);
        let limited = clearwell_delta::patch_within(&[1; 64], &delta, 100);
        prop_assert!(limited.is_err() || limited.is_ok_and(|patched| patched.bytes.len() <= 100));
    }

    #[test]
    fn patch_undoes_diff((old, new) in similar_files()) {
        checked(&old, &new, &options(1));
        let raw = DiffOptions { encodings: AllowedEncodings::NONE, ..options(1) };
        let bare = checked(&old, &new, &raw);
        prop_assert_eq!(bare.is_none(), new.len() < 200);
        if let Some(bare) = bare {
            let later = encode(&bare, &options(1)).expect("there is memory");
            prop_assert_eq!(later, diff(&old, &new, META, &options(1)).expect("there is memory"));
        }
    }

    #[test]
    fn patch_survives_anything(old in vec(any::<u8>(), 0..200), delta in vec(any::<u8>(), 0..200)) {
        let _ = patch(&old, &delta);
    }

    #[test]
    fn patch_survives_damage((old, new) in similar_files(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        if let Some(mut delta) = checked(&old, &new, &options(1)) {
            let at = at.index(delta.len());
            delta[at] = to;
            let _ = patch(&old, &delta);
        }
    }
}

#[test]
fn each_reason_for_a_full_download_is_reported() {
    let reason = |old: &[u8], new: &[u8]| match diff(old, new, META, &options(1)).unwrap() {
        Delta::FullDownload(reason) => reason,
        Delta::Bytes(delta) => panic!("a delta of {} bytes", delta.len()),
    };
    let noise: Vec<u8> =
        (0u32..5000).flat_map(|n| n.wrapping_mul(0x9e37_79b9).rotate_left(n % 31).to_be_bytes()).collect();
    assert_eq!(reason(b"", &noise), FullDownloadReason::OldEmpty);
    assert_eq!(reason(b"old", &noise[..199]), FullDownloadReason::NewSmall);
    assert!(matches!(reason(b"old", &noise), FullDownloadReason::NotSmaller(_)));
    assert_eq!(Delta::FullDownload(FullDownloadReason::NewSmall).into_file(), b"FULLV20U");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let old: Vec<u8> = (0u32..2_000_000).flat_map(|n| (n / 7 * 31).to_le_bytes()).collect();
    let mut new = old.clone();
    new.splice(3_000_000..3_000_100, b"something new, longer than what was there".repeat(9));
    for at in (0..new.len()).step_by(4099) {
        new[at] ^= 0x40;
    }
    let one = checked(&old, &new, &options(1)).unwrap();
    assert!(one == checked(&old, &new, &options(5)).unwrap());
}

#[test]
fn the_largest_sizes_a_header_can_declare_are_counted_and_not_multiplied() {
    for old_size in [(1u64 << 63) - 1, u64::MAX / 6 + 1, 1 << 62] {
        let mut delta = b"BSDIFF4U\x43".to_vec();
        for number in [0u32; 5] {
            delta.extend_from_slice(&number.to_le_bytes());
        }
        delta.extend_from_slice(&old_size.to_le_bytes());
        delta.extend_from_slice(&(512u64 << 20).to_le_bytes());
        delta.extend_from_slice(&[0; 20]);
        delta.extend_from_slice(&(1u16 | 1 << 5 | 1 << 10).to_le_bytes());
        assert_eq!(header(&delta).expect("a header").old_size, old_size);
        assert!(matches!(encode(&delta, &options(1)), Ok(Delta::Bytes(_))));
        let tight = DiffOptions { memory: Some(1 << 20), ..options(1) };
        assert!(encode(&delta, &tight).is_err(), "no budget is large enough for such a base");
    }
}

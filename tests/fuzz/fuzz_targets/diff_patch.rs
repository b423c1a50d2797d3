//! Applying a delta gives the new file. The first two bytes say where the input is split into old and new.
#![no_main]

use clearwell_delta::{Delta, DiffOptions, NewFile, diff, patch};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((cut, content)) = input.split_first_chunk::<2>() else { return };
    let (old, tail) = content.split_at(usize::from(u16::from_le_bytes(*cut)).min(content.len()));
    // Small inputs repeated: a delta is made for files of 200 bytes and more.
    let new: Vec<u8> = old.iter().rev().chain(tail).chain(old).copied().collect();
    let meta = NewFile { mode: 0o100_644, uid: 0, gid: 0 };
    if let Ok(Delta::Bytes(delta)) = diff(old, &new, meta, &DiffOptions::default()) {
        let patched = patch(old, &delta).expect("a delta of ours applies");
        assert_eq!(patched.bytes, new);
    }
});

//! Ranges lie in the object. The first eight bytes are its size, which is below 2^63 as that of every file.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((size, value)) = input.split_first_chunk::<8>() else { return };
    clearwell_serve::fuzzing::range(value, u64::from_le_bytes(*size) >> 1);
});

//! Parts of a range are inside the object. The first eight bytes are its size, below 2^63 as for every file.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((size, value)) = input.split_first_chunk::<8>() else { return };
    clearwell_http::fuzzing::range(value, u64::from_le_bytes(*size) >> 1);
});

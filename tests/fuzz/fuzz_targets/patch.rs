//! A delta never panics the decoder. The first byte says how long the base is.
#![no_main]

use clearwell_delta::{header, patch};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&length, delta)) = input.split_first() else { return };
    let base: Vec<u8> = (0..=u8::MAX).cycle().take(usize::from(length) * 4).collect();
    // A header may honestly announce 512 MiB; a fuzzer that runs many concurrently need not fill it.
    if header(delta).is_ok_and(|header| header.new_size <= 1 << 20) {
        let _ = patch(&base, delta);
    }
});

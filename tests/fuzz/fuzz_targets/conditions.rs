//! The response to a conditional or range request follows from its conditions in the order of RFC 9110 §13.2.2. The
//! first eight bytes are the size of the object; each line behind them is a header.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((size, text)) = input.split_first_chunk::<8>() else { return };
    clearwell_http::fuzzing::conditions(text, u64::from_le_bytes(*size) >> 1);
});

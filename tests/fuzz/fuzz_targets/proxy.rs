//! A header of the PROXY protocol says the same however it arrives in pieces.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clearwell_serve::fuzzing::proxy(bytes));

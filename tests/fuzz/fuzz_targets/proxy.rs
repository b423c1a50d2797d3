//! A PROXY protocol header means the same however it is split.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clearwell_http::fuzzing::proxy(bytes));

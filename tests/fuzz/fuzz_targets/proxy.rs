//! A PROXY protocol header means the same in whatever pieces it arrives.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clearwell_http::fuzzing::proxy(bytes));

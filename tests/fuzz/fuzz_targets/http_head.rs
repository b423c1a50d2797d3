//! A request head that the fast lane accepts means the same to hyper.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clearwell_serve::fuzzing::head(bytes));

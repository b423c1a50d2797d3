//! A request that the lane takes is the request that hyper reads from the same bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clearwell_serve::fuzzing::head(bytes));

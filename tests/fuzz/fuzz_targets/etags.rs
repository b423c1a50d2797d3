//! Lists of entity tags come back as they are usually written.
#![no_main]

libfuzzer_sys::fuzz_target!(|line: &[u8]| clearwell_serve::fuzzing::etags(line));

//! Each spelling of a request path names what its usual spelling names, and none leads out of a folder.
#![no_main]

libfuzzer_sys::fuzz_target!(|path: &str| clearwell_serve::fuzzing::target(path));

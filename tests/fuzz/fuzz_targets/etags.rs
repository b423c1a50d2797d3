//! A list of entity tags matches a tag that it begins with, and no tag that it does not contain.
#![no_main]

libfuzzer_sys::fuzz_target!(|line: &[u8]| clearwell_http::fuzzing::etags(line));

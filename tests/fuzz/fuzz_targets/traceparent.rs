//! A trace context has the form of the standard and parses to itself when it is written again.
#![no_main]

libfuzzer_sys::fuzz_target!(|line: &[u8]| clearwell_http::fuzzing::traceparent(line));

//! A trace context has the form of its standard.
#![no_main]

libfuzzer_sys::fuzz_target!(|line: &[u8]| clearwell_serve::fuzzing::traceparent(line));

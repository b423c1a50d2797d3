//! Whatever a client writes into `X-Forwarded-For`, the entries of trusted proxies decide.
#![no_main]

libfuzzer_sys::fuzz_target!(|lines: &[u8]| clearwell_http::fuzzing::forwarded(lines));

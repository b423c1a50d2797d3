//! Nothing that a client writes into `X-Forwarded-For` changes what trusted proxies wrote behind it.
#![no_main]

libfuzzer_sys::fuzz_target!(|lines: &[u8]| clearwell_serve::fuzzing::forwarded_for(lines));

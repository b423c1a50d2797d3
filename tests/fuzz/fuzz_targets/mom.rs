//! A MoM never panics the parser, and what is accepted comes back byte for byte.
#![no_main]

use clearwell_format::Mom;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    if let Ok(mom) = Mom::parse(text) {
        assert_eq!(mom.to_bytes(), text);
    }
});

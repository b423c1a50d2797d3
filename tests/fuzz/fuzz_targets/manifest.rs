//! A manifest never panics the parser, and what is accepted comes back byte for byte.
#![no_main]

use clearwell_format::Manifest;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    if let Ok(manifest) = Manifest::parse(text) {
        assert_eq!(manifest.to_bytes(), text);
    }
});

//! A MoM never panics the parser, and what is accepted is read again as the same.
#![no_main]

use clearwell_format::Mom;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    if let Ok(mom) = Mom::parse(text) {
        assert_eq!(Mom::parse(&mom.to_bytes()).as_ref(), Ok(&mom));
    }
});

//! A release record says the same after it was written again; the stamp of a layout comes back.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    clearwell_store::fuzzing::record(text.as_bytes());
    clearwell_store::fuzzing::layout(text);
});

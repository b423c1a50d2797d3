//! The configuration of the server never panics its parser, and every error has a text.
#![no_main]

use clearwell_serve::ServeConfig;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = ServeConfig::from_toml(text) {
        assert!(!error.to_string().is_empty());
    }
    // As on a command line: a key and its value.
    if let Some((key, value)) = text.split_once('=') {
        let _ = ServeConfig::layered("", [(key.trim(), value.trim())]);
    }
});

//! What our encoder of xz makes, liblzma reads back.

#![no_main]

use std::io::Read;

use clearwell_xz::{Options, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [choice, data @ ..] = input else { return };
    let nice = [8, 20, 64, 273][usize::from(choice & 3)];
    // Long inputs come of short ones, so that chunks fill up.
    let data = data.repeat(1 << (choice >> 4 & 7));
    let options = Options { window: 4096 << (choice >> 2 & 3), nice, contexts: None, x86: choice & 128 != 0 };
    let stream = encode(&data, options);
    let mut back = Vec::new();
    liblzma::read::XzDecoder::new(&stream[..]).read_to_end(&mut back).expect("a decoder reads it");
    assert!(back == data);
});

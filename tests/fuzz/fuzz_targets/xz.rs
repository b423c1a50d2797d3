//! liblzma decodes the streams of our xz encoder to the same bytes.

#![no_main]

use std::io::Read;

use clearwell_xz::{DictSize, NiceLength, Options, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [choice, data @ ..] = input else { return };
    let nice_length = NiceLength::new([8, 20, 64, 273][usize::from(choice & 3)]).expect("a length of a match");
    // Long inputs come of short ones, so that chunks fill up.
    let data = data.repeat(1 << (choice >> 4 & 7));
    let dict_size = DictSize::new(4096 << (choice >> 2 & 3)).expect("a power of two");
    let options = Options { dict_size, nice_length, props: None, x86: choice & 128 != 0 };
    let stream = encode(&data, options);
    let mut back = Vec::new();
    liblzma::read::XzDecoder::new(&stream[..]).read_to_end(&mut back).expect("a decoder reads it");
    assert!(back == data);
});

//! A signature never panics the verifier, and none but the right one is accepted.
#![no_main]

use std::sync::LazyLock;

use clearwell_sign::{TrustAnchor, verify};

static ANCHOR: LazyLock<TrustAnchor> = LazyLock::new(|| {
    TrustAnchor::from_pem(include_bytes!("../../../crates/sign/tests/fixtures/anchor.pem"))
        .expect("a certificate of the fixtures")
});

libfuzzer_sys::fuzz_target!(|signature: &[u8]| {
    assert!(verify(b"no signature was made of this", signature, &ANCHOR, None).is_err());
});

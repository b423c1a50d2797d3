//! Certificates and keys never panic their parsers, and certificates come back as they are usually written.
#![no_main]

use clearwell_sign::{Certificate, PrivateKey, TrustAnchor};

libfuzzer_sys::fuzz_target!(|pem: &[u8]| {
    if let Ok(anchor) = TrustAnchor::from_pem(pem) {
        let again = TrustAnchor::from_pem(anchor.pem()).expect("PEM of ours");
        assert_eq!(again.pem(), anchor.pem());
    }
    let _ = Certificate::from_der(pem);
    let _ = PrivateKey::from_pem(pem, None);
});

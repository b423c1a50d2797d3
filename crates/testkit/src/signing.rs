//! One key for all tests of a process.

use std::sync::OnceLock;
use std::time::SystemTime;

use clearwell_format::resource::Pointer;
use clearwell_format::{FormatNumber, Version, pointer};
use clearwell_sign::{GenerateOptions, Generated, KeyBits, PrivateKey, Signer, TrustAnchor, generate};
use clearwell_store::PointerSet;

/// A signer with a self-signed certificate that is valid now. Made once per process: keys are slow to generate.
pub fn signer() -> &'static Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER.get_or_init(|| {
        let anchor = TrustAnchor::from_pem(&made().certificate_pem).unwrap();
        Signer::new(anchor, PrivateKey::from_pem(key_pem().as_bytes(), None).unwrap(), now()).unwrap()
    })
}

/// The key of [`signer`], for programs that sign in its name. Its certificate is `signer().anchor().pem()`.
pub fn key_pem() -> &'static str {
    &made().key_pem
}

fn made() -> &'static Generated {
    static MADE: OnceLock<Generated> = OnceLock::new();
    MADE.get_or_init(|| {
        let options = GenerateOptions { bits: KeyBits::Rsa2048, ..GenerateOptions::new("Clearwell tests") };
        generate(&options, now()).unwrap()
    })
}

/// `latest` of a format and `latest_version`, both naming `version`, with their signatures.
pub fn pointers(format: FormatNumber, version: Version) -> PointerSet {
    let bytes = pointer::to_bytes(version);
    let signature = sign(&bytes);
    PointerSet::from([
        (Pointer::Latest(format), bytes.clone()),
        (Pointer::LatestSignature(format), signature.clone()),
        (Pointer::LatestVersion, bytes),
        (Pointer::LatestVersionSignature, signature),
    ])
}

pub(crate) fn sign(bytes: &[u8]) -> Vec<u8> {
    signer().sign(bytes, now()).unwrap()
}

fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

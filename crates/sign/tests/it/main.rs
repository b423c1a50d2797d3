//! The crate against its fixtures, against OpenSSL and against hostile input.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod commands;
mod fitness;
mod hostile;
mod keys;
mod openssl;
mod renewal;
mod signing;
mod swupd;
mod trust;
mod verdicts;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clearwell_sign::{PrivateKey, Signer, TrustAnchor};

/// 2030-01-01, within the validity of every fixture.
const NOW: i64 = 1_893_456_000;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(fixtures().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn anchor(name: &str) -> TrustAnchor {
    TrustAnchor::from_pem(fixture(&format!("{name}.pem"))).unwrap()
}

fn key(name: &str) -> PrivateKey {
    PrivateKey::from_pem(fixture(&format!("{name}.key")), None).unwrap()
}

fn signer(name: &str) -> Signer {
    Signer::new(anchor(name), key(name), NOW).unwrap()
}

/// A signature with the first certificate of one file and the key of another.
fn sign_as(certificate: &str, key_name: &str, content: &[u8]) -> Vec<u8> {
    Signer::new(anchor(certificate), key(key_name), NOW).unwrap().sign(content, NOW).unwrap()
}

/// The time at which programs judge that cannot be told another.
fn clock() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

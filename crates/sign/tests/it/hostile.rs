//! Hostile bytes: no panic, and no signature that was changed where it matters is accepted.

use clearwell_sign::{Certificate, MAX_SIGNATURE_BYTES, PrivateKey, TrustAnchor, VerifyError, fitness, verify};
use proptest::prelude::*;

use crate::{NOW, anchor, fixture};

const SIGNATURES: [&str; 6] =
    ["plain.sig", "no-attributes.sig", "embedded.sig", "leaf-deep.sig", "two-signers.sig", "ec.sig"];

/// One change to a file.
#[derive(Clone, Debug)]
enum Change {
    Set { at: prop::sample::Index, to: u8 },
    Remove { at: prop::sample::Index },
    Insert { at: prop::sample::Index, byte: u8 },
    Truncate { at: prop::sample::Index },
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Set { at, to } => *at.get_mut(bytes) = *to,
            Self::Remove { at } => drop(bytes.remove(at.index(bytes.len()))),
            Self::Insert { at, byte } => bytes.insert(at.index(bytes.len()), *byte),
            Self::Truncate { at } => bytes.truncate(at.index(bytes.len())),
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        6 => (at(), any::<u8>()).prop_map(|(at, to)| Change::Set { at, to }),
        1 => at().prop_map(|at| Change::Remove { at }),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Insert { at, byte }),
        1 => at().prop_map(|at| Change::Truncate { at }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn changed_signatures_never_panic(
        name in prop::sample::select(&SIGNATURES[..]),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let mut signature = fixture(name);
        changes.iter().for_each(|change| change.apply(&mut signature));
        for trusted in ["anchor", "ca", "ec"] {
            let _ = verify(b"MANIFEST", &signature, &anchor(trusted), Some(NOW));
            let _ = verify(&fixture("latest"), &signature, &anchor(trusted), None);
        }
    }

    #[test]
    fn changed_certificates_never_panic(
        name in prop::sample::select(&["anchor.pem", "leaf.pem", "ec.pem", "critical-names.pem"][..]),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let mut der = Certificate::from_pem(fixture(name)).unwrap().der().to_vec();
        changes.iter().for_each(|change| change.apply(&mut der));
        if let Ok(certificate) = Certificate::from_der(&der) {
            prop_assert_eq!(certificate.der(), &der[..]);
            let _ = format!("{certificate:?}");
            let trusted = TrustAnchor::from(certificate);
            let _ = fitness(&trusted, NOW);
            let _ = verify(b"", &fixture("leaf.sig"), &trusted, Some(NOW));
        }
    }

    #[test]
    fn changed_key_files_never_panic(
        // Not the ones with many iterations: a changed count would only take time.
        name in prop::sample::select(&["anchor.key", "anchor-pkcs1.key", "ec-sec1.key", "anchor-obsolete.key"][..]),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let mut pem = fixture(name);
        changes.iter().for_each(|change| change.apply(&mut pem));
        let _ = PrivateKey::from_pem(pem, Some("open sesame"));
    }

    #[test]
    fn noise_is_no_signature(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(verify(b"30", &noise, &anchor("anchor"), None).is_err());
        let _ = TrustAnchor::from_pem(&noise);
    }
}

/// Every single bit, one after the other: whatever is still accepted must be a bit that says nothing about trust.
#[test]
fn no_bit_of_the_signed_part_can_change() {
    let content = fixture("latest");
    let signature = fixture("plain.sig");
    let trusted = anchor("anchor");
    let accepted: Vec<usize> = (0..signature.len() * 8)
        .filter(|bit| {
            let mut changed = signature.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            verify(&content, &changed, &trusted, None).is_ok()
        })
        .map(|bit| bit / 8)
        .collect();
    // What may change: the included certificate (the trusted one is known already), versions, algorithm parameters.
    // Signed attributes begin with contentType and end before the algorithm of the signature, whose value ends the
    // file.
    let (attributes, algorithm, value) =
        (find(&signature, CONTENT_TYPE), rfind(&signature, RSA_ENCRYPTION), signature.len() - 256);
    assert!(attributes < algorithm && algorithm < value);
    let protected = |byte: &usize| (attributes..algorithm).contains(byte) || *byte >= value;
    assert_eq!(accepted.into_iter().find(protected), None);
}

/// `Attribute { contentType, data }` and `AlgorithmIdentifier { rsaEncryption, NULL }` in DER.
const CONTENT_TYPE: &[u8] = b"\x30\x18\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03";
const RSA_ENCRYPTION: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

fn find(bytes: &[u8], pattern: &[u8]) -> usize {
    bytes.windows(pattern.len()).position(|window| window == pattern).unwrap()
}

fn rfind(bytes: &[u8], pattern: &[u8]) -> usize {
    bytes.windows(pattern.len()).rposition(|window| window == pattern).unwrap()
}

#[test]
fn content_bits_all_count() {
    let content = fixture("latest");
    for name in ["plain.sig", "no-attributes.sig", "embedded.sig"] {
        for bit in 0..content.len() * 8 {
            let mut changed = content.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&changed, &fixture(name), &anchor("anchor"), None).is_err(), "{name}, bit {bit}");
        }
    }
}

#[test]
fn size_is_checked_before_anything_else() {
    let huge = vec![0x30; MAX_SIGNATURE_BYTES + 1];
    assert!(matches!(verify(b"", &huge, &anchor("anchor"), None), Err(VerifyError::TooLarge { .. })));
    // A length far beyond the file.
    let lying = [0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x06];
    assert!(matches!(verify(b"", &lying, &anchor("anchor"), None), Err(VerifyError::Malformed { .. })));
}

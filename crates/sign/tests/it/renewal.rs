//! A certificate with a later end: what its name, key and serial number are good for.

use clearwell_sign::{Certificate, Dates, SignError, Signer, TrustAnchor, fitness, renew, verify};

use crate::openssl::OpenSsl;
use crate::{NOW, anchor, fixture, key, signer};

fn renewed(name: &str, days: u32) -> TrustAnchor {
    TrustAnchor::from_pem(renew(anchor(name).first(), &key(name), days, NOW).unwrap()).unwrap()
}

#[test]
fn only_the_end_changes() {
    for name in ["anchor", "ec", "p384"] {
        let (old, new) = (anchor(name), renewed(name, 100));
        let (old, new) = (old.first(), new.first());
        assert_eq!(new.not_after(), NOW + 100 * 86_400, "{name}");
        assert_eq!((new.subject(), new.issuer(), new.serial()), (old.subject(), old.issuer(), old.serial()));
        assert_eq!((new.not_before(), new.key()), (old.not_before(), old.key()));
        assert_ne!(new.fingerprint(), old.fingerprint());
    }
}

#[test]
fn both_take_the_signatures_of_both() {
    let (old, new) = (anchor("anchor"), renewed("anchor", 40_000 - 3_500));
    let by_new = Signer::new(new.clone(), key("anchor"), NOW).unwrap().sign(b"30", NOW).unwrap();
    let by_old = signer("anchor").sign(b"30", NOW).unwrap();
    for anchor in [&old, &new] {
        for signature in [&by_old, &by_new] {
            verify(b"30", signature, anchor, Dates::Valid(NOW)).unwrap();
        }
    }
    // Once the old one has ended, who has the new one takes everything that was ever signed.
    let later = old.first().not_after() + 1;
    assert_eq!(fitness(&old, later).len(), 1);
    verify(b"30", &by_old, &new, Dates::Valid(later)).unwrap();
}

#[test]
fn openssl_reads_what_was_renewed() {
    let Some(openssl) = OpenSsl::found() else { return };
    let folder = tempfile::TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["anchor", "ec"] {
        let new = renewed(name, 1000);
        std::fs::write(at("trusted.pem"), anchor(name).pem()).unwrap();
        std::fs::write(at("content"), b"30").unwrap();
        let signature = Signer::new(new, key(name), NOW).unwrap().sign(b"30", NOW).unwrap();
        std::fs::write(at("signature"), signature).unwrap();
        assert!(openssl.verifies(&at("signature"), &at("content"), &at("trusted.pem"), Some(NOW)), "{name}");
    }
}

#[test]
fn what_cannot_be_renewed_says_why() {
    let refused = |certificate: &Certificate, name: &str, days| renew(certificate, &key(name), days, NOW).unwrap_err();
    assert!(matches!(refused(anchor("anchor").first(), "other", 10), SignError::KeyMismatch { .. }));
    assert!(matches!(refused(anchor("anchor").first(), "anchor", 0), SignError::Validity { .. }));
    let leaf = TrustAnchor::from_pem(fixture("chains/leaf+root.pem")).unwrap();
    let error = refused(leaf.first(), "chains/leaf", 10);
    assert!(matches!(&error, SignError::NotSelfSigned { issuer, .. } if issuer.contains("root")), "{error}");
}

//! Key files in every form, and keys that do not fit.

use clearwell_sign::{PrivateKey, SignError, Signer};

use crate::{NOW, anchor, fixture, key};

const PASSPHRASE: &str = "open sesame";

fn open(name: &str, passphrase: Option<&str>) -> Result<PrivateKey, SignError> {
    PrivateKey::from_pem(fixture(&format!("{name}.key")), passphrase)
}

#[test]
fn every_form_is_the_same_key() {
    for name in ["anchor", "anchor-pkcs1", "anchor-hmacWithSHA1", "anchor-hmacWithSHA256", "anchor-hmacWithSHA512"] {
        Signer::new(anchor("anchor"), open(name, Some(PASSPHRASE)).unwrap(), NOW).expect(name);
    }
    for name in ["ec", "ec-sec1", "ec-sec1-parameters", "ec-aes128"] {
        Signer::new(anchor("ec"), open(name, Some(PASSPHRASE)).unwrap(), NOW).expect(name);
    }
}

#[test]
fn encrypted_keys_want_their_passphrase() {
    assert!(matches!(open("anchor-hmacWithSHA256", None), Err(SignError::PassphraseMissing)));
    // Enough wrong ones that some decrypt to noise with padding that looks right.
    for wrong in 0..600 {
        let result = open("ec-aes128", Some(&format!("wrong {wrong}")));
        assert!(matches!(result, Err(SignError::PassphraseWrong)), "{wrong}: {result:?}");
    }
}

#[test]
fn weak_encryptions_are_refused_with_the_remedy() {
    let error = open("anchor-obsolete", Some(PASSPHRASE)).unwrap_err();
    assert!(matches!(error, SignError::ObsoleteKeyEncryption));
    assert!(error.to_string().contains("openssl pkcs8 -topk8"));
    for name in ["anchor-3des", "anchor-pbes1", "anchor-scrypt"] {
        let error = open(name, Some(PASSPHRASE)).unwrap_err();
        assert!(matches!(error, SignError::UnsupportedKeyEncryption { .. }), "{name}: {error:?}");
        assert!(error.to_string().contains("openssl pkcs8 -topk8"));
    }
}

#[test]
fn unusable_keys_are_told_apart() {
    for name in ["rsa1024", "pss-key"] {
        let error = open(name, None).unwrap_err();
        assert!(matches!(error, SignError::UnusableKey { .. }), "{name}: {error:?}");
        assert!(error.concerns_key());
    }
    assert!(matches!(PrivateKey::from_pem("nothing here", None), Err(SignError::NoPrivateKey)));
    assert!(matches!(PrivateKey::from_pem(fixture("anchor.pem"), None), Err(SignError::NoPrivateKey)));
    let damaged = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(matches!(PrivateKey::from_pem(damaged, None), Err(SignError::UnusableKey { .. })));
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    for (certificate, other) in [("anchor", "other"), ("anchor", "ec"), ("ec", "anchor"), ("p384", "ec")] {
        let error = Signer::new(anchor(certificate), key(other), NOW).unwrap_err();
        assert!(matches!(error, SignError::KeyMismatch { .. }), "{certificate}: {error:?}");
    }
}

#[test]
fn a_key_of_a_later_certificate_of_the_file_says_which() {
    let error = Signer::new(anchor("chains/root+int+leaf3"), key("chains/leaf"), NOW).unwrap_err();
    assert!(matches!(error, SignError::CertificateOrder { position: 3, .. }), "{error:?}");
    assert!(error.concerns_key() && error.to_string().contains("first"), "{error}");
}

#[test]
fn debug_output_has_no_key() {
    assert_eq!(format!("{:?}", key("anchor")), "PrivateKey(RSA, ..)");
    assert_eq!(format!("{:?}", key("ec")), "PrivateKey(EC P-256, ..)");
    assert_eq!(format!("{:?}", key("chains/P-521")), "PrivateKey(EC P-521, ..)");
}

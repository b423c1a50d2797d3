//! Signatures and certificates made in tests.

use std::fs;
use std::process::Command;

use clearwell_sign::{
    Certificate, GenerateOptions, KeyBits, PrivateKey, SignError, Signer, TrustAnchor, VerifyError, generate, verify,
};
use zeroize::Zeroizing;

use crate::openssl::OpenSsl;
use crate::swupd::Swupd;
use crate::{NOW, anchor, clock, fixture, fixtures, sign_as, signer};

fn small(organisation: &str) -> GenerateOptions {
    GenerateOptions { bits: KeyBits::Rsa2048, ..GenerateOptions::new(organisation) }
}

#[test]
fn what_we_sign_verifies_and_nothing_else_does() {
    for name in ["anchor", "ec", "p384", "chains/P-521", "chains/secp256k1"] {
        let signature = signer(name).sign(b"30", NOW).unwrap();
        verify(b"30", &signature, &anchor(name), Some(NOW)).unwrap();
        assert!(matches!(verify(b"31", &signature, &anchor(name), None), Err(VerifyError::ContentDiffers)));
        assert!(matches!(verify(b"30", &signature, &anchor("other"), None), Err(VerifyError::Untrusted { .. })));
    }
}

#[test]
fn same_input_same_bytes() {
    let (first, second) = (signer("anchor"), signer("anchor"));
    assert_eq!(first.sign(b"30\n", NOW).unwrap(), second.sign(b"30\n", NOW).unwrap());
    assert_ne!(first.sign(b"30\n", NOW).unwrap(), first.sign(b"30\n", NOW + 1).unwrap());
}

#[test]
fn signing_times_on_both_sides_of_2050() {
    for time in [0, 2_524_607_999, 2_524_608_000, 253_402_300_799] {
        signer("anchor").sign(b"30", time).unwrap();
    }
    for time in [-1, 253_402_300_800, i64::MAX] {
        assert!(matches!(signer("anchor").sign(b"30", time), Err(SignError::SigningTime { .. })), "{time}");
    }
}

#[test]
fn openssl_accepts_our_signatures() {
    let Some(openssl) = OpenSsl::found() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let (file, content) = (scratch.path().join("sig"), fixtures().join("latest"));
    for (name, time) in [
        ("anchor", NOW),
        ("ec", NOW),
        ("p384", NOW),
        ("chains/P-521", NOW),
        ("chains/secp256k1", NOW),
        ("anchor", 3_000_000_000),
    ] {
        fs::write(&file, signer(name).sign(&fixture("latest"), time).unwrap()).unwrap();
        assert!(openssl.verifies(&file, &content, &fixtures().join(format!("{name}.pem")), Some(time)), "{name}");
    }
}

/// Mixer's command includes the first certificate of the file only; its clients need all of them.
#[test]
fn a_signature_leads_to_the_root() {
    let scratch = tempfile::tempdir().unwrap();
    let (file, content) = (scratch.path().join("sig"), fixtures().join("latest"));
    for name in ["chains/leaf+root", "chains/leaf3+int+root", "chains/leaf3+root+int", "chains/leaf4+int+int2+root"] {
        let signature = sign_as(name, "chains/leaf", &fixture("latest"));
        for trusted in ["chains/root", "chains/root+root2", "chains/int+root", name] {
            verify(&fixture("latest"), &signature, &anchor(trusted), Some(NOW)).expect(trusted);
        }
        fs::write(&file, &signature).unwrap();
        if let Some(openssl) = OpenSsl::found() {
            assert!(openssl.verifies(&file, &content, &fixtures().join("chains/root.pem"), Some(NOW)), "{name}");
        }
        if let Some(swupd) = Swupd::found() {
            assert!(swupd.accepts(&fixture("latest"), &signature, &fixtures().join("chains/root.pem")), "{name}");
        }
    }
    let root = anchor("chains/root").first().der().to_vec();
    let signature = sign_as("chains/leaf3+int+root", "chains/leaf", b"30");
    assert!(!signature.windows(root.len()).any(|window| window == root), "clients have the root");
}

#[test]
fn a_new_certificate_signs_and_openssl_agrees() {
    let made = generate(&GenerateOptions::new("Clearwell & Söhne, \"Mix\""), NOW).unwrap();
    let signer = Signer::new(
        TrustAnchor::from_pem(&made.certificate_pem).unwrap(),
        PrivateKey::from_pem(made.key_pem.as_bytes(), None).unwrap(),
        NOW,
    )
    .unwrap();
    assert!(signer.warnings().is_empty());
    let signature = signer.sign(&fixture("latest"), NOW).unwrap();

    let Some(openssl) = OpenSsl::found() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let (file, pem) = (scratch.path().join("sig"), scratch.path().join("cert.pem"));
    fs::write(&file, signature).unwrap();
    fs::write(&pem, &made.certificate_pem).unwrap();
    assert!(openssl.verifies(&file, &fixtures().join("latest"), &pem, Some(NOW)));
    assert!(!openssl.verifies(&file, &fixtures().join("latest"), &pem, Some(NOW + 3653 * 86_400)));

    let text = Command::new("openssl").args(["x509", "-noout", "-text", "-in"]).arg(&pem).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    for expected in [
        "Version: 3",
        "Public-Key: (4096 bit)",
        "Signature Algorithm: sha256WithRSAEncryption",
        "X509v3 Key Usage: critical\n                Digital Signature, Certificate Sign, CRL Sign",
        "X509v3 Extended Key Usage: \n                Code Signing",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing in {text}");
    }
}

/// Of two that lack key identifiers, clients find only the first (chains/old, chains/new).
#[test]
fn two_new_certificates_of_one_name_stand_in_one_file() {
    let now = clock();
    let made = [small("Mix"), small("Mix")].map(|options| generate(&options, now).unwrap());
    let anchors = made.each_ref().map(|made| TrustAnchor::from_pem(&made.certificate_pem).unwrap());
    for order in [[0, 1], [1, 0]] {
        let file = TrustAnchor::from_pem(order.map(|one| made[one].certificate_pem.clone()).concat()).unwrap();
        for (made, anchor) in made.iter().zip(&anchors) {
            let key = PrivateKey::from_pem(made.key_pem.as_bytes(), None).unwrap();
            let signature = Signer::new(anchor.clone(), key, now).unwrap().sign(&fixture("latest"), now).unwrap();
            verify(&fixture("latest"), &signature, &file, Some(now)).unwrap();
            if let Some(swupd) = Swupd::found() {
                let scratch = tempfile::tempdir().unwrap();
                let pem = scratch.path().join("trusted.pem");
                fs::write(&pem, file.pem()).unwrap();
                assert!(swupd.accepts(&fixture("latest"), &signature, &pem));
            }
        }
    }
}

#[test]
fn a_new_certificate_lasts_ten_years() {
    let made = generate(&small("Example"), NOW).unwrap();
    let certificate = Certificate::from_pem(&made.certificate_pem).unwrap();
    assert_eq!(certificate.subject(), "O=Example");
    assert_eq!(certificate.issuer(), "O=Example");
    assert_eq!(certificate.not_before(), NOW - 86_400);
    assert_eq!(certificate.days_left(NOW), 3652);
    assert_eq!(certificate.pem(), made.certificate_pem);

    let again = Certificate::from_pem(&generate(&small("Example"), NOW).unwrap().certificate_pem).unwrap();
    assert_ne!(certificate.serial(), again.serial());
}

#[test]
fn a_new_key_can_be_encrypted() {
    let passphrase = "with spaces and ümlauts";
    let options = GenerateOptions { passphrase: Some(Zeroizing::new(passphrase.to_owned())), ..small("Example") };
    assert!(!format!("{options:?}").contains(passphrase));
    let made = generate(&options, NOW).unwrap();
    assert!(made.key_pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    assert!(matches!(PrivateKey::from_pem(made.key_pem.as_bytes(), None), Err(SignError::PassphraseMissing)));
    let key = PrivateKey::from_pem(made.key_pem.as_bytes(), Some(passphrase)).unwrap();
    Signer::new(TrustAnchor::from_pem(&made.certificate_pem).unwrap(), key, NOW).unwrap();

    if OpenSsl::found().is_none() {
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), made.key_pem.as_bytes()).unwrap();
    let read = Command::new("openssl")
        .args(["pkey", "-noout", "-check", "-passin", &format!("pass:{passphrase}"), "-in"])
        .arg(file.path())
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
}

#[test]
fn bad_options_are_refused_before_any_work() {
    for organisation in ["", "a\nb", &"x".repeat(65)] {
        assert!(matches!(generate(&small(organisation), NOW), Err(SignError::Organisation { .. })), "{organisation:?}");
    }
    for validity_days in [0, 36_501, u32::MAX] {
        let options = GenerateOptions { validity_days, ..small("Example") };
        assert!(matches!(generate(&options, NOW), Err(SignError::Validity { .. })), "{validity_days}");
    }
    assert!(matches!(generate(&small("Example"), i64::MAX), Err(SignError::Validity { .. })));
    let options = GenerateOptions { passphrase: Some(Zeroizing::default()), ..small("Example") };
    assert!(matches!(generate(&options, NOW), Err(SignError::PassphraseEmpty)));
}

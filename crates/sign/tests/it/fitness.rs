//! Certificates that swupd would refuse, and those it takes.

use clearwell_sign::{Certificate, Problem, RENEWAL_DAYS, Severity, SignError, Signer, TrustAnchor, fitness};

use crate::{NOW, anchor, fixture, key};

#[test]
fn what_swupd_takes_has_no_problem() {
    for name in [
        "anchor",
        "bare",
        "wrong-usage",
        "unknown-extension",
        "critical-names",
        "ec",
        "p384",
        "ca",
        "leaf-then-ca",
        "ca-then-anchor",
        "anchor-with-text",
        "chains/leaf4+int+int2+root",
        "chains/P-521",
        "chains/secp256k1",
        "chains/self-sha1",
    ] {
        assert_eq!(fitness(&anchor(name), NOW), [], "{name}");
    }
}

#[test]
fn what_swupd_refuses_has_its_reason() {
    let only = |name: &str, now| {
        let problems = fitness(&anchor(name), now);
        assert_eq!(problems.len(), 1, "{name}: {problems:?}");
        assert_eq!(problems[0].severity(), Severity::Refusal);
        problems.into_iter().next().unwrap()
    };
    assert!(
        matches!(only("critical-extension", NOW), Problem::UnhandledCriticalExtension { id, .. } if id == "1.2.3.4.5")
    );
    assert!(matches!(only("critical-key-id", NOW), Problem::UnhandledCriticalExtension { .. }));
    assert!(matches!(only("pss-key", NOW), Problem::RsaPssKey { .. }));
    assert!(matches!(only("ed25519", NOW), Problem::UnsupportedKey { .. }));
    assert!(matches!(only("leaf", NOW), Problem::IssuerMissing { .. }));
    assert!(matches!(only("anchor", 0), Problem::NotYetValid { .. }));
    assert!(matches!(only("anchor", 7_258_118_400), Problem::Expired { .. }));
}

#[test]
fn a_certificate_soon_to_expire_is_a_warning() {
    let anchor = anchor("anchor");
    let end = anchor.first().not_after();
    let day = 86_400;
    assert_eq!(fitness(&anchor, end - RENEWAL_DAYS * day), []);
    let problems = fitness(&anchor, end - RENEWAL_DAYS * day + 1);
    assert!(matches!(&problems[..], [Problem::ExpiresSoon { days_left: 89, .. }]), "{problems:?}");
    assert_eq!(problems[0].severity(), Severity::Warning);

    let signer = Signer::new(anchor.clone(), key("anchor"), end - 1).unwrap();
    assert_eq!(signer.warnings().len(), 1);
    // To OpenSSL the last second is one too late.
    assert!(matches!(&fitness(&anchor, end)[..], [Problem::Expired { .. }]));
}

#[test]
fn what_is_weak_is_a_warning() {
    for (name, bits) in [("rsa1024", 1024), ("chains/rsa1536", 1536)] {
        let problems = fitness(&anchor(name), NOW);
        assert!(matches!(problems[..], [Problem::WeakKey { bits: found, .. }] if found == bits), "{problems:?}");
        assert_eq!(problems[0].severity(), Severity::Warning);
    }
    for name in ["chains/rsa512", "chains/rsa768", "chains/P-224", "chains/brainpoolP256r1", "chains/ed25519"] {
        let problems = fitness(&anchor(name), NOW);
        assert!(matches!(problems[..], [Problem::UnsupportedKey { .. }]), "{name}: {problems:?}");
    }
}

#[test]
fn times_are_told_to_the_second_with_the_present_one() {
    let anchor = anchor("chains/new");
    let begins = anchor.first().not_before();
    let [problem] = &fitness(&anchor, begins - 1)[..] else { panic!("one problem") };
    let text = problem.to_string();
    assert!(text.contains("not valid before 2020-01-01 00:00:00 UTC (now it is 2019-12-31 23:59:59 UTC)"), "{text}");
    let [problem] = &fitness(&anchor, anchor.first().not_after())[..] else { panic!("one problem") };
    let text = problem.to_string();
    assert!(text.contains("expired at 2119-12-31 00:00:00 UTC (now it is 2119-12-31 00:00:00 UTC)"), "{text}");
}

#[test]
fn an_authority_that_ends_first_is_a_warning_too() {
    let anchor = anchor("leaf-then-ca-soon");
    let [leaf, authority] = anchor.certificates() else { panic!("two certificates") };
    assert!(authority.not_after() < leaf.not_after());
    let problems = fitness(&anchor, authority.not_after() - 86_400);
    assert!(
        matches!(&problems[..], [Problem::ExpiresSoon { days_left: 1, subject, .. }] if *subject == authority.subject())
    );
    assert!(matches!(&fitness(&anchor, authority.not_after() + 1)[..], [Problem::Expired { .. }]));
}

#[test]
fn no_signer_for_a_certificate_that_swupd_refuses() {
    let error = Signer::new(anchor("anchor"), key("anchor"), 7_258_118_400).unwrap_err();
    let SignError::CertificateUnusable { problems, .. } = &error else { panic!("{error:?}") };
    assert!(matches!(problems[..], [Problem::Expired { .. }]));
    assert!(!error.concerns_key());
    assert!(error.to_string().contains("expired at 21"), "{error}");
}

#[test]
fn days_left_rounds_down() {
    let certificate = Certificate::from_pem(fixture("anchor.pem")).unwrap();
    let end = certificate.not_after();
    assert_eq!(certificate.days_left(end), 0);
    assert_eq!(certificate.days_left(end - 86_400), 1);
    assert_eq!(certificate.days_left(end - 86_399), 0);
    assert_eq!(certificate.days_left(end + 1), -1);
}

#[test]
fn files_without_a_certificate_say_so() {
    assert!(matches!(TrustAnchor::from_pem(""), Err(SignError::NoCertificate)));
    assert!(matches!(TrustAnchor::from_pem(fixture("anchor.key")), Err(SignError::NoCertificate)));
    assert!(matches!(TrustAnchor::from_pem(fixture("plain.sig")), Err(SignError::NoCertificate | SignError::Pem(_))));
    let second = [fixture("anchor.pem"), b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec()];
    let error = TrustAnchor::from_pem(second.concat()).unwrap_err();
    assert!(matches!(error, SignError::MalformedCertificate { position: 2, .. }), "{error:?}");
}

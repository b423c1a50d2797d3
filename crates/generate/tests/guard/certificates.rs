//! Rules about signatures and certificates.

use clearwell_format::resource::{Artifact, Pointer};
use clearwell_format::{ManifestName, Resource};
use clearwell_generate::guard::{Rule, Severity, Signing};

use super::mix::{Mix, NOW, format, key_pair, signer, version};
use super::{assert_found, assert_refused, found};

const DAY: i64 = 86_400;

fn one_release() -> Mix {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    mix
}

fn of_ten(artifact: Artifact) -> Resource {
    Resource::of(version(10), artifact)
}

#[test]
fn signatures_that_are_not_there() {
    let mut mix = one_release();
    mix.tree.remove(&of_ten(Artifact::MomSignature)).unwrap();
    assert_refused(&mix, Rule::MissingSignature, &["10/Manifest.MoM.sig"]);

    let mut mix = one_release();
    let unsigned = {
        let mut unsigned = Mix::unsigned();
        let release = unsigned.plan(10, &mix.system(10));
        unsigned.make(release, |_| {});
        unsigned
    };
    let archive = of_ten(Artifact::ManifestTar(ManifestName::Mom));
    mix.tree.insert(archive.clone(), unsigned.tree[&archive].clone());
    assert_refused(&mix, Rule::MissingSignature, &["10/Manifest.MoM.tar"]);

    let mut mix = one_release();
    mix.pointers.remove(&Pointer::LatestSignature(format(30))).unwrap();
    mix.pointers.remove(&Pointer::LatestVersionSignature).unwrap();
    assert_refused(&mix, Rule::MissingSignature, &["version/format30/latest.sig", "version/latest_version.sig"]);
}

#[test]
fn signatures_of_something_else() {
    let mut mix = one_release();
    let other = mix.signer.as_ref().unwrap().sign(b"20", NOW).unwrap();
    mix.tree.insert(of_ten(Artifact::MomSignature), other.clone());
    let found = found(&mix);
    assert_eq!(found[0], (Rule::InvalidSignature, "10/Manifest.MoM.sig".to_owned()));

    let mut mix = one_release();
    mix.pointers.insert(Pointer::LatestSignature(format(30)), other);
    assert_refused(&mix, Rule::InvalidSignature, &["version/format30/latest.sig"]);

    let mut mix = one_release();
    mix.pointers.insert(Pointer::LatestVersionSignature, signer(1).sign(b"10", NOW).unwrap());
    assert_refused(&mix, Rule::InvalidSignature, &["version/latest_version.sig"]);
}

#[test]
fn signatures_beside_an_unsigned_release() {
    let mut mix = one_release();
    let signer = mix.signer.take();
    assert_refused(
        &mix,
        Rule::StaleSignature,
        &["10/Manifest.MoM.tar", "10/Manifest.MoM.sig", "version/format30/latest.sig", "version/latest_version.sig"],
    );

    // The pointers of a store that was signed keep their signatures when an unsigned release is published.
    let mut mix = one_release();
    mix.signer = None;
    let mut content = mix.system(20);
    content.bundle("os-core").file("/usr/share/clear/update-ca/Swupd_Root.pem", &signer.unwrap().anchor().pem());
    mix.release(20, &content);
    assert_refused(&mix, Rule::StaleSignature, &["version/format30/latest.sig", "version/latest_version.sig"]);
}

#[test]
fn a_signature_that_did_not_move_is_left_alone() {
    let mut mix = one_release();
    mix.before = mix.pointers.clone();
    mix.before.insert(Pointer::LatestSignature(format(29)), b"of an older key".to_vec());
    mix.before.insert(Pointer::Latest(format(29)), b"5".to_vec());
    mix.pointers = mix.before.clone();
    assert_eq!(found(&mix), []);

    // Renewed without moving.
    mix.pointers.insert(Pointer::LatestSignature(format(30)), b"spoilt".to_vec());
    assert_refused(&mix, Rule::InvalidSignature, &["version/format30/latest.sig"]);
}

#[test]
fn certificates_that_end() {
    let mix = one_release();
    let anchor = mix.signer.as_ref().unwrap().anchor();
    let at = |days: i64| {
        mix.check(|context| context.signing = Signing::On { anchor, now: anchor.first().not_after() - days * DAY })
    };
    assert_eq!(at(91), []);
    assert_found(&at(89), Severity::Warning, Rule::CertificateExpires, &["certificate \"O=Mix 0\""]);
    let expired = at(-1);
    assert_eq!(expired[0].rule, Rule::InvalidSignature);
    assert!(expired.iter().any(|finding| finding.rule == Rule::UnusableCertificate
        && finding.severity == Severity::Refusal
        && finding.problem.contains("expired")));
}

#[test]
fn another_certificate_in_the_content() {
    const PATH: &str = "/usr/share/clear/update-ca/Swupd_Root.pem";
    for pem in [key_pair(1).1.as_str(), "not a certificate"] {
        let mut mix = Mix::signed();
        let mut content = mix.system(10);
        content.bundle("os-core").file(PATH, pem);
        mix.release(10, &content);
        assert_refused(&mix, Rule::CertificateInContent, &[PATH]);
    }
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("os-core").remove(PATH);
    mix.release(10, &content);
    super::assert_warned(&mix, Rule::CertificateInContent, &["release 10"]);

    // Both certificates in one file: endpoints verify either.
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("os-core").file(PATH, &[key_pair(1).1.as_str(), key_pair(0).1.as_str()].concat());
    mix.release(10, &content);
    assert_eq!(found(&mix), []);
}

#[test]
fn a_signer_that_endpoints_do_not_know_yet() {
    let mut mix = one_release();
    mix.signer = Some(signer(1));
    mix.release(20, &mix.system(20));
    assert_refused(&mix, Rule::SignerUnknown, &["certificate \"O=Mix 1\""]);

    // The way to change: the old key signs a release that carries the new certificate.
    let mut mix = one_release();
    let mut content = mix.system(20);
    content.bundle("os-core").file("/usr/share/clear/update-ca/Swupd_Root.pem", &key_pair(1).1);
    mix.release(20, &content);
    assert_refused(&mix, Rule::CertificateInContent, &["/usr/share/clear/update-ca/Swupd_Root.pem"]);
    mix.signer = Some(signer(1));
    mix.release(30, &mix.system(30));
    // Endpoints that skipped 20 stay on 10. That is reported once.
    assert_refused(&mix, Rule::SignerUnknown, &["certificate \"O=Mix 1\""]);
    let text = super::findings(&mix)[0].problem.clone();
    assert!(text.starts_with("endpoints on 10 trust another"), "{text}");
    mix.release(40, &mix.system(40));
    assert_eq!(found(&mix), []);
}

#[test]
fn a_signer_that_endpoints_know_as_the_alternative() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("os-core").file("/usr/share/clear/update-ca/Swupd_Root.pem.alt", &key_pair(1).1);
    mix.release(10, &content);
    mix.signer = Some(signer(1));
    mix.release(20, &mix.system(20));
    assert_eq!(found(&mix), []);
}

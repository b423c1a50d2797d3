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

const PATH: &str = "/usr/share/clear/update-ca/Swupd_Root.pem";
const ALTERNATIVE: &str = "/usr/share/clear/update-ca/Swupd_Root.pem.alt";

/// A mix whose 10 trusts one key, and whose 20, signed with it, has these files.
fn changing(files: &[(&str, &str)]) -> Mix {
    let mut mix = one_release();
    let mut content = mix.system(20);
    for (path, text) in files {
        content.bundle("os-core").file(path, text);
    }
    mix.release(20, &content);
    mix
}

/// The next release, signed with the next key and carrying it alone.
fn with_the_next_key(mix: &mut Mix, number: u32) {
    mix.signer = Some(signer(1));
    mix.release(number, &mix.system(number));
}

#[test]
fn a_signer_that_endpoints_do_not_know_yet() {
    let mut mix = one_release();
    with_the_next_key(&mut mix, 20);
    assert_refused(&mix, Rule::SignerUnknown, &["certificate \"O=Mix 1\""]);
    let finding = super::findings(&mix).remove(0);
    assert!(
        finding.problem.starts_with("endpoints on 10 trust another certificate and would be stranded"),
        "{finding}"
    );
    assert!(finding.remedy.contains("docs/keys.md") && finding.remedy.contains("Swupd_Root.pem.alt"), "{finding}");

    // With only the new one, endpoints on 20 cannot verify 20.
    let mix = changing(&[(PATH, &key_pair(1).1)]);
    assert_refused(&mix, Rule::CertificateInContent, &[PATH]);
    let finding = super::findings(&mix).remove(0);
    assert!(finding.remedy.contains("ship both") && finding.remedy.contains("docs/keys.md"), "{finding}");
}

#[test]
fn both_certificates_lead_from_one_key_to_the_next() {
    let [old, new] = [0, 1].map(|number| key_pair(number).1.as_str());
    let ways: [&[(&str, &str)]; 4] = [
        &[(ALTERNATIVE, new)],
        &[(PATH, new), (ALTERNATIVE, old)],
        &[(PATH, &[old, new].concat())],
        &[(PATH, &[new, old].concat())],
    ];
    for files in ways {
        let mut mix = changing(files);
        assert_eq!(found(&mix), []);
        with_the_next_key(&mut mix, 30);
        // Who slept through 20 is stranded on 10, and is told the way.
        assert_refused(&mix, Rule::SignerUnknown, &["certificate \"O=Mix 1\""]);
        let finding = super::findings(&mix).remove(0);
        assert!(finding.problem.starts_with("endpoints on 10 trust another"), "{finding}");
        assert!(finding.remedy.contains("swupd update --nosigcheck-latest -V 20"), "{finding}");
        // Told once: 10 is stranded by 30, and 40 changes nothing.
        with_the_next_key(&mut mix, 40);
        assert_eq!(found(&mix), []);
    }
}

/// The client looks for the alternative next to the target of the link.
#[test]
fn certificates_behind_a_link() {
    for (alternative, expected) in
        [("/usr/share/ca/real.pem.alt", "endpoints on 10 "), (ALTERNATIVE, "endpoints on 10 and 20 ")]
    {
        let mut mix = one_release();
        let mut content = mix.system(20);
        let os_core = content.bundle("os-core").remove(PATH).link(PATH, "../../ca/real.pem").directory("/usr/share/ca");
        os_core.file("/usr/share/ca/real.pem", &key_pair(0).1).file(alternative, &key_pair(1).1);
        mix.release(20, &content);
        with_the_next_key(&mut mix, 30);
        let finding = super::findings(&mix).remove(0);
        assert!(finding.rule == Rule::SignerUnknown && finding.problem.starts_with(expected), "{finding}");
    }
}

#[test]
fn an_alternative_that_endpoints_cannot_use() {
    let mut mix = changing(&[(ALTERNATIVE, "no certificate")]);
    super::assert_warned(&mix, Rule::CertificateInContent, &[ALTERNATIVE]);
    with_the_next_key(&mut mix, 30);
    let finding = super::findings(&mix).remove(0);
    assert!(finding.problem.starts_with("endpoints on 10 and 20 trust another"), "{finding}");
}

#[test]
fn pointers_that_are_signed_anew_with_another_key() {
    let mut mix = one_release();
    mix.before = mix.pointers.clone();
    for (pointer, signature) in [
        (Pointer::Latest(format(30)), Pointer::LatestSignature(format(30))),
        (Pointer::LatestVersion, Pointer::LatestVersionSignature),
    ] {
        let text = mix.pointers[&pointer].clone();
        mix.pointers.insert(signature, signer(1).sign(&text, NOW).unwrap());
    }
    // The release is still signed with the key that endpoints on it trust; the pointer to it is not.
    assert!(
        super::findings(&mix)
            .iter()
            .any(|finding| finding.rule == Rule::CertificateInContent || finding.rule == Rule::InvalidSignature)
    );
    mix.signer = Some(signer(1));
    assert!(super::findings(&mix).iter().any(|finding| finding.rule == Rule::CertificateInContent));
}

//! A build that is refused leaves the store as it was, and the next one is not in its way.

use std::collections::BTreeMap;
use std::path::Path;

use clearwell_generate::build::{BuildError, BuildOptions};
use clearwell_generate::guard::Rule;
use clearwell_generate::progress::Silent;
use clearwell_sign::{GenerateOptions, KeyBits, PrivateKey, Signer, TrustAnchor, generate};
use clearwell_store::check::{CheckOptions, check};
use clearwell_store::{Fault, Store};
use clearwell_testkit::signer;

use crate::mix::{Mix, options, text, version};

/// Every file of a store, with its bytes.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            match path.symlink_metadata().unwrap() {
                found if found.is_dir() => waiting.push(path),
                found if found.is_symlink() => {
                    let target = std::fs::read_link(&path).unwrap();
                    files.insert(name, target.into_os_string().into_encoded_bytes());
                }
                // Who wrote last.
                _ if name == "meta/lock" => {}
                _ => drop(files.insert(name, std::fs::read(&path).unwrap())),
            }
        }
    }
    files
}

/// Another key and certificate.
fn other_signer() -> Signer {
    let now = options().now;
    let made = generate(&GenerateOptions { bits: KeyBits::Rsa2048, ..GenerateOptions::new("Another") }, now).unwrap();
    let anchor = TrustAnchor::from_pem(made.certificate_pem.as_bytes()).unwrap();
    Signer::new(anchor, PrivateKey::from_pem(made.key_pem.as_bytes(), None).unwrap(), now).unwrap()
}

fn certificate(mix: &mut Mix, signer: &Signer) {
    mix.file("os-core", "/usr/share/clear/update-ca/Swupd_Root.pem", signer.anchor().pem().as_bytes());
}

struct Refused<'a> {
    what: &'a str,
    rule: Rule,
    number: u32,
    previous: u32,
    harm: &'a dyn Fn(&mut Mix),
    signer: Option<&'a Signer>,
    options: BuildOptions,
}

#[test]
fn a_refusal_leaves_nothing_whatever_it_is_about() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let mut mix = Mix::sample();
    certificate(&mut mix, signer());
    // Packs that the next builds would add.
    let without_packs = BuildOptions { zero_packs: false, ..options() };
    mix.build_with(10, None, &store, Some(signer()), &without_packs).unwrap();
    mix.file("viewer", "/usr/share/new", b"of 20");
    mix.build_with(20, Some(10), &store, Some(signer()), &BuildOptions { deltas: 0, ..without_packs.clone() }).unwrap();
    mix.file("os-core", "/usr/share/text", &text(20_000, 9));
    let before = files(store.root());

    let other = other_signer();
    let nothing = |_: &mut Mix| {};
    let of_another = |mix: &mut Mix| certificate(mix, &other);
    let staged = || BuildOptions { stage: true, ..options() };
    let case =
        |what, rule, harm, signer| Refused { what, rule, number: 30, previous: 20, harm, signer, options: options() };
    let cases = [
        case("not signed", Rule::SignatureLost, &nothing as &dyn Fn(&mut Mix), None),
        Refused { options: staged(), ..case("staged, not signed", Rule::SignatureLost, &nothing, None) },
        case("signed by another", Rule::SignerUnknown, &of_another, Some(&other)),
        case("another certificate", Rule::CertificateInContent, &of_another, Some(signer())),
        Refused {
            options: staged(),
            ..case("staged, another certificate", Rule::CertificateInContent, &of_another, Some(signer()))
        },
        case(
            "no certificate at all",
            Rule::CertificateInContent,
            &|mix| mix.file("os-core", "/usr/share/clear/update-ca/Swupd_Root.pem", b"nothing"),
            Some(signer()),
        ),
        case(
            "a time in the future",
            Rule::VersionStamp,
            &|mix| mix.file("os-core", "/usr/share/clear/versionstamp", b"9999999999"),
            Some(signer()),
        ),
        Refused {
            number: 15,
            previous: 10,
            ..case("below what endpoints have", Rule::PointerGoesBack, &nothing, Some(signer()))
        },
        case(
            "a folder became a file",
            Rule::DirectoryReplaced,
            &|mix| {
                mix.remove("/usr/share/editor/help");
                mix.file("editor", "/usr/share/editor", b"a file");
            },
            Some(signer()),
        ),
    ];
    for Refused { what, rule, number, previous, harm, signer, options } in cases {
        let mut harmed = mix.clone();
        harm(&mut harmed);
        let error = harmed.build_with(number, Some(previous), &store, signer, &options).unwrap_err();
        assert_eq!(error.fault(), Fault::Guard, "{what}: {error}");
        let BuildError::Refused { findings, .. } = &error else { panic!("{what}: {error:?}") };
        assert!(findings.iter().any(|finding| finding.rule == rule), "{what}: {findings:?}");
        let after = files(store.root());
        let differ = |(name, bytes): &(&String, &Vec<u8>)| before.get(*name) != Some(*bytes);
        assert_eq!(
            after.iter().filter(differ).map(|(name, _)| name).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "{what}"
        );
        assert_eq!(before.len(), after.len(), "{what}");
    }
    let checked = || check(&store, &CheckOptions::new(options().now), &Silent).unwrap();
    assert!(checked().is_sound());
    let outcome = mix.build(30, Some(20), &store);
    assert!(!outcome.extended.is_empty(), "the packs that were lacking");
    assert_eq!(store.latest_version().unwrap(), Some(version(30)));
    assert!(checked().is_sound());
}

/// What an older program left: the release was visible before the pointers were judged.
#[test]
fn what_was_refused_too_late_is_built_again_or_discarded() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let mut mix = Mix::sample();
    certificate(&mut mix, signer());
    mix.build(10, None, &store);
    mix.file("viewer", "/usr/share/new", b"new");
    let late = BuildOptions { stage: true, allowed: [Rule::SignatureLost].into(), ..options() };
    mix.build_with(20, Some(10), &store, None, &late).unwrap();
    assert!(!check(&store, &CheckOptions::new(options().now), &Silent).unwrap().is_sound());
    let again = mix.build_with(20, Some(10), &store, None, &options()).unwrap_err();
    assert_eq!(again.fault(), Fault::Guard, "{again:?}");
    mix.build(20, Some(10), &store);
    assert_eq!(store.latest_version().unwrap(), Some(version(20)));
    assert!(check(&store, &CheckOptions::new(options().now), &Silent).unwrap().is_sound());

    mix.file("viewer", "/usr/share/new", b"newer");
    mix.build_with(30, Some(20), &store, None, &late).unwrap();
    store.writer("test").unwrap().discard(version(30)).unwrap();
    assert!(check(&store, &CheckOptions::new(options().now), &Silent).unwrap().is_sound());
}

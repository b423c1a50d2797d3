//! Pointers, signatures, staging, and what comes in between.

use clearwell_format::resource::{Artifact, Pointer};
use clearwell_format::{FormatNumber, Resource};
use clearwell_generate::build::{BuildError, BuildOptions};
use clearwell_generate::guard::Rule;
use clearwell_generate::progress::Silent;
use clearwell_generate::publish::{PublishOptions, publish};
use clearwell_sign::verify;
use clearwell_store::{Fault, Store, StoreError};
use clearwell_testkit::signer;

use crate::mix::{Mix, options, snapshot, text, version};

fn format(number: u16) -> FormatNumber {
    FormatNumber::new(number).unwrap()
}

#[test]
fn pointers_move_together_and_are_signed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let mut mix = Mix::sample();
    assert_eq!(mix.build(10, None, &store).generation, Some(1));
    mix.file("viewer", "/usr/share/new", b"new");
    assert_eq!(mix.build(20, Some(10), &store).generation, Some(2));
    let pointers = store.pointers().unwrap();
    for (pointer, signature) in [
        (Pointer::Latest(format(30)), Pointer::LatestSignature(format(30))),
        (Pointer::LatestVersion, Pointer::LatestVersionSignature),
    ] {
        assert_eq!(&*pointers.files[&pointer], b"20");
        verify(b"20", &pointers.files[&signature], signer().anchor(), None).unwrap();
    }
    assert_eq!(&*pointers.files[&Pointer::First(format(30))], b"10");
}

#[test]
fn without_signing_no_signature_is_left_to_be_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let mut mix = Mix::sample();
    mix.build(10, None, &store);
    mix.file("viewer", "/usr/share/new", b"new");
    let refused = mix.build_with(20, Some(10), &store, None, &options()).unwrap_err();
    assert!(matches!(refused, BuildError::Refused { .. }));
    let allowed = BuildOptions { allowed: [Rule::SignatureLost].into(), ..options() };
    let outcome = mix.build_with(20, Some(10), &store, None, &allowed).unwrap();
    assert!(!outcome.signed);
    assert_eq!(store.lookup(&Resource::of(version(20), Artifact::MomSignature)).unwrap(), None);
    let pointers = store.pointers().unwrap();
    assert!(!pointers.files.contains_key(&Pointer::LatestSignature(format(30))));
    assert!(!pointers.files.contains_key(&Pointer::LatestVersionSignature));
}

#[test]
fn a_staged_release_waits_for_its_pointers() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let mut mix = Mix::sample();
    mix.build(10, None, &store);
    mix.file("viewer", "/usr/share/new", b"new");
    let staged = BuildOptions { stage: true, ..options() };
    assert_eq!(mix.build_with(20, Some(10), &store, Some(signer()), &staged).unwrap().generation, None);
    assert_eq!(store.pointers().unwrap().latest_version(), Some(version(10)));
    assert_eq!(store.releases().unwrap(), [version(10), version(20)]);

    let publication = PublishOptions { again: false, staging: false, allowed: Default::default(), now: options().now };
    let writer = store.writer("test").unwrap();
    let published = publish(version(20), &writer, Some(signer()), &publication, &Silent).unwrap();
    assert_eq!((published.version, published.signed), (20, true));
    assert_eq!(store.pointers().unwrap().latest(format(30)), Some(version(20)));
    let back = publish(version(10), &writer, Some(signer()), &publication, &Silent).unwrap_err();
    assert_eq!(back.fault(), Fault::Guard, "{back}");
    assert_eq!(store.pointers().unwrap().latest(format(30)), Some(version(20)));
    let unknown = publish(version(30), &writer, Some(signer()), &publication, &Silent).unwrap_err();
    assert!(matches!(unknown, BuildError::Store(StoreError::UnknownVersion { .. })), "{unknown:?}");
}

#[test]
fn the_staging_channel_goes_ahead_by_its_name_and_is_never_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let mut mix = Mix::sample();
    mix.build(10, None, &store);
    let staging = || store.pointers().unwrap().version(Pointer::Staging);
    assert_eq!(staging(), None, "no release gets one without the option");

    mix.file("viewer", "/usr/share/new", b"new");
    let staged = BuildOptions { stage: true, ..options() };
    mix.build_with(20, Some(10), &store, Some(signer()), &staged).unwrap();
    let publication =
        |staging| PublishOptions { again: false, staging, allowed: Default::default(), now: options().now };
    let go = |number, is_staging| {
        let writer = store.writer("test").unwrap();
        publish(version(number), &writer, Some(signer()), &publication(is_staging), &Silent)
    };
    go(20, true).unwrap();
    let pointers = store.pointers().unwrap();
    assert_eq!((pointers.latest(format(30)), pointers.latest_version()), (Some(version(10)), Some(version(10))));
    assert_eq!(staging(), Some(version(20)));
    verify(b"20", &pointers.files[&Pointer::StagingSignature], signer().anchor(), None).unwrap();
    assert_eq!(go(10, true).unwrap_err().fault(), Fault::Guard, "it does not go back");

    // The release it names is published, and then one after it: it is not left behind, and signed.
    go(20, false).unwrap();
    assert_eq!(staging(), Some(version(20)));
    mix.file("viewer", "/usr/share/newer", b"newer");
    mix.build(30, Some(20), &store);
    assert_eq!(staging(), Some(version(30)));
    verify(b"30", &store.pointers().unwrap().files[&Pointer::StagingSignature], signer().anchor(), None).unwrap();
}

#[test]
fn a_release_whose_pointers_were_not_moved_is_published_by_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let mix = Mix::sample();
    let staged = BuildOptions { stage: true, ..options() };
    mix.build_with(10, None, &store, Some(signer()), &staged).unwrap();
    let before = snapshot(store.root());
    let outcome = mix.build(10, None, &store);
    assert!(outcome.resumed && outcome.generation == Some(1));
    let after = snapshot(store.root());
    assert!(before.iter().all(|(name, bytes)| after[name] == *bytes));
    let again = mix.build_with(10, None, &store, Some(signer()), &options()).unwrap_err();
    assert!(matches!(again, BuildError::Store(StoreError::VersionExists { .. })), "{again:?}");
}

#[test]
fn what_the_guard_refuses_is_never_seen() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let mut mix = Mix::sample();
    mix.build(10, None, &store);
    let before = snapshot(store.root());
    // A certificate that does not verify the release.
    mix.file("os-core", "/usr/share/clear/update-ca/Swupd_Root.pem", b"not a certificate");
    mix.file("os-core", "/usr/share/text", &text(100, 1));
    let error = mix.build_with(20, Some(10), &store, Some(signer()), &options()).unwrap_err();
    let BuildError::Refused { findings, .. } = &error else { panic!("{error:?}") };
    assert_eq!(findings.len(), 1);
    assert_eq!(error.fault(), Fault::Guard);
    assert!(before == snapshot(store.root()));
    assert_eq!(store.releases().unwrap(), [version(10)]);
}

#[test]
fn versions_go_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let mix = Mix::sample();
    mix.build(10, None, &store);
    for (number, previous) in [(5, Some(10)), (20, Some(15))] {
        let error = mix.build_with(number, previous, &store, None, &options());
        assert!(matches!(error, Err(BuildError::Plan(_))), "{number} on {previous:?}");
    }
    assert_eq!(store.releases().unwrap(), [version(10)]);
}

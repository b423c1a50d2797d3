//! A staged release is published as it is, or gives way to another build of its version.

use clearwell_format::Resource;
use clearwell_format::resource::Artifact;
use clearwell_generate::build::{BuildError, BuildOptions, continues, unfinished};
use clearwell_generate::guard::Rule;
use clearwell_generate::inputs::Inputs;
use clearwell_store::disk::Disk;
use clearwell_store::{Begun, DiscardRefusal, ReleaseState, Store, StoreError};
use clearwell_testkit::signer;

use crate::mix::{Mix, NOW, options, snapshot, version};

fn staged() -> BuildOptions {
    BuildOptions { stage: true, ..options() }
}

/// A store with 10, published, and a mix that has changed since.
fn start(folder: &tempfile::TempDir) -> (Store, Mix) {
    let store = Store::create(folder.path().join("store")).unwrap();
    let mut mix = Mix::sample();
    mix.build(10, None, &store);
    mix.file("viewer", "/usr/share/new", b"one");
    (store, mix)
}

#[test]
fn the_same_inputs_find_it_made() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mix) = start(&folder);
    mix.build_with(20, Some(10), &store, Some(signer()), &staged()).unwrap();
    let before = snapshot(store.root());
    let again = mix.build_with(20, Some(10), &store, Some(signer()), &staged()).unwrap();
    assert!(again.resumed && again.generation.is_none());
    assert!(before == snapshot(store.root()));
    let outcome = mix.build(20, Some(10), &store);
    assert!(outcome.resumed && outcome.generation.is_some());
    assert_eq!(store.state(version(20)).unwrap(), ReleaseState::Published);
    assert_eq!(
        mix.build_with(20, Some(10), &store, Some(signer()), &staged()).map(drop).unwrap_err().to_string(),
        StoreError::VersionExists { version: version(20) }.to_string()
    );
}

#[test]
fn other_inputs_take_its_place() {
    for publish in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (store, mut mix) = start(&folder);
        mix.build_with(20, Some(10), &store, Some(signer()), &staged()).unwrap();
        mix.file("viewer", "/usr/share/new", b"two");
        let options = if publish { options() } else { staged() };
        let outcome = mix.build_with(20, Some(10), &store, Some(signer()), &options).unwrap();
        assert_eq!((outcome.resumed, outcome.generation.is_some()), (false, publish));
        let state = if publish { ReleaseState::Published } else { ReleaseState::Staged };
        assert_eq!(store.state(version(20)).unwrap(), state);

        let fresh = Store::create(folder.path().join("fresh")).unwrap();
        let (mut first, second) = (Mix::sample(), &mix);
        first.build(10, None, &fresh);
        first.file("viewer", "/usr/share/new", b"two");
        second.build_with(20, Some(10), &fresh, Some(signer()), &options).unwrap();
        assert!(snapshot(fresh.root()) == snapshot(store.root()), "nothing is left of the one before");
    }
}

#[test]
fn another_time_or_signature_is_another_release() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mix) = start(&folder);
    let unsigned = BuildOptions { allowed: [Rule::SignatureLost].into(), ..staged() };
    mix.build_with(20, Some(10), &store, None, &unsigned).unwrap();
    let outcome = mix.build_with(20, Some(10), &store, Some(signer()), &staged()).unwrap();
    assert!(outcome.signed && !outcome.resumed);
    let signature = Resource::of(version(20), Artifact::MomSignature);
    assert!(store.lookup(&signature).unwrap().is_some());

    let mut later = mix.inputs(20, Some(10));
    later.release.timestamp += 1;
    let build = |inputs: &Inputs| {
        let mut writer = store.writer("test").unwrap();
        clearwell_generate::build::build(
            inputs,
            &mut writer,
            Some(signer()),
            &staged(),
            &clearwell_generate::progress::Silent,
        )
    };
    assert!(!build(&later).unwrap().resumed);
    assert_eq!(store.record(version(20)).unwrap().timestamp, NOW + 1);
}

#[test]
fn what_others_were_built_on_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut mix) = start(&folder);
    mix.build_with(20, Some(10), &store, Some(signer()), &staged()).unwrap();
    mix.file("viewer", "/usr/share/new", b"two");
    mix.build_with(30, Some(20), &store, Some(signer()), &staged()).unwrap();
    let before = snapshot(store.root());
    let error = mix.build_with(20, Some(10), &store, Some(signer()), &staged()).unwrap_err();
    let BuildError::Store(StoreError::NotDiscardable { reason, .. }) = error else { panic!("{error:?}") };
    assert_eq!(reason, DiscardRefusal::BuiltOn { by: version(30) });
    assert!(before == snapshot(store.root()));
}

#[test]
fn first_names_what_endpoints_may_have() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let mut mix = Mix::sample();
    mix.build_with(10, None, &store, Some(signer()), &staged()).unwrap();
    mix.file("viewer", "/usr/share/new", b"one");
    mix.build(20, Some(10), &store);
    let first = clearwell_format::resource::Pointer::First(store.record(version(20)).unwrap().format);
    assert_eq!(store.pointers().unwrap().version(first), Some(version(20)));
}

#[test]
fn what_is_unfinished_is_told_by_its_time_as_long_as_it_is_fresh() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut mix) = start(&folder);
    mix.build_with(20, Some(10), &store, Some(signer()), &staged()).unwrap();
    let of_release = store.record(version(20)).unwrap();
    mix.file("viewer", "/usr/share/new", b"two");
    // Stopped before anything is brought to disk.
    let stopping = Disk::with_hook(|operation, _| match operation {
        clearwell_store::disk::Operation::SyncAll => Err(std::io::Error::other("crash")),
        _ => Ok(()),
    });
    let failing = Store::open_on(store.root(), stopping).unwrap();
    let many = (0..300).map(|number| (format!("/usr/share/many/{number}"), number.to_string()));
    many.for_each(|(path, bytes)| mix.file("viewer", &path, bytes.as_bytes()));
    mix.build_with(20, Some(10), &failing, Some(signer()), &staged()).unwrap_err();

    let at = |seconds: i64| {
        let found = unfinished(&store, version(20), NOW + seconds).unwrap();
        found.into_iter().map(|begun| begun.timestamp).collect::<Vec<_>>()
    };
    let day = 24 * 3600;
    assert_eq!(at(day), [Some(NOW), Some(NOW)], "the draft, and the release");
    assert_eq!(at(-1), [Some(NOW)], "a draft of the future is none");
    assert_eq!(at(8 * day), [Some(NOW)], "nor is an old one");
    let found = unfinished(&store, version(20), NOW + day).unwrap();
    let matches = |mix: &Mix| -> Vec<bool> {
        let of = |begun: &Begun| continues(&mix.inputs(20, Some(10)), &options(), begun);
        found.iter().map(of).collect()
    };
    assert_eq!(matches(&mix), [true, false]);
    assert_eq!(of_release.timestamp, NOW);
    assert_eq!(unfinished(&store, version(10), NOW).unwrap(), [], "published");
    assert_eq!(unfinished(&store, version(30), NOW).unwrap(), []);
}

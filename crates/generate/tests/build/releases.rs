//! What a release consists of.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use clearwell_format::archive::single_member;
use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, FileKind, ManifestName, Owner, Resource};
use clearwell_generate::build::{BuildOptions, Method};
use clearwell_sign::verify;
use clearwell_store::Store;
use clearwell_testkit::signer;

use crate::mix::{Mix, brought, bundle, machine_code, noise, options, pack, snapshot, text, version};

#[test]
fn every_object_of_a_release_can_be_fetched_and_is_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let mut mix = Mix::sample();
    mix.build(10, None, &store);
    mix.file("editor", "/usr/share/editor/help", &text(50_000, 6));
    mix.remove("/usr/share/noise");
    mix.build(20, Some(10), &store);

    let mut fullfiles = HashSet::new();
    for entry in store.mom(version(20)).unwrap().bundles() {
        let manifest = store.bundle_manifest(entry).unwrap();
        for entry in manifest.present() {
            let bytes = store.read(&Resource::of(entry.version, Artifact::Fullfile(entry.hash()))).unwrap();
            let (header, content) = single_member(&bytes, 1 << 20).unwrap();
            assert_eq!(header.name, entry.hash().to_hex(), "no slash, no folder");
            assert_eq!(entry.kind(), Some(header.kind));
            assert!(!header.names_owner && !header.pax_target);
            let found = match header.kind {
                FileKind::File => FileHash::of_file(&content, header.owner),
                FileKind::Directory => FileHash::of_directory(header.owner),
                FileKind::Link => FileHash::of_link(&header.target, header.owner),
            };
            assert_eq!(found, entry.hash());
            assert_eq!(header.mtime, 1_600_000_000);
            fullfiles.insert((entry.version, entry.hash()));
        }
    }
    let index = store.index(version(20)).unwrap().to_map().unwrap();
    let new = index.keys().filter(|artifact| matches!(artifact, Artifact::Fullfile(_))).count();
    assert_eq!(new, fullfiles.iter().filter(|(of, _)| *of == version(20)).count(), "one for each new hash, no more");
}

#[test]
fn manifests_are_there_plain_in_archives_and_signed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store")).unwrap();
    let outcome = Mix::sample().build(10, None, &store);
    let read = |artifact| store.read(&Resource::of(version(10), artifact)).unwrap();
    for name in [ManifestName::Full, ManifestName::Bundle(bundle("editor"))] {
        let (header, content) = single_member(&read(Artifact::ManifestTar(name.clone())), 1 << 20).unwrap();
        assert_eq!((header.name, header.owner), (format!("Manifest.{name}").into_bytes(), Owner::MANIFEST));
        assert_eq!(content, read(Artifact::Manifest(name)));
    }
    let mom = read(Artifact::Manifest(ManifestName::Mom));
    verify(&mom, &read(Artifact::MomSignature), signer().anchor(), None).unwrap();
    assert_eq!(read(Artifact::Format), b"30");
    assert_eq!(read(Artifact::UpstreamUrl), b"https://up.example/");
    assert_eq!(read(Artifact::UpstreamVersion), b"7");
    assert!(read(Artifact::GeneratorVersion).starts_with(b"clearwell "));
    let record = store.record(version(10)).unwrap();
    assert_eq!(record.bundles.len(), 3);
    assert_eq!(outcome.made["fullfile"].number, record.artifacts["fullfile"].number);
    assert_eq!(outcome.made["zero-pack"].number, 3);
    assert_eq!((outcome.version, outcome.previous, outcome.signed), (10, 0, true));
    assert!(outcome.bundles.iter().all(|bundle| bundle.zero_pack_bytes.is_some()));
}

#[test]
fn bytes_do_not_depend_on_workers_or_memory() {
    let build = |options: &BuildOptions| {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(folder.path().join("store")).unwrap();
        let mut mix = Mix::sample();
        mix.build_with(10, None, &store, Some(signer()), options).unwrap();
        mix.file("os-core", "/usr/share/text", &text(30_000, 7));
        mix.build_with(20, Some(10), &store, Some(signer()), options).unwrap();
        snapshot(store.root())
    };
    let one = build(&BuildOptions { workers: NonZeroUsize::MIN, ..options() });
    let eight = build(&BuildOptions { workers: NonZeroUsize::new(8).unwrap(), ..options() });
    let tight = BuildOptions { workers: NonZeroUsize::new(8).unwrap(), memory_bytes: Some(1), ..options() };
    assert_eq!(one.keys().collect::<Vec<_>>(), eight.keys().collect::<Vec<_>>());
    assert!(one == eight);
    assert!(one == build(&tight));
}

#[test]
fn the_smallest_compression_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let build = |name: &str, compression: &[Method]| {
        let store = Store::create(folder.path().join(name)).unwrap();
        let options = BuildOptions { compression: compression.to_vec(), ..options() };
        Mix::sample().build_with(10, None, &store, None, &options).unwrap();
        store
    };
    let (xz, gzip) = (build("xz", &[Method::Xz]), build("gzip", &[Method::Gzip]));
    let all = build("all", &[Method::Gzip, Method::Bzip2, Method::Zstd, Method::Xz]);
    let mut smaller_without = 0;
    for (artifact, meta) in all.index(version(10)).unwrap().to_map().unwrap() {
        if let Artifact::Fullfile(hash) = artifact {
            let resource = Resource::of(version(10), Artifact::Fullfile(hash));
            let size = |store: &Store| store.lookup(&resource).unwrap().unwrap().size;
            assert!(meta.size <= size(&xz).min(size(&gzip)));
            smaller_without += usize::from(size(&gzip) < size(&xz));
        }
    }
    assert!(smaller_without > 0, "tiny files are smaller with gzip: the methods are really tried");
}

/// Above 32 MiB files are not held in memory.
#[test]
fn large_files_are_streamed_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    // Repeats after 40,000 bytes: beyond the window of gzip, within that of the others.
    let mut large = machine_code(64, 1);
    large.extend(noise(40_000, 2).repeat(850));
    let mut mix = Mix::sample();
    mix.file("viewer", "/usr/bin/large", &large);
    let hash = FileHash::of_file(&large, Owner { permissions: 0o644, uid: 0, gid: 0 });
    for (name, methods, is_plain) in [
        ("gzip", &[Method::Gzip][..], true),
        ("xz", &[Method::Xz], false),
        ("both", &[Method::Gzip, Method::Xz], false),
    ] {
        let store = Store::create(folder.path().join(name)).unwrap();
        let options = BuildOptions { compression: methods.to_vec(), zero_packs: name == "gzip", ..options() };
        mix.build_with(10, None, &store, None, &options).unwrap();
        let archive = store.read(&Resource::of(version(10), Artifact::Fullfile(hash))).unwrap();
        let (_, content) = single_member(&archive, 1 << 30).unwrap();
        assert!(content == large);
        assert_eq!(archive.starts_with(&hash.to_hex()), is_plain, "{name}");
        if name == "gzip" {
            assert!(brought(&pack(10, "viewer", None), &store).contains(&hash));
        }
    }
}

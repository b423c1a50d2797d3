//! The sample store is what other tests rely on, so it has to be right itself.

use clearwell_format::archive::{read_members, single_member};
use clearwell_format::pack::PackMember;
use clearwell_format::resource::Artifact;
use clearwell_format::{FormatNumber, ManifestName, Resource, Version};
use clearwell_testkit::sample_store;

#[test]
fn the_sample_store_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample_store(folder.path());
    let store = &sample.store;
    let format = FormatNumber::new(30).unwrap();
    let (ten, twenty) = (Version::new(10).unwrap(), Version::new(20).unwrap());
    assert_eq!(store.releases().unwrap(), [ten, twenty]);
    assert_eq!(store.latest(format).unwrap(), Some(twenty));
    for version in [ten, twenty] {
        let mom = store.mom(version).unwrap();
        let bytes = store.read(&Resource::of(version, Artifact::Manifest(ManifestName::Mom))).unwrap();
        let signature = store.read(&Resource::of(version, Artifact::MomSignature)).unwrap();
        clearwell_sign::verify(&bytes, &signature, &sample.anchor, None).unwrap();
        for entry in mom.bundles() {
            let manifest = store.bundle_manifest(entry).unwrap();
            for file in manifest.present() {
                let fullfile = Resource::of(file.version, Artifact::Fullfile(file.hash()));
                let (header, content) = single_member(&store.read(&fullfile).unwrap(), 1 << 20).unwrap();
                assert_eq!(header.name, file.hash().to_string().as_bytes());
                assert_eq!(content.len() as u64, header.size);
            }
            let zero = Resource::of(entry.version, Artifact::Pack { bundle: entry.bundle.clone(), from: None });
            let mut staged = Vec::new();
            read_members::<clearwell_format::archive::ArchiveError>(
                store.read(&zero).unwrap().as_slice(),
                |mut member| {
                    if let Some(PackMember::Staged(hash)) = PackMember::parse(&member.header.name) {
                        assert_eq!(member.hash(&mut std::io::sink())?, hash);
                        staged.push(hash);
                    }
                    Ok(())
                },
            )
            .unwrap();
            assert!(manifest.present().all(|file| staged.contains(&file.hash())));
        }
    }
    let editor = sample.releases[1].mom.bundle(&"editor".parse().unwrap()).unwrap();
    let delta_pack = Artifact::Pack { bundle: editor.bundle.clone(), from: Some(ten) };
    assert!(store.lookup(&Resource::of(editor.version, delta_pack)).unwrap().is_some());
}

use std::collections::BTreeMap;

use clearwell_format::{BundleName, ManifestName};
use proptest::prelude::*;

use super::*;

fn release() -> Version {
    Version::new(20).unwrap()
}

fn meta(seed: u8) -> ArtifactMeta {
    ArtifactMeta { size: u64::from(seed) << 33, sha256: Digest::of(&[seed]) }
}

fn sample(fullfiles: u8) -> BTreeMap<Artifact, ArtifactMeta> {
    let bundle = |name: &str| name.parse::<BundleName>().unwrap();
    let mut artifacts: BTreeMap<_, _> = [
        Artifact::Format,
        Artifact::Manifest(ManifestName::Mom),
        Artifact::ManifestTar(ManifestName::Bundle(bundle("a-very.long+name"))),
        Artifact::Pack { bundle: bundle("os-core"), from: None },
        Artifact::Pack { bundle: bundle("os-core"), from: Version::new(10) },
    ]
    .into_iter()
    .zip(1..)
    .map(|(artifact, seed)| (artifact, meta(seed)))
    .collect();
    for seed in 0..fullfiles {
        artifacts.insert(Artifact::Fullfile(FileHash::from_bytes(*Digest::of(&[seed]).as_bytes())), meta(seed));
    }
    artifacts
}

fn bytes_of(artifacts: &BTreeMap<Artifact, ArtifactMeta>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(release(), artifacts, &mut bytes).unwrap();
    bytes
}

fn open(bytes: &[u8]) -> Result<Index, IndexDamage> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("20");
    std::fs::write(&path, bytes).unwrap();
    Index::open(&path, release()).map_err(|error| match error {
        StoreError::IndexDamaged { source, .. } => source,
        other => panic!("{other}"),
    })
}

fn with_new_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - TRAILER;
    let sum = *Digest::of(&bytes[..end]).as_bytes();
    bytes[end..].copy_from_slice(&sum);
    bytes
}

#[test]
fn what_was_written_is_found_and_nothing_else() {
    for fullfiles in [0, 1, 2, 200] {
        let artifacts = sample(fullfiles);
        let index = open(&bytes_of(&artifacts)).unwrap();
        assert_eq!(index.len(), artifacts.len());
        assert_eq!(index.iter().collect::<BTreeMap<_, _>>(), artifacts);
        for (artifact, meta) in &artifacts {
            assert_eq!(index.get(artifact), Some(*meta), "{artifact}");
        }
        assert_eq!(index.get(&Artifact::Fullfile(FileHash::ZERO)), None);
        assert_eq!(index.get(&Artifact::Fullfile(FileHash::from_bytes([255; 32]))), None);
        assert_eq!(index.get(&Artifact::MomSignature), None);
        assert_eq!(index.get(&Artifact::UpstreamVersion), None);
    }
}

#[test]
fn an_empty_index_is_an_index() {
    let index = open(&bytes_of(&BTreeMap::new())).unwrap();
    assert!(index.is_empty() && index.iter().next().is_none());
}

#[test]
fn each_damage_is_named() {
    let good = bytes_of(&sample(3));
    let changed = |offset: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[offset] = byte;
        bytes
    };
    assert_eq!(open(b"").unwrap_err(), IndexDamage::Length);
    assert_eq!(open(&good[..HEADER]).unwrap_err(), IndexDamage::Length);
    assert_eq!(open(&good[..good.len() - 1]).unwrap_err(), IndexDamage::Checksum);
    assert_eq!(open(&changed(0, b'x')).unwrap_err(), IndexDamage::Magic);
    assert_eq!(open(&changed(8, 2)).unwrap_err(), IndexDamage::Format(2));
    assert_eq!(open(&changed(60, !good[60])).unwrap_err(), IndexDamage::Checksum);
    assert_eq!(open(&with_new_checksum(changed(12, 30))).unwrap_err(), IndexDamage::OtherRelease(30));
    for count in [16, 24, 32] {
        assert_eq!(open(&with_new_checksum(changed(count, 77))).unwrap_err(), IndexDamage::Length);
        assert_eq!(open(&with_new_checksum(changed(count + 7, 0xff))).unwrap_err(), IndexDamage::Length);
    }
    let first_name = HEADER + 3 * FULLFILE;
    assert_eq!(open(&with_new_checksum(changed(first_name + 3, 0xff))).unwrap_err(), IndexDamage::Order);
    let last_hash = HEADER + 2 * FULLFILE;
    assert_eq!(open(&with_new_checksum(changed(last_hash, 0))).unwrap_err(), IndexDamage::Order);
}

proptest! {
    /// With the checksum made right again, so that the checks behind it have to hold.
    #[test]
    fn no_mutation_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in 0_usize..200, fix in any::<bool>()) {
        let mut bytes = bytes_of(&sample(4));
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(bytes.len() - cut.min(bytes.len()));
        if fix && bytes.len() >= TRAILER {
            bytes = with_new_checksum(bytes);
        }
        if let Ok(index) = open(&bytes) {
            prop_assert_eq!(index.iter().count(), index.len());
            for (artifact, meta) in index.iter() {
                prop_assert_eq!(index.get(&artifact), Some(meta));
            }
        }
    }
}

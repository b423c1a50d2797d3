use std::collections::BTreeMap;
use std::io::Write as _;

use clearwell_format::{BundleName, FileHash, ManifestName};
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

/// An index under a name, to be changed there.
struct IndexOnDisk {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
    index: Index,
}

impl IndexOnDisk {
    fn of(artifacts: &BTreeMap<Artifact, ArtifactMeta>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("20");
        std::fs::write(&path, bytes_of(artifacts)).unwrap();
        let index = Index::open(&path, release()).unwrap();
        Self { _folder: folder, path, index }
    }
}

#[track_caller]
fn assert_changed<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::IndexDamaged { source: IndexDamage::Changed, .. })), "{result:?}");
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
        assert_eq!(index.len(), artifacts.len() as u64);
        assert_eq!(index.to_map().unwrap(), artifacts);
        for (artifact, meta) in &artifacts {
            assert_eq!(index.get(artifact).unwrap(), Some(*meta), "{artifact}");
        }
        for artifact in [
            Artifact::Fullfile(FileHash::ZERO),
            Artifact::Fullfile(FileHash::from_bytes([255; 32])),
            Artifact::MomSignature,
            Artifact::UpstreamVersion,
        ] {
            assert_eq!(index.get(&artifact).unwrap(), None, "{artifact}");
        }
    }
}

/// More rows than a block of either table, and hashes of which most begin alike, more than real ones would.
#[test]
fn long_and_crowded_tables_are_searched_as_well() {
    let mut artifacts = sample(0);
    for number in 0..5_000_u32 {
        let mut hash = [7; 32];
        if number % 10 == 0 {
            hash[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
        }
        hash[28..].copy_from_slice(&number.to_be_bytes());
        artifacts.insert(Artifact::Fullfile(FileHash::from_bytes(hash)), meta(number as u8));
        let from = Version::new(number + 1);
        artifacts.insert(Artifact::Pack { bundle: BundleName::os_core(), from }, meta(number as u8));
    }
    let index = open(&bytes_of(&artifacts)).unwrap();
    assert_eq!(index.to_map().unwrap(), artifacts);
    for (artifact, meta) in &artifacts {
        assert_eq!(index.get(artifact).unwrap(), Some(*meta), "{artifact}");
    }
    for number in 5_000..5_200_u32 {
        let mut hash = [7; 32];
        hash[28..].copy_from_slice(&number.to_be_bytes());
        let from = Version::new(number + 1);
        let pack = Artifact::Pack { bundle: BundleName::os_core(), from };
        assert_eq!(index.get(&Artifact::Fullfile(FileHash::from_bytes(hash))).unwrap(), None);
        assert_eq!(index.get(&pack).unwrap(), None, "{pack}");
    }
}

#[test]
fn nothing_is_told_of_a_file_that_was_changed_in_place() {
    let artifacts = sample(200);
    let [fullfile, other] =
        [artifacts.keys().find(|at| matches!(at, Artifact::Fullfile(_))).unwrap(), &Artifact::Format];
    let whole = bytes_of(&artifacts);
    let changes: [&dyn Fn(&std::path::Path); 4] = [
        &|path| std::fs::write(path, bytes_of(&sample(199))).unwrap(),
        &|path| std::fs::File::options().write(true).open(path).unwrap().set_len(0).unwrap(),
        &|path| std::fs::File::options().write(true).open(path).unwrap().set_len(500).unwrap(),
        &|path| std::fs::File::options().append(true).open(path).and_then(|mut file| file.write_all(b"x")).unwrap(),
    ];
    for change in changes {
        let on_disk = IndexOnDisk::of(&artifacts);
        let mut entries = on_disk.index.iter();
        change(&on_disk.path);
        assert_changed(on_disk.index.get(fullfile));
        assert_changed(on_disk.index.get(other));
        assert_changed(entries.next().unwrap());
        assert!(entries.next().is_none(), "after an error nothing more comes");
        // Complete again it is another file, to be opened again.
        std::fs::write(&on_disk.path, &whole).unwrap();
        assert!(Index::open(&on_disk.path, release()).is_ok());
    }
}

#[test]
fn another_file_of_that_name_changes_nothing_for_who_has_it_open() {
    let artifacts = sample(200);
    let on_disk = IndexOnDisk::of(&artifacts);
    let next = on_disk.path.with_extension("next");
    std::fs::write(&next, bytes_of(&sample(3))).unwrap();
    std::fs::rename(&next, &on_disk.path).unwrap();
    assert_eq!(on_disk.index.to_map().unwrap(), artifacts);
    assert!(on_disk.index.is_unchanged() && on_disk.index.get(&Artifact::Format).unwrap().is_some());
}

#[test]
fn what_is_cached_is_found_without_waiting() {
    let artifacts = sample(200);
    let index = open(&bytes_of(&artifacts)).unwrap();
    // Just read, so that it is in memory; a file system that cannot tell says so.
    for (artifact, meta) in &artifacts {
        assert!(index.get_cached(artifact).is_none_or(|found| found.unwrap() == Some(*meta)));
    }
}

#[test]
fn what_is_no_file_is_no_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("20");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
    let opened = Index::open(&path, release());
    assert!(matches!(opened, Err(StoreError::IndexDamaged { source: IndexDamage::NotAFile, .. })), "{opened:?}");
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
    assert_eq!(open(&good[..good.len() - 1]).unwrap_err(), IndexDamage::Length);
    assert_eq!(open(&[&good[..], b"\n"].concat()).unwrap_err(), IndexDamage::Length);
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
    let mut twice = good.clone();
    twice.copy_within(last_hash - FULLFILE..last_hash, last_hash);
    assert_eq!(open(&with_new_checksum(twice)).unwrap_err(), IndexDamage::Order);
    let format = good.windows(6).position(|name| name == b"format").unwrap();
    assert_eq!(open(&with_new_checksum(changed(format + 5, b'l'))).unwrap_err(), IndexDamage::Order, "no artifact");
}

proptest! {
    /// With a right checksum, so that the checks after it have to find the damage.
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
            let artifacts = index.to_map().unwrap();
            prop_assert_eq!(artifacts.len() as u64, index.len());
            for (artifact, meta) in artifacts {
                prop_assert_eq!(index.get(&artifact).unwrap(), Some(meta));
            }
        }
    }
}

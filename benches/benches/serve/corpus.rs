//! What is served: a store made for the bench, with the sizes of real content.

use std::fs;
use std::path::PathBuf;

use clearwell_format::resource::{Artifact, ManifestName, Pointer};
use clearwell_format::{BundleName, FileHash, FormatNumber, Resource, Version};
use clearwell_store::{PointerSet, ReleaseRecord, Store};
use tempfile::TempDir;

/// The size of the corpus.
#[derive(Clone, Copy)]
pub(crate) enum Scale {
    Full,
    Smoke,
}

/// A store on disk, and the paths in it.
pub(crate) struct Corpus {
    folder: TempDir,
    /// Paths of small objects; 7 KiB in the mean.
    pub(crate) small: Vec<String>,
    /// Paths of manifests, some tens of KiB.
    pub(crate) manifests: Vec<String>,
    /// Paths of delta packs, some hundreds of KiB.
    pub(crate) packs: Vec<String>,
    /// Paths of large packs, and their size.
    pub(crate) large: Vec<String>,
    pub(crate) large_bytes: u64,
}

impl Corpus {
    pub(crate) fn make(scale: Scale) -> Self {
        let (small, large_bytes) = match scale {
            Scale::Full => (15_000, 64 << 20),
            Scale::Smoke => (200, 2 << 20),
        };
        // In the build folder, on a disk with enough space: files of a tmpfs are not read through the page cache.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder for the corpus");
        let store = Store::create(folder.path().join("store")).expect("a new store");
        let version = Version::new(20).expect("a version");
        let format = FormatNumber::new(30).expect("a format");
        let mut random = Random(1);
        let mut corpus = Self { folder, small: vec![], manifests: vec![], packs: vec![], large: vec![], large_bytes };
        let mut writer = store.writer("bench").expect("the only writer");
        {
            let draft = writer.draft(version, "bench").expect("a new release");
            let put = |artifact: Artifact, bytes: Vec<u8>| {
                draft.put(&artifact, &bytes).expect("room on the disk");
                format!("/{}", Resource::of(version, artifact))
            };
            for _ in 0..small {
                let mut hash = [0; 32];
                hash.fill_with(|| random.next() as u8);
                let size = random.small_size();
                let path = put(Artifact::Fullfile(FileHash::from_bytes(hash)), random.bytes(size));
                corpus.small.push(path);
            }
            for at in 0..60 {
                let bundle: BundleName = format!("bundle-{at}").parse().expect("a name");
                let size = 4096 + random.below(60_000);
                let manifest = Artifact::ManifestTar(ManifestName::Bundle(bundle.clone()));
                corpus.manifests.push(put(manifest, random.bytes(size)));
                let size = 20_000 + random.below(600_000);
                let pack = Artifact::Pack { bundle, from: Version::new(10) };
                corpus.packs.push(put(pack, random.bytes(size)));
            }
            for at in 0..4 {
                let bundle = format!("large-{at}").parse().expect("a name");
                let pack = Artifact::Pack { bundle, from: None };
                corpus.large.push(put(pack, random.bytes(large_bytes as usize)));
            }
            let prepared = draft.prepare(ReleaseRecord::new(version, format, 1_700_000_000));
            prepared.expect("what was put").release().expect("a release");
        }
        let set =
            PointerSet::from([(Pointer::Latest(format), b"20".to_vec()), (Pointer::LatestVersion, b"20".to_vec())]);
        writer.publish(&set).expect("a pointer");
        corpus.tls_pair();
        corpus
    }

    /// An ECDSA certificate that both servers use.
    fn tls_pair(&self) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        fs::write(self.path("tls.pem"), made.cert.pem()).expect("room on the disk");
        fs::write(self.path("tls.key"), made.signing_key.serialize_pem()).expect("room on the disk");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Pseudo-random numbers, the same in each run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.next() as usize % limit
    }

    pub(crate) fn of<'a>(&mut self, list: &'a [String]) -> &'a str {
        &list[self.below(list.len())]
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        bytes.chunks_mut(4).for_each(|chunk| chunk.copy_from_slice(&(self.next() as u32).to_le_bytes()[..chunk.len()]));
        bytes
    }

    /// Half below 3 KiB, few above 32.
    fn small_size(&mut self) -> usize {
        match self.below(20) {
            0..12 => 200 + self.below(3000),
            12..18 => 3000 + self.below(14_000),
            _ => 15_000 + self.below(45_000),
        }
    }
}

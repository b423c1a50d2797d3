//! A store with packs of chosen sizes, for attacks on the handling of large files.

use std::fs;
use std::path::{Path, PathBuf};

use clearwell_format::Resource;
use clearwell_format::resource::Artifact;
use clearwell_testkit::{SampleStore, sample_store};
use tempfile::TempDir;

use crate::run::Server;

/// The sample store of the testkit, with additional packs of random bytes in its release 20.
pub(crate) struct Packs {
    folder: TempDir,
    sample: SampleStore,
}

/// A pack: its path in URLs, and its bytes.
pub(crate) struct Pack {
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
    file: PathBuf,
}

impl Packs {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { sample: sample_store(&folder.path().join("store")), folder }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// Adds a pack of each size in bytes.
    pub(crate) fn add(&self, sizes: &[usize]) -> Vec<Pack> {
        let release = &self.sample.releases[1];
        let mut writer = self.sample.store.writer("test").unwrap();
        let draft = writer.extend(release.version).unwrap();
        let packs = sizes.iter().enumerate().map(|(at, size)| {
            let artifact = Artifact::from_path(&format!("pack-noise{at}-from-15.tar")).unwrap();
            let bytes = noise(at as u64, *size);
            draft.put(&artifact, &bytes[..]).unwrap();
            let resource = Resource::of(release.version, artifact);
            Pack { path: format!("/{resource}"), bytes, file: self.dir().join(format!("store/content/{resource}")) }
        });
        let packs = packs.collect();
        draft.prepare(release.record()).unwrap().release().unwrap();
        packs
    }

    pub(crate) fn serve(&self, more: &[&str]) -> Server {
        let base = ["--drain-grace-seconds", "0", "--access-log", "off"];
        Server::start(self.dir(), "store", &[&base, more].concat())
    }
}

impl Pack {
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Restores the bytes of the file, in a new inode.
    pub(crate) fn restore(&self) {
        self.replace(&self.bytes);
    }

    /// Replaces the file by another one.
    pub(crate) fn replace(&self, bytes: &[u8]) {
        let scratch = self.file.with_extension("new");
        fs::write(&scratch, bytes).unwrap();
        fs::rename(scratch, &self.file).unwrap();
    }
}

/// Incompressible bytes, the same in each run.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed + 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(&mut next).take(length.div_ceil(8)).flatten().collect();
    bytes.truncate(length);
    bytes
}

//! A published tree as mixer leaves it: plain files without a store.

use std::fs;
use std::path::{Path, PathBuf};

use clearwell_format::{Resource, Version};
use clearwell_store::PointerSet;

use crate::TestRelease;
use crate::sample::sample_releases;
use crate::signing::pointers;

/// A `www` folder.
pub struct Www {
    /// The folder.
    pub root: PathBuf,
}

/// Releases 10 and 20 of [`sample_releases`] below `root`, with pointers that name 20.
pub fn sample_www(root: &Path) -> Www {
    let www = Www { root: root.to_owned() };
    for release in &sample_releases() {
        www.add(release);
        www.point(&pointers(release.mom.header.format, release.version));
    }
    www
}

impl Www {
    /// Adds a release, and the other folders and files that mixer makes.
    pub fn add(&self, release: &TestRelease) {
        for (artifact, bytes) in &release.artifacts {
            self.write(&Resource::of(release.version, artifact.clone()), bytes);
        }
        fs::create_dir_all(self.root.join(format!("{}/delta", release.version))).unwrap();
        fs::create_dir_all(self.root.join("0")).unwrap();
        fs::write(self.root.join(format!("{}/mixer-src-version", release.version)), "6.2.1").unwrap();
    }

    /// Writes pointers.
    pub fn point(&self, set: &PointerSet) {
        for (pointer, bytes) in set {
            self.write(&Resource::Pointer(*pointer), bytes);
        }
    }

    /// Where a file of a release is.
    pub fn path(&self, version: u32, file: &str) -> PathBuf {
        let version = Version::new(version).unwrap();
        self.root.join(format!("{version}/{file}"))
    }

    /// Writes one file.
    pub fn write(&self, resource: &Resource, bytes: &[u8]) {
        let path = self.root.join(resource.to_string());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

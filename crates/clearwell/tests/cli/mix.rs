//! A mix in a temporary folder, and the parts of it that must not change.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::run::{Ended, clearwell, run};

/// A folder with bundle trees, `clearwell.toml`, and the key and certificate of the testkit. The store comes with the
/// first build.
pub(crate) struct Mix {
    dir: TempDir,
}

impl Mix {
    /// os-core and `editor`, which includes `libs`.
    pub(crate) fn new() -> Self {
        // On a disk most of the time of these tests would go into waiting for it to sync.
        Self::below(Path::new("/dev/shm")).unwrap_or_else(|_| Self::on_disk())
    }

    /// As [`Mix::new`], in the usual folder for temporary files.
    pub(crate) fn on_disk() -> Self {
        Self::below(&std::env::temp_dir()).unwrap()
    }

    fn below(folder: &Path) -> io::Result<Self> {
        // Content has the modes that files usually have, for any user who runs the tests.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let mix = Self { dir: tempfile::tempdir_in(folder)? };
        mix.put("clearwell.toml", CONFIG);
        mix.put("Swupd_Root.pem", clearwell_testkit::signer().anchor().pem());
        mix.put("private.pem", clearwell_testkit::key_pem());
        mix.put("trees/bundles.toml", BUNDLES);
        mix.put("trees/os-core/usr/bin/hello", "#!/bin/sh\necho hello\n");
        mix.put("trees/os-core/usr/share/text", "a line of the base system\n".repeat(300));
        mix.put("trees/libs/usr/lib/libedit.so", "a library\n".repeat(900));
        mix.put("trees/editor/usr/bin/edit", "#!/bin/sh\necho editing\n");
        Ok(mix)
    }

    /// With release 10 published.
    pub(crate) fn released() -> Self {
        let mix = Self::new();
        mix.build(&["--version", "10"]).expect(0);
        mix
    }

    /// With release 10 published and something to release after it.
    pub(crate) fn changed() -> Self {
        let mix = Self::released();
        mix.change("changed");
        mix
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.dir().join(path)
    }

    /// Writes a file and the folders above it.
    pub(crate) fn put(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Changes a file of os-core.
    pub(crate) fn change(&self, to: &str) {
        self.put("trees/os-core/usr/share/text", to.repeat(400));
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        run(self.dir(), args)
    }

    pub(crate) fn build(&self, args: &[&str]) -> Ended {
        self.run(&[&["build"], args].concat())
    }

    /// Runs with one more variable in the environment.
    pub(crate) fn run_with(&self, name: &str, value: impl AsRef<OsStr>, args: &[&str]) -> Ended {
        Ended::of(clearwell(self.dir(), args).env(name, value))
    }

    /// What endpoints and later builds depend on: everything that was released or published.
    pub(crate) fn kept(&self) -> Kept {
        Kept::of(&self.path("store"))
    }

    /// The releases as `clearwell releases --json` lists them.
    pub(crate) fn releases(&self) -> Value {
        self.run(&["releases", "--store", "store", "--json"]).expect(0).json()["releases"].take()
    }

    /// The version that endpoints see.
    pub(crate) fn newest(&self) -> Option<u64> {
        let points = |line: &Value| line["pointers"].as_array().unwrap().contains(&"latest_version".into());
        self.releases()
            .as_array()
            .unwrap()
            .iter()
            .find(|line| points(line))
            .map(|line| line["version"].as_u64().unwrap())
    }

    /// An endpoint takes the newest release, and updates to it from these.
    #[track_caller]
    pub(crate) fn verify(&self, from: &str) {
        let args = ["verify", "--store", "store", "--cert", "Swupd_Root.pem", "--retry-seconds", "0"];
        let from = if from.is_empty() { vec![] } else { vec!["--from", from] };
        self.run(&[&args[..], &from].concat()).expect(0);
    }

    /// The command fails with this code and one error that says all of `says`; JSON says the same; nothing that was
    /// released or published has changed, and an endpoint can install it.
    #[track_caller]
    pub(crate) fn refuses(&self, args: &[&str], code: i32, says: &[&str]) -> Ended {
        let before = self.kept();
        let ended = self.run(&[args, &["--json"]].concat()).expect(code).says(says);
        let document = ended.json();
        assert_eq!(document["exit"], code);
        // Of an invalid command line, JSON has the first line.
        let error = ended.error();
        let error = if document["exit"] == 2 && error.contains("try '--help'") {
            error.lines().next().unwrap()
        } else {
            &error
        };
        assert_eq!(document["error"], error);
        before.assert_same(&self.kept());
        if !before.0.is_empty() {
            self.verify("");
        }
        ended
    }
}

/// Every released file, index, record and pointer of a store, by path.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Kept(pub(crate) BTreeMap<PathBuf, Vec<u8>>);

impl Kept {
    pub(crate) fn of(store: &Path) -> Self {
        let mut files = BTreeMap::new();
        for part in ["content", "meta/releases", "meta/index"] {
            collect(&store.join(part), store, &mut files);
        }
        Self(files)
    }

    /// Everything else, too.
    pub(crate) fn of_all(store: &Path) -> Self {
        let mut files = BTreeMap::new();
        collect(store, store, &mut files);
        Self(files)
    }

    #[track_caller]
    pub(crate) fn assert_same(&self, after: &Self) {
        for (path, bytes) in &self.0 {
            assert_eq!(after.0.get(path), Some(bytes), "{} changed or is gone", path.display());
        }
        let new: Vec<_> = after.0.keys().filter(|path| !self.0.contains_key(*path)).collect();
        assert!(new.is_empty(), "these are new: {new:?}");
    }

    /// Only the paths that `keep` wants.
    pub(crate) fn only(mut self, keep: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|path, _| keep(&path.to_string_lossy()));
        self
    }
}

fn collect(place: &Path, store: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let Ok(metadata) = place.symlink_metadata() else { return };
    let name = place.strip_prefix(store).unwrap().to_owned();
    if metadata.is_dir() {
        for entry in fs::read_dir(place).unwrap() {
            collect(&entry.unwrap().path(), store, files);
        }
    } else if metadata.is_symlink() {
        files.insert(name, fs::read_link(place).unwrap().into_os_string().into_encoded_bytes());
    } else {
        files.insert(name, fs::read(place).unwrap());
    }
}

const CONFIG: &str = "store = \"store\"\ntrees = \"trees\"\ncertificate = \"Swupd_Root.pem\"\nkey = \"private.pem\"\n";

/// Files belong to root for any user who runs the tests.
pub(crate) const BUNDLES: &str =
    "owner = \"root\"\n[bundles.os-core]\n[bundles.libs]\n[bundles.editor]\nincludes = [\"libs\"]\n";

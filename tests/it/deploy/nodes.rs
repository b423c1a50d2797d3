//! Two nodes with separate stores that get the same releases one after another.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use clearwell_format::Version;
use clearwell_format::resource::Artifact;
use clearwell_store::{PointerSet, Store};
use clearwell_testkit::{ReleaseBuilder, TestObject, TestRelease, key_pem, pointers, signer};
use tempfile::TempDir;

use crate::connection::Connection;
use crate::daemon::free_address;
use crate::run::{Server, clearwell, run};
use crate::shipped::Shipped;
use crate::wait::until;

/// The large artifact of release 10: several pieces for a cache that has pieces.
pub(crate) const PACK: &str = "/10/pack-os-core-from-5.tar";
const PACK_BYTES: u32 = 9_000_000;

/// How long the nodes differ: many pairs of pointers are read meanwhile.
const BETWEEN_NODES: Duration = Duration::from_millis(700);

/// Stores that get the same releases, in a folder with the certificate and key that sign them.
pub(crate) struct Stores {
    folder: TempDir,
    last: Mutex<TestRelease>,
    /// Signed once, as stores of nodes are copies: the time of signing is a part of the signature.
    pointers: Mutex<BTreeMap<Version, PointerSet>>,
}

impl Stores {
    /// `number` stores with release 10, published.
    pub(crate) fn create(number: usize) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let mut first = release(10, None);
        let pack = (0..PACK_BYTES).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        first.artifacts.insert(Artifact::from_path("pack-os-core-from-5.tar").unwrap(), pack);
        let stores = Self { folder, last: Mutex::new(first.clone()), pointers: Mutex::default() };
        fs::write(stores.certificate(), signer().anchor().pem()).unwrap();
        fs::write(stores.path("private.pem"), key_pem()).unwrap();
        for store in 0..number {
            Store::create(stores.store(store)).unwrap();
            stores.release(store, &first);
            stores.publish(store, &first);
        }
        stores
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn store(&self, number: usize) -> PathBuf {
        self.path(&format!("store-{number}"))
    }

    /// What endpoints trust.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.path("Swupd_Root.pem")
    }

    /// The newest release.
    pub(crate) fn last(&self) -> MutexGuard<'_, TestRelease> {
        self.last.lock().unwrap()
    }

    /// The next release, in no store so far.
    pub(crate) fn next(&self) -> TestRelease {
        let mut last = self.last();
        *last = release(last.version.number() + 10, Some(&last));
        last.clone()
    }

    /// Puts a release into a store; pointers stay.
    pub(crate) fn release(&self, store: usize, release: &TestRelease) {
        release.release_in(&mut Store::open(self.store(store)).unwrap().writer("test").unwrap());
    }

    /// Moves the pointers of a store.
    pub(crate) fn publish(&self, store: usize, release: &TestRelease) {
        let mut signed = self.pointers.lock().unwrap();
        let signed =
            signed.entry(release.version).or_insert_with(|| pointers(release.mom.header.format, release.version));
        Store::open(self.store(store)).unwrap().writer("test").unwrap().publish(signed).unwrap();
    }

    /// Adds an artifact to a release of a store.
    pub(crate) fn add(&self, store: usize, release: &TestRelease, name: &str, bytes: &[u8]) {
        let store = Store::open(self.store(store)).unwrap();
        let mut writer = store.writer("test").unwrap();
        let draft = writer.extend(release.version).unwrap();
        draft.put(&Artifact::from_path(name).unwrap(), bytes).unwrap();
        draft.prepare(release.record()).unwrap().release().unwrap();
    }

    /// The path of a fullfile of the newest release.
    pub(crate) fn fullfile(&self) -> String {
        let release = self.last();
        let is_fullfile = |artifact: &&Artifact| matches!(artifact, Artifact::Fullfile(_));
        format!("/{}/{}", release.version, release.artifacts.keys().find(is_fullfile).unwrap())
    }

    /// `clearwell retract` of the newest release.
    pub(crate) fn retract(&self, store: usize) {
        let version = self.last().version.to_string();
        let store = format!("store-{store}");
        let keys = ["--cert", "Swupd_Root.pem", "--key", "private.pem"];
        run(self.folder.path(), &[&["retract", &version, "--store", &store], &keys[..]].concat()).expect(0);
    }
}

/// The nodes.
pub(crate) struct Nodes {
    pub(crate) stores: Stores,
    pub(crate) addresses: [SocketAddr; 2],
    /// Connections begin with the PROXY protocol.
    is_proxied: bool,
    running: [Mutex<Option<Server>>; 2],
}

impl Nodes {
    /// Nodes that serve stores with release 10, configured by `config` with their address.
    pub(crate) fn start(config: impl Fn(SocketAddr) -> Shipped) -> Self {
        let mut nodes = Self {
            stores: Stores::create(2),
            addresses: [free_address(), free_address()],
            is_proxied: false,
            running: [Mutex::default(), Mutex::default()],
        };
        for node in 0..2 {
            let file = nodes.stores.path(&format!("node-{node}.toml"));
            config(nodes.addresses[node]).write(&file);
            nodes.is_proxied |= fs::read_to_string(file).unwrap().contains(" proxy-protocol");
            nodes.launch(node);
        }
        nodes
    }

    /// Starts a node at its address.
    pub(crate) fn launch(&self, node: usize) {
        let (store, config, log) =
            (format!("store-{node}"), format!("node-{node}.toml"), format!("node-{node}.access"));
        let serve = ["serve", "--json", "--store", &store, "--config", &config, "--admin", "127.0.0.1:0"];
        let logged = ["--access-log", "full", "--access-log-format", "combined", "--access-log-file", &log];
        let server = Server::start_by(clearwell(self.folder(), &[&serve[..], &logged].concat()));
        *self.running[node].lock().unwrap() = Some(server);
    }

    fn folder(&self) -> &Path {
        self.stores.folder.path()
    }

    /// Ends a node as an init system does; returns when it has drained.
    pub(crate) fn stop(&self, node: usize) {
        let server = self.running[node].lock().unwrap().take().unwrap();
        server.running.terminate();
        assert!(server.running.wait().success());
    }

    /// Ends a node, and starts it again at the same address.
    pub(crate) fn restart(&self, node: usize) {
        self.stop(node);
        self.launch(node);
    }

    /// Restarts one node after the other, each once a proxy says that the one before is up again.
    pub(crate) fn roll(&self, is_up: impl Fn(usize) -> bool) {
        for node in 0..2 {
            until(|| is_up(0) && is_up(1));
            self.restart(node);
        }
        until(|| is_up(0) && is_up(1));
    }

    /// Publishes four releases on both nodes, on the second one some time after the first: twice the content comes last
    /// as well, which is the wrong order.
    pub(crate) fn publish_one_after_another(&self) {
        for number in 0..4 {
            let next = self.stores.next();
            let first = number % 2;
            let second = 1 - first;
            self.stores.release(first, &next);
            if number < 2 {
                self.stores.release(second, &next);
            }
            self.stores.publish(first, &next);
            std::thread::sleep(BETWEEN_NODES);
            if number >= 2 {
                self.stores.release(second, &next);
            }
            self.stores.publish(second, &next);
            std::thread::sleep(BETWEEN_NODES);
        }
    }

    /// A connection to a node without a proxy.
    pub(crate) fn connect(&self, node: usize) -> Connection {
        let preface = if self.is_proxied { "PROXY UNKNOWN\r\n" } else { "" };
        Connection::open_with(self.addresses[node], preface)
    }

    /// The access logs of both.
    pub(crate) fn logs(&self) -> String {
        (0..2).map(|node| fs::read_to_string(self.stores.path(&format!("node-{node}.access"))).unwrap()).collect()
    }
}

/// A release whose files change in each version or less often.
fn release(number: u32, previous: Option<&TestRelease>) -> TestRelease {
    let text = |name: &str, version: u32| TestObject::file(name, format!("{name} of {version}\n").repeat(40));
    let tracking = |bundle: &str| TestObject::file(&format!("/usr/share/clear/bundles/{bundle}"), "");
    let folders = [
        "/usr",
        "/usr/lib",
        "/usr/share",
        "/usr/share/clear",
        "/usr/share/clear/bundles",
        "/usr/share/defaults",
        "/usr/share/defaults/swupd",
    ];
    let mut core: Vec<TestObject> = folders.into_iter().map(TestObject::directory).collect();
    core.push(TestObject::file("/usr/lib/os-release", format!("VERSION_ID={number}\n")));
    core.push(TestObject::file("/usr/share/defaults/swupd/format", "30\n"));
    core.push(TestObject::file("/usr/share/clear/versionstamp", "1700000000"));
    core.extend([text("/usr/always", number), tracking("os-core")]);
    let mut editor: Vec<TestObject> =
        (0..12).map(|file| text(&format!("/usr/file-{file:02}"), number / (10 * (1 + file)))).collect();
    editor.push(tracking("editor"));
    ReleaseBuilder::new(number, previous).bundle("os-core", &[], core).bundle("editor", &["os-core"], editor).build()
}

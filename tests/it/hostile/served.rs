//! A store served by the binary, and the memory of that process.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use clearwell_format::resource::Artifact;
use clearwell_store::Store;
use clearwell_testkit::sample_store;
use tempfile::TempDir;

use crate::metrics::metric;
use crate::run::Server;
use crate::wait::until;

/// The longest wait for bytes.
const LIMIT: Duration = Duration::from_secs(60);

/// The sample store and a server for it.
pub(crate) struct Served {
    pub(crate) server: Server,
    _folder: TempDir,
}

impl Served {
    /// Serves the sample with additional `packs` in its newest release, under these names, with these options.
    pub(crate) fn start(packs: &[(&str, &[u8])], options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("store");
        let sample = sample_store(&root);
        let newest = &sample.releases[1];
        let mut writer = Store::open(&root).unwrap().writer("test").unwrap();
        for (name, bytes) in packs {
            let draft = writer.extend(newest.version).unwrap();
            draft.put(&Artifact::from_path(name).unwrap(), bytes).unwrap();
            draft.prepare(newest.record()).unwrap().release().unwrap();
        }
        drop(writer);
        let server = Server::start(folder.path(), "store", options);
        Self { server, _folder: folder }
    }

    /// Status and body of a response without TLS.
    pub(crate) fn get(&self, path: &str) -> (u16, Vec<u8>) {
        get(&self.server.listen, path)
    }

    /// Current resident memory of the process in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.running.id().as_raw_nonzero())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_ascii_whitespace().next().unwrap().parse().unwrap()
    }

    /// The same, once it has been stable for a while.
    pub(crate) fn settled_kib(&self) -> u64 {
        let (mut settled, mut since) = (self.resident_kib(), Instant::now());
        until(|| {
            let now = self.resident_kib();
            if now.abs_diff(settled) > 256 {
                (settled, since) = (now, Instant::now());
            }
            since.elapsed() > Duration::from_millis(400)
        });
        settled
    }

    /// Waits until a metric has a value.
    pub(crate) fn wait_for_metric(&self, name: &str, value: u64) {
        until(|| metric(&self.server, name) == value);
    }
}

fn get(address: &str, path: &str) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
    (status, answer.split_off(end + 4))
}

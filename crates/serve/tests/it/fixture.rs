//! A store that is served, in memory or over sockets.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use clearwell_format::resource::{Artifact, Pointer};
use clearwell_format::{FormatNumber, Resource, Version};
use clearwell_serve::config::{AccessLog, Listen};
use clearwell_serve::{Connection, Running, ServeConfig, Server, Site};
use clearwell_store::Store;
use clearwell_testkit::{ReleaseBuilder, SampleStore, TestObject, TestRelease, pointers, sample_store};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use tempfile::TempDir;

use crate::client::Client;

/// The sample store in a temporary folder.
pub(crate) struct Fixture {
    pub(crate) sample: SampleStore,
    folder: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        // In a short path, which names of sockets need.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Self { sample: sample_store(&folder.path().join("store")), folder }
    }

    /// Another reader of the store, as a server in another process is.
    pub(crate) fn store(&self) -> Store {
        Store::open(self.folder.path().join("store")).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn site(&self) -> Site {
        Site::open(config(), self.store()).unwrap()
    }

    pub(crate) async fn serve(&self) -> Running {
        self.serve_with(config()).await
    }

    pub(crate) async fn serve_with(&self, config: ServeConfig) -> Running {
        Server::bind(config, self.store()).await.unwrap()
    }

    pub(crate) fn newest(&self) -> &TestRelease {
        &self.sample.releases[1]
    }

    /// Releases and publishes `version` on top of 20.
    pub(crate) fn publish(&self, version: u32) -> TestRelease {
        let release = self.stage(version);
        self.point_to(version);
        release
    }

    /// Releases `version` on top of 20; pointers stay.
    pub(crate) fn stage(&self, version: u32) -> TestRelease {
        let text = format!("VERSION_ID={version}\n");
        let release = ReleaseBuilder::new(version, Some(self.newest()))
            .bundle("os-core", &[], vec![TestObject::directory("/usr"), TestObject::file("/usr/os-release", text)])
            .build();
        release.release_in(&mut self.store().writer("test").unwrap());
        release
    }

    pub(crate) fn point_to(&self, version: u32) {
        let set = pointers(FormatNumber::new(30).unwrap(), Version::new(version).unwrap());
        self.store().writer("test").unwrap().publish(&set).unwrap();
    }

    /// Moves the staging channel alone.
    pub(crate) fn stage_to(&self, version: u32) {
        let all = pointers(FormatNumber::new(30).unwrap(), Version::new(version).unwrap());
        let of = |pointer| all[&pointer].clone();
        let set = [
            (Pointer::Staging, of(Pointer::LatestVersion)),
            (Pointer::StagingSignature, of(Pointer::LatestVersionSignature)),
        ];
        self.store().writer("test").unwrap().publish(&set.into()).unwrap();
    }

    /// Adds an artifact to release 20.
    pub(crate) fn extend(&self, artifact: &Artifact, bytes: &[u8]) {
        self.extend_with([(artifact.clone(), bytes)]);
    }

    /// Adds artifacts to release 20.
    pub(crate) fn extend_with<'a>(&self, artifacts: impl IntoIterator<Item = (Artifact, &'a [u8])>) {
        let store = self.store();
        let mut writer = store.writer("test").unwrap();
        let draft = writer.extend(self.newest().version).unwrap();
        for (artifact, bytes) in artifacts {
            draft.put(&artifact, bytes).unwrap();
        }
        draft.prepare(self.newest().record()).unwrap().release().unwrap();
    }

    /// Path and bytes of some artifact of release 20.
    pub(crate) fn artifact(&self, matches: impl Fn(&Artifact) -> bool) -> (String, &[u8]) {
        let (artifact, bytes) = self.newest().artifacts.iter().find(|(artifact, _)| matches(artifact)).unwrap();
        (format!("/{}", Resource::of(self.newest().version, artifact.clone())), bytes)
    }

    /// An object too large for the memory cache.
    pub(crate) fn large(&self) -> (String, &[u8]) {
        let (path, bytes) = self.artifact(|artifact| artifact.to_string() == "pack-editor-from-0.tar");
        assert!(bytes.len() > 100_000, "the pack of noise is large");
        (path, bytes)
    }

    /// An object that fits there.
    pub(crate) fn small(&self) -> (String, &[u8]) {
        let (path, bytes) = self.artifact(|artifact| artifact.to_string() == "Manifest.editor.tar");
        assert!(bytes.len() < 60_000);
        (path, bytes)
    }

    /// Where an artifact of release 20 is on disk.
    pub(crate) fn file_of(&self, path: &str) -> PathBuf {
        self.path("store/content").join(path.trim_start_matches('/'))
    }
}

/// Loopback, ports of the system's choice, no waiting at the end.
pub(crate) fn config() -> ServeConfig {
    ServeConfig {
        listen: loopback(),
        admin: loopback(),
        access_log: AccessLog::Full,
        drain_grace_seconds: 0,
        ..ServeConfig::default()
    }
}

pub(crate) fn loopback() -> Listen {
    Listen::at(SocketAddr::from(([127, 0, 0, 1], 0)))
}

pub(crate) const fn seconds(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

pub(crate) async fn connect(running: &Running) -> Client<tokio::net::TcpStream> {
    Client::connect(running.addr().unwrap()).await
}

pub(crate) async fn connect_admin(running: &Running) -> Client<tokio::net::TcpStream> {
    Client::connect(running.admin_addr().unwrap()).await
}

/// Waits until the metrics have `line`. The clients' own time limits bound it.
pub(crate) async fn wait_for_metric(running: &Running, line: &str) {
    tokio::time::timeout(crate::client::LIMIT, async {
        while !running.site().metrics().expose().lines().any(|found| found == line) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("no {line} in\n{}", running.site().metrics().expose()));
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// A connection to a site without sockets.
pub(crate) struct InMemory<'s> {
    site: &'s Site,
    connection: Arc<Connection>,
}

impl<'s> InMemory<'s> {
    pub(crate) fn new(site: &'s Site) -> Self {
        Self { site, connection: Arc::new(Connection::new(None)) }
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let (head, body) = self.site.answer(&self.connection, &request).await.into_parts();
        Answer { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }

    pub(crate) async fn status(&self, path: &str) -> u16 {
        self.get(path).await.status.as_u16()
    }
}

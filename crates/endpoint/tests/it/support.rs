//! Test setup for endpoints: content in memory behind a probe, and a root in a temporary folder.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use clearwell_endpoint::source::{Answer, Body, Method, Probe, Request, Response, Source};
use clearwell_endpoint::{Endpoint, EndpointOptions, Problem, Report, Retry, Root};
use clearwell_format::archive::{Codec, TarWriter};
use clearwell_format::pack::DeltaName;
use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, FormatNumber, Owner, Resource, Version};
use clearwell_testkit::{ReleaseBuilder, TestObject, TestRelease, pointers, signer};

/// A public tree in memory. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Content(pub(crate) Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Content {
    pub(crate) fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.0.lock().unwrap().insert(path.to_owned(), bytes.into());
    }

    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        self.0.lock().unwrap().get(path).cloned().unwrap_or_else(|| panic!("{path} is not published"))
    }

    /// Removes everything whose path contains `part`.
    pub(crate) fn remove(&self, part: &str) {
        let mut files = self.0.lock().unwrap();
        let before = files.len();
        files.retain(|path, _| !path.contains(part));
        assert!(files.len() < before, "nothing is called {part}");
    }

    pub(crate) fn publish(&self, release: &TestRelease) {
        for (artifact, bytes) in &release.artifacts {
            self.put(&Resource::of(release.version, artifact.clone()).to_string(), bytes.clone());
        }
    }

    pub(crate) fn point(&self, format: u16, version: u32) {
        for (pointer, bytes) in pointers(FormatNumber::new(format).unwrap(), Version::new(version).unwrap()) {
            self.put(&Resource::Pointer(pointer).to_string(), bytes);
        }
    }
}

impl Source for Content {
    fn send(&self, request: Request) -> Answer<'_> {
        Box::pin(async move {
            let Some(bytes) = self.0.lock().unwrap().get(&request.target.to_string()).cloned() else {
                return Ok(Response::empty(404));
            };
            let length = Some(bytes.len() as u64);
            if request.method == Method::Head {
                return Ok(Response { status: 200, length, body: Body::empty() });
            }
            match request.from_byte {
                None => Ok(Response { status: 200, length, body: Bytes::from(bytes).into() }),
                Some(start) if start >= bytes.len() as u64 => Ok(Response::empty(416)),
                Some(start) => {
                    let rest = Bytes::from(bytes).slice(usize::try_from(start).unwrap()..);
                    Ok(Response { status: 206, length: Some(rest.len() as u64), body: rest.into() })
                }
            }
        })
    }
}

/// Content, the requests for it, and an endpoint.
pub(crate) struct World {
    pub(crate) content: Content,
    pub(crate) probe: Probe,
    pub(crate) endpoint: Endpoint,
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    /// An empty endpoint in a folder, which trusts the test key and retries immediately.
    pub(crate) fn new(content: Content) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Root::folder(folder.path());
        Self::with(content, place, folder, |_| {})
    }

    pub(crate) fn simulated(content: Content) -> Self {
        Self::with(content, Root::Simulated, tempfile::tempdir().unwrap(), |_| {})
    }

    pub(crate) fn with(
        content: Content,
        place: Root,
        folder: tempfile::TempDir,
        set: impl FnOnce(&mut EndpointOptions),
    ) -> Self {
        let probe = Probe::new(Arc::new(content.clone()));
        let mut options = options();
        set(&mut options);
        let endpoint = Endpoint::open(Arc::new(probe.clone()), place, options).unwrap();
        Self { content, probe, endpoint, folder }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub(crate) fn read(&self, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.root().join(path.trim_start_matches('/'))).ok()
    }

    pub(crate) async fn install(&mut self, version: u32, bundles: &[&str]) -> Report {
        self.endpoint.install(Version::new(version), &names(bundles)).await.unwrap()
    }

    /// Installs, and forgets the requests.
    pub(crate) async fn installed(mut self, version: u32, bundles: &[&str]) -> Self {
        let report = self.install(version, bundles).await;
        assert_eq!(report.exit_code.code(), 0, "{:?}", report.problems);
        self.probe.take_log();
        self
    }

    pub(crate) async fn update(&mut self) -> Report {
        self.endpoint.update(None).await.unwrap()
    }

    pub(crate) async fn add(&mut self, bundles: &[&str]) -> Report {
        self.endpoint.bundle_add(&names(bundles)).await.unwrap()
    }

    pub(crate) async fn remove(&mut self, bundles: &[&str]) -> Report {
        self.endpoint.bundle_remove(&names(bundles)).await.unwrap()
    }
}

pub(crate) fn options() -> EndpointOptions {
    EndpointOptions {
        trust: Some(signer().anchor().clone().into()),
        retry: Retry::AT_ONCE,
        ..EndpointOptions::new(FormatNumber::new(30).unwrap())
    }
}

pub(crate) fn names(bundles: &[&str]) -> Vec<BundleName> {
    bundles.iter().map(|name| name.parse().unwrap()).collect()
}

/// The kinds of the problems, as JSON has them.
pub(crate) fn problem_names(report: &Report) -> Vec<&'static str> {
    let word = |problem: &Problem| serde_json::to_value(problem.kind()).unwrap().as_str().unwrap().to_owned();
    report.problems.iter().map(|problem| &*word(problem).leak()).collect()
}

/// The folders and files that every sample os-core has; `/usr/lib/os-release` says the version.
pub(crate) fn core(version: u32) -> Vec<TestObject> {
    let folders =
        ["/etc", "/usr", "/usr/bin", "/usr/lib", "/usr/share", "/usr/share/clear", "/usr/share/clear/bundles"];
    let mut objects: Vec<_> = folders.into_iter().map(TestObject::directory).collect();
    objects.push(TestObject::file("/usr/lib/os-release", format!("VERSION_ID={version}\n")));
    objects.push(tracking("os-core"));
    objects
}

pub(crate) fn tracking(bundle: &str) -> TestObject {
    TestObject::file(&format!("/usr/share/clear/bundles/{bundle}"), "")
}

/// A bundle of `count` files that change with `edition`.
pub(crate) fn files(bundle: &str, count: usize, edition: &str) -> Vec<TestObject> {
    let text = |number| format!("{bundle} {number}, {edition} edition\n").repeat(20);
    let mut objects: Vec<_> =
        (0..count).map(|number| TestObject::file(&format!("/usr/lib/{bundle}-{number:02}"), text(number))).collect();
    objects.push(tracking(bundle));
    objects
}

/// The releases of client behaviour §3: bundles big, ex, os-core, small; all but ex change from 10 to 30.
pub(crate) fn four_bundles() -> Content {
    let first = ReleaseBuilder::new(10, None)
        .bundle("os-core", &[], core(10))
        .bundle("big", &["os-core"], files("big", 12, "first"))
        .bundle("ex", &["os-core"], files("ex", 3, "only"))
        .bundle("small", &["os-core"], files("small", 2, "first"))
        .build();
    let second = ReleaseBuilder::new(30, Some(&first))
        .bundle("os-core", &[], core(30))
        .bundle("big", &["os-core"], files("big", 12, "second"))
        .bundle("ex", &["os-core"], files("ex", 3, "only"))
        .bundle("small", &["os-core"], files("small", 2, "second"))
        .build();
    let content = Content::default();
    content.publish(&first);
    content.publish(&second);
    content.point(30, 30);
    add_delta_manifests(&content, &first, &second);
    content
}

/// Deltas between the manifests of the bundles that changed.
pub(crate) fn add_delta_manifests(content: &Content, old: &TestRelease, new: &TestRelease) {
    for (bundle, manifest) in &new.manifests {
        let Some(before) = old.manifests.get(bundle).filter(|before| before.header.version < manifest.header.version)
        else {
            continue;
        };
        let artifact = Artifact::DeltaManifest { bundle: bundle.clone(), from: before.header.version };
        let delta = plain_delta(&before.to_bytes(), &manifest.to_bytes(), Owner::MANIFEST);
        content.put(&Resource::of(manifest.header.version, artifact).to_string(), delta);
    }
}

/// A delta without references to the base: one control triple, no diff block, the new bytes as the extra block (delta §1,
/// §2).
pub(crate) fn plain_delta(old: &[u8], new: &[u8], owner: Owner) -> Vec<u8> {
    let mut delta = b"BSDIFF4U".to_vec();
    delta.push(67);
    delta.extend(24_u32.to_le_bytes());
    for length in [0, new.len() as u64, old.len() as u64, new.len() as u64, 0] {
        delta.extend(length.to_le_bytes());
    }
    for number in [owner.permissions | 0o100_000, owner.uid, owner.gid] {
        delta.extend(number.to_le_bytes());
    }
    // Encodings: none for each of the three blocks.
    delta.extend((1_u16 | 1 << 5 | 1 << 10).to_le_bytes());
    for number in [0, new.len() as i64, 0] {
        delta.extend(number.to_le_bytes());
    }
    delta.extend(new);
    delta
}

/// Builds a pack or another archive by hand.
pub(crate) struct Archive(TarWriter<Vec<u8>>);

impl Archive {
    pub(crate) fn new() -> Self {
        Self(TarWriter::new(Vec::new()))
    }

    pub(crate) fn file(mut self, name: &str, content: &[u8]) -> Self {
        let owner = Owner { permissions: 0o644, uid: 0, gid: 0 };
        self.0.file(name.as_bytes(), owner, 0, content.len() as u64, &mut &content[..]).unwrap();
        self
    }

    pub(crate) fn link(mut self, name: &str, target: &str) -> Self {
        self.0.link(name.as_bytes(), Owner { permissions: 0o777, uid: 0, gid: 0 }, 0, target.as_bytes()).unwrap();
        self
    }

    pub(crate) fn folder(mut self, name: &str, permissions: u32) -> Self {
        self.0.directory(name.as_bytes(), Owner { permissions, uid: 0, gid: 0 }, 0).unwrap();
        self
    }

    pub(crate) fn staged(mut self, object: &TestObject) -> Self {
        object.stage_in(&mut self.0);
        self
    }

    pub(crate) fn delta(self, old: &TestObject, new: &TestObject) -> Self {
        let name = DeltaName { from: old.hash(), to: new.hash() };
        let owner = Owner { permissions: new.permissions, uid: 0, gid: 0 };
        self.file(&format!("delta/{name}"), &plain_delta(&old.content, &new.content, owner))
    }

    pub(crate) fn build(self) -> Vec<u8> {
        Codec::Gzip { level: 1 }.compress(&self.0.finish().unwrap()).unwrap()
    }
}

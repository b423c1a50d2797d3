//! A mix in memory: bundles in, a public tree out, with every mistake that a test asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, BufRead, Cursor};
use std::path::Path;
use std::sync::OnceLock;

use clearwell_format::archive::{Codec, TarWriter};
use clearwell_format::resource::{Artifact, Pointer};
use clearwell_format::{
    BundleName, Entry, EntryPath, FileHash, FileKind, FormatNumber, Header, Manifest, ManifestName, Mom, MomEntry,
    Owner, Resource, State, Version, pointer,
};
use clearwell_generate::guard::{Artifacts, Context, EarlierEntries, Finding, PointerMove, Signing, Stored, check};
use clearwell_generate::plan::ReleaseManifests;
use clearwell_sign::{GenerateOptions, KeyBits, PrivateKey, Signer, TrustAnchor, generate};

/// Unix seconds of every release, signature and check.
pub(crate) const NOW: i64 = 1_700_000_000;

pub(crate) fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

pub(crate) fn path(text: &str) -> EntryPath {
    text.parse().unwrap()
}

pub(crate) fn bundle(name: &str) -> BundleName {
    name.parse().unwrap()
}

pub(crate) fn format(number: u16) -> FormatNumber {
    FormatNumber::new(number).unwrap()
}

/// A key with its certificate, valid for a century, as the stock client reads the real clock; made once, as keys take
/// their time.
pub(crate) fn key_pair(number: usize) -> &'static (String, String) {
    static PAIRS: [OnceLock<(String, String)>; 2] = [const { OnceLock::new() }; 2];
    PAIRS[number].get_or_init(|| {
        let options = GenerateOptions {
            bits: KeyBits::Rsa2048,
            validity_days: 36_500,
            ..GenerateOptions::new(format!("Mix {number}"))
        };
        let made = generate(&options, NOW).unwrap();
        (made.key_pem.to_string(), made.certificate_pem)
    })
}

pub(crate) fn signer(number: usize) -> Signer {
    let (key, certificate) = key_pair(number);
    let anchor = TrustAnchor::from_pem(certificate).unwrap();
    Signer::new(anchor, PrivateKey::from_pem(key.as_bytes(), None).unwrap(), NOW).unwrap()
}

/// An object of a bundle.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Object {
    File { content: Vec<u8>, mode: u32 },
    Directory { mode: u32 },
    Link(Vec<u8>),
}

impl Object {
    fn kind(&self) -> FileKind {
        match self {
            Self::File { .. } => FileKind::File,
            Self::Directory { .. } => FileKind::Directory,
            Self::Link(_) => FileKind::Link,
        }
    }

    fn owner(&self) -> Owner {
        let permissions = match self {
            Self::File { mode, .. } | Self::Directory { mode } => *mode,
            Self::Link(_) => 0o777,
        };
        Owner { permissions, uid: 0, gid: 0 }
    }

    pub(crate) fn hash(&self) -> FileHash {
        match self {
            Self::File { content, .. } => FileHash::of_file(content, self.owner()),
            Self::Directory { .. } => FileHash::of_directory(self.owner()),
            Self::Link(target) => FileHash::of_link(target, self.owner()),
        }
    }

    pub(crate) fn write(&self, tar: &mut TarWriter<Vec<u8>>, name: &str) {
        let name = name.as_bytes();
        match self {
            Self::File { content, .. } => {
                tar.file(name, self.owner(), 0, content.len() as u64, &mut content.as_slice()).unwrap();
            }
            Self::Directory { .. } => tar.directory(name, self.owner(), 0).unwrap(),
            Self::Link(target) => tar.link(name, self.owner(), 0, target).unwrap(),
        }
    }
}

/// The content of one bundle.
#[derive(Clone, Default)]
pub(crate) struct BundleContent {
    includes: Vec<BundleName>,
    also_add: Vec<BundleName>,
    objects: BTreeMap<EntryPath, Object>,
}

impl BundleContent {
    pub(crate) fn file(&mut self, at: &str, content: &str) -> &mut Self {
        self.put(at, Object::File { content: content.into(), mode: 0o755 })
    }

    pub(crate) fn directory(&mut self, at: &str) -> &mut Self {
        self.put(at, Object::Directory { mode: 0o755 })
    }

    pub(crate) fn link(&mut self, at: &str, target: &str) -> &mut Self {
        self.put(at, Object::Link(target.into()))
    }

    pub(crate) fn put(&mut self, at: &str, object: Object) -> &mut Self {
        self.objects.insert(path(at), object);
        self
    }

    pub(crate) fn remove(&mut self, at: &str) -> &mut Self {
        self.objects.remove(&path(at)).unwrap();
        self
    }

    pub(crate) fn includes(&mut self, name: &str) -> &mut Self {
        self.includes.push(bundle(name));
        self
    }

    pub(crate) fn also_adds(&mut self, name: &str) -> &mut Self {
        self.also_add.push(bundle(name));
        self
    }
}

/// What goes into a release.
#[derive(Clone, Default)]
pub(crate) struct Content(pub(crate) BTreeMap<BundleName, BundleContent>);

impl Content {
    /// A bundle, made with its tracking file if it is new.
    pub(crate) fn bundle(&mut self, name: &str) -> &mut BundleContent {
        self.0.entry(bundle(name)).or_insert_with(|| {
            let mut content = BundleContent::default();
            if name != "os-core" {
                content.includes("os-core");
            }
            content.put(&format!("/usr/share/clear/bundles/{name}"), Object::File { content: Vec::new(), mode: 0o644 });
            content
        })
    }
}

/// Releases and the public tree they make.
pub(crate) struct Mix {
    pub(crate) tree: BTreeMap<Resource, Vec<u8>>,
    pub(crate) pointers: BTreeMap<Pointer, Vec<u8>>,
    pub(crate) before: BTreeMap<Pointer, Vec<u8>>,
    pub(crate) releases: Vec<Release>,
    pub(crate) signer: Option<Signer>,
    pub(crate) format: FormatNumber,
}

/// A release with what a test may spoil before it is made.
pub(crate) struct Release {
    pub(crate) mom: Mom,
    pub(crate) manifests: BTreeMap<BundleName, Manifest>,
    pub(crate) full: Manifest,
    pub(crate) made: Vec<Resource>,
    content: Content,
}

impl Release {
    pub(crate) fn manifest(&mut self, name: &str) -> &mut Manifest {
        self.manifests.get_mut(&bundle(name)).unwrap()
    }

    pub(crate) fn entry(&mut self, name: &str, at: &str) -> &mut Entry {
        self.manifest(name).entries.iter_mut().find(|entry| entry.path == path(at)).unwrap()
    }

    pub(crate) fn version(&self) -> Version {
        self.mom.header.version
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
    }
}

impl Mix {
    pub(crate) fn signed() -> Self {
        Self { signer: Some(signer(0)), ..Self::unsigned() }
    }

    pub(crate) fn unsigned() -> Self {
        Self {
            tree: BTreeMap::new(),
            pointers: BTreeMap::new(),
            before: BTreeMap::new(),
            releases: Vec::new(),
            signer: None,
            format: format(30),
        }
    }

    /// A small system: os-core with what a client reads, and two bundles.
    pub(crate) fn system(&self, number: u32) -> Content {
        let mut content = Content::default();
        let os_core = content.bundle("os-core");
        for folder in ["", "/bin", "/lib", "/share", "/share/clear", "/share/clear/bundles", "/share/clear/update-ca"] {
            os_core.directory(&format!("/usr{folder}"));
        }
        os_core.directory("/usr/share/defaults").directory("/usr/share/defaults/swupd");
        os_core.file("/usr/lib/os-release", &format!("ID=mix\nVERSION_ID={number}\n"));
        os_core.file("/usr/share/clear/versionstamp", &NOW.to_string());
        os_core.file("/usr/share/defaults/swupd/format", &self.format.to_string());
        if let Some(signer) = &self.signer {
            os_core.file("/usr/share/clear/update-ca/Swupd_Root.pem", &signer.anchor().pem());
        }
        content.bundle("editors").file("/usr/bin/ed", "ed").link("/usr/bin/vi", "ed");
        content.bundle("games").file("/usr/bin/chess", "chess");
        content
    }

    /// A release built on the one before the last, as after a retraction of the last.
    pub(crate) fn release_next_to(&mut self, number: u32, content: &Content) {
        let retracted = self.releases.pop().unwrap();
        self.release(number, content);
        self.releases.insert(self.releases.len() - 1, retracted);
    }

    /// The findings for the newest release, made by [`Mix::release_next_to`].
    pub(crate) fn check_beside(&self) -> Vec<Finding> {
        let previous = &self.releases[self.releases.len() - 3];
        self.check(|context| context.previous = Some(previous.release_manifests()))
    }

    /// Plans, makes and publishes a release.
    pub(crate) fn release(&mut self, number: u32, content: &Content) {
        let release = self.plan(number, content);
        self.make(release, |_| {});
    }

    /// The manifests of a release, with the fullfiles of its objects. The MoM is still empty.
    pub(crate) fn plan(&mut self, number: u32, content: &Content) -> Release {
        let this = version(number);
        let previous = self.releases.last();
        let mut made = Vec::new();
        let mut manifests = BTreeMap::new();
        for (name, of) in &content.0 {
            let old = previous.and_then(|previous| previous.manifests.get(name));
            let manifest = manifest(self.format, this, old, of);
            let is_news = manifest.entries.iter().any(|entry| entry.version == this);
            manifests.insert(
                name.clone(),
                match old {
                    Some(old) if !is_news && old.header.includes == of.includes => old.clone(),
                    _ => manifest,
                },
            );
            for (at, object) in &of.objects {
                let entry = manifests[name].entries.iter().find(|entry| entry.path == *at).unwrap();
                let resource = Resource::of(entry.version, Artifact::Fullfile(entry.hash()));
                if entry.version == this && !self.tree.contains_key(&resource) {
                    self.tree.insert(resource.clone(), fullfile(object));
                    made.push(resource);
                }
            }
        }
        let objects = content.0.values().flat_map(|of| of.objects.clone()).collect();
        let all = BundleContent { objects, ..BundleContent::default() };
        let full = manifest(self.format, this, previous.map(|previous| &previous.full), &all);
        let mom = Mom::new(header(self.format, this, previous.map(Release::version)), Vec::new());
        Release { mom, manifests, full, made, content: content.clone() }
    }

    /// Makes MoM, archives, packs and signatures from the manifests as they are, and moves the pointers.
    pub(crate) fn make(&mut self, mut release: Release, spoil: impl FnOnce(&mut Mom)) {
        let this = release.version();
        for (name, manifest) in &release.manifests {
            let hash = FileHash::of_manifest(&manifest.to_bytes());
            release.mom.entries.push(MomEntry::new(name.clone(), manifest.header.version, hash, false));
        }
        release.mom.entries.sort_by(|a, b| (a.version, &a.bundle).cmp(&(b.version, &b.bundle)));
        release.mom.header.file_count = u32::try_from(release.mom.entries.len()).unwrap();
        spoil(&mut release.mom);

        let mut made = Vec::new();
        for (name, manifest) in release.manifests.iter().filter(|(_, manifest)| manifest.header.version == this) {
            made.extend(self.put_manifest(this, ManifestName::Bundle(name.clone()), &manifest.to_bytes(), None));
            made.push(self.put(this, Artifact::Pack { bundle: name.clone(), from: None }, zero_pack(&release, name)));
        }
        made.extend(self.put_manifest(this, ManifestName::Full, &release.full.to_bytes(), None));
        let mom = release.mom.to_bytes();
        let sign = |content: &[u8]| self.signer.as_ref().map(|signer| signer.sign(content, NOW).unwrap());
        let signature = sign(&mom);
        let text = pointer::to_bytes(this);
        let text_signature = sign(&text);
        if let Some(signature) = &signature {
            made.push(self.put(this, Artifact::MomSignature, signature.clone()));
        }
        made.extend(self.put_manifest(this, ManifestName::Mom, &mom, signature.as_deref()));
        release.made.extend(made);

        self.before = self.pointers.clone();
        let own = release.mom.header.format;
        self.pointers.insert(Pointer::Latest(own), text.clone());
        self.pointers.insert(Pointer::LatestVersion, text);
        if let Some(signature) = text_signature {
            self.pointers.insert(Pointer::LatestSignature(own), signature.clone());
            self.pointers.insert(Pointer::LatestVersionSignature, signature);
        }
        self.releases.push(release);
    }

    pub(crate) fn put(&mut self, version: Version, artifact: Artifact, bytes: Vec<u8>) -> Resource {
        let resource = Resource::of(version, artifact);
        self.tree.insert(resource.clone(), bytes);
        resource
    }

    fn put_manifest(
        &mut self,
        version: Version,
        name: ManifestName,
        text: &[u8],
        signature: Option<&[u8]>,
    ) -> [Resource; 2] {
        let mut tar = TarWriter::new(Vec::new());
        let mut file = |name: String, mut content: &[u8]| {
            tar.file(name.as_bytes(), Owner::MANIFEST, 0, content.len() as u64, &mut content).unwrap();
        };
        file(format!("Manifest.{name}"), text);
        if let Some(signature) = signature {
            file(format!("Manifest.{name}.sig"), signature);
        }
        let archive = Codec::Xz { preset: 6, x86: false }.compress(&tar.finish().unwrap()).unwrap();
        [
            self.put(version, Artifact::Manifest(name.clone()), text.to_vec()),
            self.put(version, Artifact::ManifestTar(name), archive),
        ]
    }

    /// The guard's findings about the newest release, in a context that `adjust` may change.
    pub(crate) fn check<'a>(&'a self, adjust: impl FnOnce(&mut Context<'a>)) -> Vec<Finding> {
        let (newest, older) = self.releases.split_last().unwrap();
        let mut context = Context::new(newest.release_manifests());
        context.previous = older.last().map(Release::release_manifests);
        context.kept = older.iter().map(|release| (release.version(), &release.mom)).collect();
        context.earlier_entries =
            EarlierEntries::read(&context.release, older.iter().map(|release| &release.mom), |entry| {
                let manifest = Artifact::Manifest(ManifestName::Bundle(entry.bundle.clone()));
                self.tree.get(&Resource::of(entry.version, manifest)).cloned()
            })
            .into();
        let wanted = newest.content.0.iter();
        context.wanted = wanted.map(|(name, of)| (name.clone(), of.objects.keys().collect::<BTreeSet<_>>())).collect();
        if let Some(signer) = &self.signer {
            context.signing = Signing::On { anchor: signer.anchor(), now: NOW };
        }
        context.store = Some(Stored { artifacts: self, made: &newest.made });
        context.pointers = Some(PointerMove { before: self.before.clone(), after: self.pointers.clone() });
        adjust(&mut context);
        check(&context)
    }

    /// Writes the public tree for a client.
    pub(crate) fn write(&self, to: &Path) {
        let pointers = self.pointers.iter().map(|(pointer, text)| (pointer.to_string(), text));
        let artifacts = self.tree.iter().map(|(resource, bytes)| (resource.to_string(), bytes));
        for (name, bytes) in pointers.chain(artifacts) {
            let file = to.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
    }
}

impl Release {
    pub(crate) fn release_manifests(&self) -> ReleaseManifests {
        let bundles = self.manifests.iter().map(|(name, manifest)| (name.clone(), manifest.clone().into())).collect();
        ReleaseManifests { mom: self.mom.clone(), bundles, full: Some(self.full.clone().into()) }
    }
}

impl Artifacts for Mix {
    fn size(&self, resource: &Resource) -> Option<u64> {
        self.tree.get(resource).map(|bytes| bytes.len() as u64)
    }

    fn open(&self, resource: &Resource) -> io::Result<Box<dyn BufRead + Send + '_>> {
        let bytes = self.tree.get(resource).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(bytes)))
    }
}

fn header(format: FormatNumber, version: Version, previous: Option<Version>) -> Header {
    Header {
        format,
        version,
        previous,
        min_version: None,
        file_count: 0,
        timestamp: NOW,
        content_size: 0,
        includes: Vec::new(),
        also_add: Vec::new(),
    }
}

/// Entry versions as the specification has them (manifest §5.4), without min-version.
fn manifest(format: FormatNumber, this: Version, old: Option<&Manifest>, of: &BundleContent) -> Manifest {
    let old_entries: BTreeMap<&EntryPath, &Entry> =
        old.iter().flat_map(|old| &old.entries).map(|entry| (&entry.path, entry)).collect();
    let mut entries: Vec<Entry> = of
        .objects
        .iter()
        .map(|(path, object)| {
            let hash = object.hash();
            let same = old_entries.get(path).filter(|old| old.is_present() && old.hash() == hash);
            let version = same.map_or(this, |old| old.version);
            Entry::present(path.clone(), version, object.kind(), hash)
        })
        .collect();
    for (path, old) in old_entries.into_iter().filter(|(path, _)| !of.objects.contains_key(*path)) {
        let is_ghost = path.as_bytes().starts_with(b"/boot/");
        entries.push(match old.state {
            State::Ghosted(_) => continue,
            State::Deleted(_) => Entry::deleted(path.clone(), old.version),
            State::Present { .. } if is_ghost => Entry::ghosted(path.clone(), this),
            State::Present { .. } => Entry::deleted(path.clone(), this),
        });
    }
    entries.sort_by(|a, b| (a.version, &a.path).cmp(&(b.version, &b.path)));
    let header = Header {
        file_count: u32::try_from(entries.len()).unwrap(),
        includes: of.includes.clone(),
        also_add: of.also_add.clone(),
        ..header(format, this, old.map(|old| old.header.version))
    };
    Manifest::new(header, entries)
}

pub(crate) fn fullfile(object: &Object) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    object.write(&mut tar, &object.hash().to_string());
    tar.finish().unwrap()
}

fn zero_pack(release: &Release, name: &BundleName) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    let folder = Owner { permissions: 0o700, uid: 0, gid: 0 };
    tar.directory(b"delta/", folder, 0).unwrap();
    tar.directory(b"staged/", folder, 0).unwrap();
    let named: BTreeSet<FileHash> = release.manifests[name].present().map(|entry| entry.hash()).collect();
    let objects = release.content.0[name].objects.values().map(|object| (object.hash(), object));
    let objects: BTreeMap<FileHash, &Object> = objects.filter(|(hash, _)| named.contains(hash)).collect();
    for (hash, object) in objects {
        object.write(&mut tar, &format!("staged/{hash}"));
    }
    Codec::Xz { preset: 6, x86: false }.compress(&tar.finish().unwrap()).unwrap()
}

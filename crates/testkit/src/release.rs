//! A release in memory: manifests and artifacts of a few bundles.

use std::collections::BTreeMap;

use clearwell_format::archive::{Codec, TarWriter};
use clearwell_format::resource::Artifact;
use clearwell_format::{
    BundleName, Entry, EntryPath, FileHash, FormatNumber, Header, Manifest, ManifestName, Mom, MomEntry, Owner, Version,
};
use clearwell_store::{BundleRecord, Release, ReleaseRecord, Writer};

use crate::TestObject;
use crate::signing::sign;

/// Collects the bundles of a release.
pub struct ReleaseBuilder<'p> {
    version: Version,
    format: FormatNumber,
    previous: Option<&'p TestRelease>,
    bundles: BTreeMap<BundleName, (Vec<BundleName>, Vec<TestObject>)>,
}

/// A release with its inputs.
#[derive(Clone, Debug)]
pub struct TestRelease {
    /// The release.
    pub version: Version,
    /// Its MoM.
    pub mom: Mom,
    /// The manifest of every bundle in the MoM, also of those that did not change.
    pub manifests: BTreeMap<BundleName, Manifest>,
    /// The content of every bundle.
    pub objects: BTreeMap<BundleName, Vec<TestObject>>,
    /// The bytes of everything in the release's folder.
    pub artifacts: BTreeMap<Artifact, Vec<u8>>,
}

impl<'p> ReleaseBuilder<'p> {
    /// A release of format 30, on top of `previous`.
    pub fn new(version: u32, previous: Option<&'p TestRelease>) -> Self {
        let format = FormatNumber::new(30).unwrap();
        Self { version: Version::new(version).unwrap(), format, previous, bundles: BTreeMap::new() }
    }

    /// Another format than 30.
    pub fn format(self, format: FormatNumber) -> Self {
        Self { format, ..self }
    }

    /// Adds a bundle. Every bundle but os-core includes os-core; objects of includes are not repeated in it.
    pub fn bundle(mut self, name: &str, includes: &[&str], objects: Vec<TestObject>) -> Self {
        let includes = includes.iter().map(|name| name.parse().unwrap()).collect();
        self.bundles.insert(name.parse().unwrap(), (includes, objects));
        self
    }

    /// Makes manifests, their archives, signatures, fullfiles, zero packs, and packs from the bundle's last version.
    pub fn build(self) -> TestRelease {
        let mut release = TestRelease {
            version: self.version,
            mom: Mom::new(self.header(Vec::new()), Vec::new()),
            manifests: BTreeMap::new(),
            objects: BTreeMap::new(),
            artifacts: BTreeMap::new(),
        };
        for (name, (includes, objects)) in &self.bundles {
            release.objects.insert(name.clone(), objects.clone());
            let manifest = self.manifest(name, includes, objects);
            let bytes = manifest.to_bytes();
            let hash = FileHash::of_manifest(&bytes);
            release.mom.entries.push(MomEntry::new(name.clone(), manifest.header.version, hash, false));
            if manifest.header.version == self.version {
                release.add_bundle(name, &manifest, self.previous.and_then(|previous| previous.manifests.get(name)));
            }
            release.manifests.insert(name.clone(), manifest);
        }
        release.mom.header.file_count = u32::try_from(release.mom.entries.len()).unwrap();
        release.add_full(self.header(Vec::new()));
        release.add_mom();
        release.artifacts.insert(Artifact::Format, self.format.to_string().into_bytes());
        release
    }

    fn manifest(&self, name: &BundleName, includes: &[BundleName], objects: &[TestObject]) -> Manifest {
        let old = self.previous.and_then(|previous| previous.manifests.get(name));
        let old_entries: BTreeMap<&EntryPath, &Entry> =
            old.iter().flat_map(|old| &old.entries).map(|entry| (&entry.path, entry)).collect();
        let mut entries: BTreeMap<EntryPath, Entry> = BTreeMap::new();
        for object in objects {
            let mut entry = object.entry(self.version);
            if let Some(same) =
                old_entries.get(&entry.path).filter(|old| old.is_present() && old.hash() == entry.hash())
            {
                entry.version = same.version;
            }
            entries.insert(entry.path.clone(), entry);
        }
        for (path, old) in old_entries {
            let version = if old.is_present() { self.version } else { old.version };
            entries.entry(path.clone()).or_insert_with(|| Entry::deleted(path.clone(), version));
        }
        let entries: Vec<Entry> = entries.into_values().collect();
        match old {
            Some(old) if old.entries == entries && old.header.includes == includes => old.clone(),
            _ => {
                let mut header = self.header(includes.to_vec());
                header.previous = old.map(|old| old.header.version);
                header.file_count = u32::try_from(entries.len()).unwrap();
                header.content_size = objects.iter().map(TestObject::size).sum();
                Manifest::new(header, entries)
            }
        }
    }

    fn header(&self, includes: Vec<BundleName>) -> Header {
        Header {
            format: self.format,
            version: self.version,
            previous: self.previous.map(|previous| previous.version),
            min_version: None,
            file_count: 0,
            timestamp: 1_700_000_000 + i64::from(self.version.number()),
            content_size: 0,
            includes,
            also_add: Vec::new(),
        }
    }
}

impl TestRelease {
    /// A record as a build would write it.
    pub fn record(&self) -> ReleaseRecord {
        let header = &self.mom.header;
        let mut record = ReleaseRecord::new(self.version, header.format, header.timestamp);
        record.previous = header.previous;
        record.bundles = self.mom.entries.iter().map(|entry| self.bundle_record(entry)).collect();
        record.generator = "testkit".to_owned();
        record
    }

    /// Puts everything into the store and releases it; pointers stay.
    pub fn release_in(&self, writer: &mut Writer) -> Release {
        let draft = writer.draft(self.version, "testkit").unwrap();
        for (artifact, bytes) in &self.artifacts {
            draft.put(artifact, bytes).unwrap();
        }
        draft.prepare(self.record()).unwrap().release().unwrap()
    }

    /// Rewrites the manifests of this version as another generator may have written them. The MoM is given with the hashes
    /// of those that were rewritten; it comes last, and is signed.
    pub fn rewrite(&mut self, edit: impl Fn(&ManifestName, String) -> String) {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let version = self.version;
        for entry in self.mom.entries.clone().into_iter().filter(|entry| entry.version == version) {
            let name = ManifestName::Bundle(entry.bundle.clone());
            let bytes = edit(&name, text(self.manifests[&entry.bundle].to_bytes())).into_bytes();
            let rewritten = self.mom.entries.iter_mut().find(|other| other.bundle == entry.bundle).unwrap();
            rewritten.hash = FileHash::of_manifest(&bytes);
            self.manifests.insert(entry.bundle, Manifest::parse(&bytes).unwrap());
            self.add_manifest(name, &bytes);
        }
        let full = self.artifacts[&Artifact::Manifest(ManifestName::Full)].clone();
        self.add_manifest(ManifestName::Full, edit(&ManifestName::Full, text(full)).as_bytes());
        self.mom = Mom::parse(edit(&ManifestName::Mom, text(self.mom.to_bytes())).as_bytes()).unwrap();
        self.add_mom();
    }

    fn bundle_record(&self, entry: &MomEntry) -> BundleRecord {
        BundleRecord::of(entry, self.version)
    }

    fn add_bundle(&mut self, name: &BundleName, manifest: &Manifest, old: Option<&Manifest>) {
        self.add_manifest(ManifestName::Bundle(name.clone()), &manifest.to_bytes());
        let objects = self.objects[name].clone();
        let is_new = |object: &&TestObject| {
            manifest.entries.iter().any(|entry| entry.path == object.path && entry.version == self.version)
        };
        let changed: Vec<&TestObject> = objects.iter().filter(is_new).collect();
        for object in &changed {
            self.artifacts.entry(Artifact::Fullfile(object.hash())).or_insert_with(|| object.fullfile());
        }
        let pack = |from| Artifact::Pack { bundle: name.clone(), from };
        self.artifacts.insert(pack(None), pack_of(objects.iter(), Codec::Xz { preset: 1, x86: false }));
        if let Some(old) = old {
            let from = Some(old.header.version);
            self.artifacts.insert(pack(from), pack_of(changed.into_iter(), Codec::Zstd { level: 3 }));
        }
    }

    fn add_full(&mut self, mut header: Header) {
        let entries: BTreeMap<EntryPath, Entry> = self
            .manifests
            .values()
            .flat_map(|manifest| manifest.present())
            .map(|entry| (entry.path.clone(), entry.clone()))
            .collect();
        header.file_count = u32::try_from(entries.len()).unwrap();
        header.content_size = self.objects.values().flatten().map(TestObject::size).sum();
        let full = Manifest::new(header, entries.into_values().collect());
        self.add_manifest(ManifestName::Full, &full.to_bytes());
    }

    fn add_manifest(&mut self, name: ManifestName, bytes: &[u8]) {
        let archive = manifest_archive(&[(&format!("Manifest.{name}"), bytes)]);
        self.artifacts.insert(Artifact::ManifestTar(name.clone()), archive);
        self.artifacts.insert(Artifact::Manifest(name), bytes.to_vec());
    }

    fn add_mom(&mut self) {
        let bytes = self.mom.to_bytes();
        let signature = sign(&bytes);
        let archive = manifest_archive(&[("Manifest.MoM", &bytes), ("Manifest.MoM.sig", &signature)]);
        self.artifacts.insert(Artifact::Manifest(ManifestName::Mom), bytes);
        self.artifacts.insert(Artifact::MomSignature, signature);
        self.artifacts.insert(Artifact::ManifestTar(ManifestName::Mom), archive);
    }
}

fn manifest_archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    for (name, bytes) in members {
        tar.file(name.as_bytes(), Owner::MANIFEST, 0, bytes.len() as u64, &mut &bytes[..]).unwrap();
    }
    Codec::Xz { preset: 1, x86: false }.compress(&tar.finish().unwrap()).unwrap()
}

fn pack_of<'o>(objects: impl Iterator<Item = &'o TestObject>, codec: Codec) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    let folder = Owner { permissions: 0o700, uid: 0, gid: 0 };
    tar.directory(b"delta/", folder, 0).unwrap();
    tar.directory(b"staged/", folder, 0).unwrap();
    let mut staged = Vec::new();
    for object in objects {
        if !staged.contains(&object.hash()) {
            object.stage_in(&mut tar);
            staged.push(object.hash());
        }
    }
    codec.compress(&tar.finish().unwrap()).unwrap()
}

//! Mixes in memory, and a look at what was made of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use clearwell_format::archive::{ArchiveError, read_members};
use clearwell_format::pack::PackMember;
use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, EntryPath, FileHash, FormatNumber, Owner, Resource, Version};
use clearwell_generate::build::{BuildError, BuildOptions, BuildOutcome, build};
use clearwell_generate::inputs::{BundleInput, BundleStatus, DebuginfoBan, Inputs, Listed, Release, Upstream};
use clearwell_generate::progress::Silent;
use clearwell_generate::tree::{Node, Tree};
use clearwell_sign::Signer;
use clearwell_store::Store;

pub(crate) const NOW: i64 = 1_700_000_000;
const FILE: Owner = Owner { permissions: 0o644, uid: 0, gid: 0 };
const DIRECTORY: Owner = Owner { permissions: 0o755, uid: 0, gid: 0 };

pub(crate) fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

pub(crate) fn bundle(name: &str) -> BundleName {
    name.parse().unwrap()
}

/// Files by path, each in one bundle. Directories, tracking files and the files that name the version are added automatically.
#[derive(Clone, Default)]
pub(crate) struct Mix {
    files: BTreeMap<String, (String, Content)>,
    pub(crate) format: u16,
}

#[derive(Clone)]
enum Content {
    Bytes(Arc<[u8]>),
    Link(String),
    Node(Node),
}

impl Mix {
    /// os-core, `editor` and `viewer` with files of all kinds.
    pub(crate) fn sample() -> Self {
        let mut mix = Self { format: 30, ..Self::default() };
        mix.file("os-core", "/usr/bin/tool", &machine_code(60_000, 1));
        mix.file("os-core", "/usr/share/text", &text(20_000, 2));
        mix.file("os-core", "/usr/share/noise", &noise(5_000, 3));
        mix.file("os-core", "/usr/share/empty", b"");
        mix.link("os-core", "/usr/lib64", "lib");
        mix.link("os-core", "/usr/share/long", &"x/".repeat(80));
        mix.file("editor", "/usr/bin/editor", &machine_code(150_000, 4));
        mix.file("editor", "/usr/share/editor/help", &text(50_000, 5));
        mix.file("viewer", "/usr/bin/viewer", &machine_code(9_000, 6));
        mix
    }

    pub(crate) fn file(&mut self, bundle: &str, path: &str, bytes: &[u8]) {
        self.files.insert(path.to_owned(), (bundle.to_owned(), Content::Bytes(bytes.into())));
    }

    pub(crate) fn link(&mut self, bundle: &str, path: &str, target: &str) {
        self.files.insert(path.to_owned(), (bundle.to_owned(), Content::Link(target.to_owned())));
    }

    pub(crate) fn node(&mut self, bundle: &str, node: Node) {
        self.files.insert(node.path.to_string(), (bundle.to_owned(), Content::Node(node)));
    }

    pub(crate) fn remove(&mut self, path: &str) {
        self.files.remove(path).unwrap();
    }

    /// The inputs of a release of it.
    pub(crate) fn inputs(&self, number: u32, previous: Option<u32>) -> Inputs {
        let mut mix = self.clone();
        let names: Vec<String> = {
            let mut names: Vec<String> = self.files.values().map(|(bundle, _)| bundle.clone()).collect();
            names.sort();
            names.dedup();
            names
        };
        for name in &names {
            mix.file(name, &format!("/usr/share/clear/bundles/{name}"), b"");
        }
        mix.file("os-core", "/usr/lib/os-release", format!("VERSION_ID={number}\n").as_bytes());
        mix.file("os-core", "/usr/share/defaults/swupd/format", self.format.to_string().as_bytes());

        let mut nodes = BTreeMap::new();
        let mut owners: BTreeMap<EntryPath, Vec<String>> = BTreeMap::new();
        for (path, (bundle, content)) in &mix.files {
            let path: EntryPath = path.parse().unwrap();
            let node = match content {
                Content::Bytes(bytes) => Node::file(path.clone(), FILE, 1_600_000_000, Arc::clone(bytes)),
                Content::Link(target) => Node::link(path.clone(), FILE, 1_600_000_000, target.as_bytes()),
                Content::Node(node) => node.clone(),
            };
            nodes.insert(path.clone(), node);
            owners.insert(path.clone(), vec![bundle.clone()]);
            let mut parent = path.parent();
            while let Some(path) = parent {
                nodes.entry(path.clone()).or_insert_with(|| Node::directory(path.clone(), DIRECTORY, 1_600_000_000));
                let of = owners.entry(path.clone()).or_default();
                of.extend([bundle.clone(), "os-core".to_owned()]);
                parent = path.parent();
            }
        }
        let tree = Tree::new(nodes.into_values().collect()).unwrap();
        let bundles = names
            .iter()
            .map(|name| BundleInput {
                name: bundle(name),
                status: BundleStatus::Active,
                includes: Vec::new(),
                also_add: Vec::new(),
                files: tree
                    .nodes()
                    .filter(|(_, node)| owners[&node.path].contains(name))
                    .map(|(node, _)| Listed { node, exported: false })
                    .collect(),
            })
            .collect();
        let release = Release {
            version: version(number),
            previous: previous.map(version),
            format: FormatNumber::new(self.format).unwrap(),
            min_version: None,
            timestamp: NOW,
        };
        let upstream = Some(Upstream { url: "https://up.example/".into(), version: "7".into() });
        Inputs {
            release,
            tree,
            bundles,
            stamps: Vec::new(),
            debuginfo: DebuginfoBan::usual(),
            upstream,
            warnings: Vec::new(),
        }
    }

    /// Builds a release of it with the defaults, signed.
    pub(crate) fn build(&self, number: u32, previous: Option<u32>, store: &Store) -> BuildOutcome {
        self.build_with(number, previous, store, Some(clearwell_testkit::signer()), &options()).unwrap()
    }

    pub(crate) fn build_with(
        &self,
        number: u32,
        previous: Option<u32>,
        store: &Store,
        signer: Option<&Signer>,
        options: &BuildOptions,
    ) -> Result<BuildOutcome, BuildError> {
        let mut writer = store.writer("test")?;
        build(&self.inputs(number, previous), &mut writer, signer, options, &Silent)
    }
}

pub(crate) fn options() -> BuildOptions {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    BuildOptions::new(now.try_into().unwrap())
}

/// Lines of text.
pub(crate) fn text(size: usize, seed: u32) -> Vec<u8> {
    numbers(seed).flat_map(|n| format!("line {} of {seed}\n", n % 1000).into_bytes()).take(size).collect()
}

/// Bytes that do not compress.
pub(crate) fn noise(size: usize, seed: u32) -> Vec<u8> {
    numbers(seed).map(|n| (n >> 24) as u8).take(size).collect()
}

/// An x86 ELF file with many calls to a few functions.
pub(crate) fn machine_code(size: usize, seed: u32) -> Vec<u8> {
    let mut code = b"\x7fELF\x02\x01\x01".to_vec();
    code.resize(64, 0);
    code[18] = 62;
    for n in numbers(seed) {
        if code.len() >= size {
            break;
        }
        code.extend(std::iter::repeat_n(0x90, (n >> 28) as usize));
        let target = (n >> 8) % 8 * 4096;
        let next = code.len() as u32 + 5;
        code.push(0xe8);
        code.extend(target.wrapping_sub(next).to_le_bytes());
    }
    code.truncate(size);
    code
}

fn numbers(seed: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(seed.wrapping_mul(2_654_435_761)), |n| {
        Some(n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))
    })
    .skip(1)
}

pub(crate) fn pack(to: u32, name: &str, from: Option<u32>) -> Resource {
    Resource::of(version(to), Artifact::Pack { bundle: bundle(name), from: from.map(version) })
}

/// The hashes that a pack brings, each whole object compared with its content.
pub(crate) fn brought(resource: &Resource, store: &Store) -> Vec<FileHash> {
    let bytes = store.read(resource).unwrap();
    let mut brought = Vec::new();
    let mut folders = 0;
    read_members::<ArchiveError>(&bytes[..], |mut member| {
        assert!(!member.header.names_owner && !member.header.pax_target);
        match PackMember::parse(&member.header.name) {
            Some(PackMember::Folder) => {
                assert_eq!(member.header.owner, Owner { permissions: 0o700, uid: 0, gid: 0 });
                folders += 1;
            }
            Some(PackMember::Staged(hash)) => {
                let is_directory = member.header.kind == clearwell_format::FileKind::Directory;
                assert_eq!(member.header.name.ends_with(b"/"), is_directory);
                assert_eq!(member.hash(&mut std::io::sink())?, hash);
                brought.push(hash);
            }
            Some(PackMember::Delta(name)) => brought.push(name.to),
            None => panic!("{:?}", member.header),
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(folders, 2);
    brought
}

/// Every file below `content` and the indexes, with its bytes; pointers through their link only.
pub(crate) fn snapshot(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for below in ["content", "meta/index"] {
        collect(&root.join(below), below, &mut files);
    }
    files
}

fn collect(folder: &Path, name: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let file_name = entry.file_name().into_string().unwrap();
        let name = format!("{name}/{file_name}");
        if file_name == ".pointers" {
            continue;
        }
        if fs::metadata(entry.path()).unwrap().is_dir() {
            collect(&entry.path(), &name, files);
        } else {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
}

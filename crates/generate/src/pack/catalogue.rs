//! The segments of a zero pack, remembered so that the bundle's next zero pack can reuse them.
//!
//! ```text
//! meta/cache/segments/<version>/<bundle>      JSON: the pack's digest, its segments and their members
//! ```
//!
//! It only saves time: where it is missing or belongs to another pack, everything is compressed again. Bytes of a segment
//! are compared with the digest that the catalogue has of them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, FileHash, Resource, Version};
use clearwell_store::{ArtifactMeta, Digest, Layout, Store, regular};
use serde::{Deserialize, Serialize};

/// The segments of one pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Catalogue {
    /// The compression format: streams of two formats are not one archive.
    pub(crate) family: String,
    pub(crate) segments: Vec<PackedSegment>,
}

/// A segment of a pack: a separate compressed stream, or two for a shared file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PackedSegment {
    /// Where it begins in the pack.
    pub(crate) offset: u64,
    /// Its compressed size in bytes.
    pub(crate) length: u64,
    /// SHA-256 of these bytes.
    pub(crate) sha256: Digest,
    /// Its files, each with its bytes in the tar.
    pub(crate) members: Vec<(FileHash, u64)>,
}

impl Catalogue {
    /// The catalogue of a bundle's zero pack in the folder of `version`; `None` if there is none for this very pack.
    pub(crate) fn read(bundle: &BundleName, version: Version, store: &Store) -> Option<Self> {
        let text: Text =
            serde_json::from_slice(&regular::read(&path(store.layout(), version, bundle), CATALOGUE_LIMIT).ok()?)
                .ok()?;
        let pack = Resource::of(version, Artifact::Pack { bundle: bundle.clone(), from: None });
        let meta = store.lookup(&pack).ok()??;
        if text.form != FORM || text.pack != meta.sha256.to_string() {
            return None;
        }
        let segments = text.segments.into_iter().map(PackedSegment::of).collect::<Option<_>>()?;
        Some(Self { family: text.family, segments })
    }

    /// Writes the catalogue of a pack. Failures are ignored: the next build then takes longer.
    pub(crate) fn keep(&self, bundle: &BundleName, version: Version, pack: ArtifactMeta, store: &Store) {
        let segments = self.segments.iter().map(PackedSegment::text).collect();
        let text = Text { form: FORM, pack: pack.sha256.to_string(), family: self.family.clone(), segments };
        let json = serde_json::to_vec(&text).expect("plain values with text keys");
        let _ = store.disk().replace_unsynced(&path(store.layout(), version, bundle), &json);
    }
}

impl PackedSegment {
    /// The hashes of its files.
    pub(super) fn hashes(&self) -> impl Iterator<Item = FileHash> {
        self.members.iter().map(|&(hash, _)| hash)
    }

    /// Its bytes; `None` if the pack has others there.
    pub(crate) fn bytes(&self, pack: &fs::File) -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.length).ok().filter(|&length| length <= MOST_BYTES)?];
        pack.read_exact_at(&mut bytes, self.offset).ok()?;
        (Digest::of(&bytes) == self.sha256).then_some(bytes)
    }

    fn of(text: SegmentText) -> Option<Self> {
        let member = |(hash, bytes): (String, u64)| Some((hash.parse().ok()?, bytes));
        let members = text.members.into_iter().map(member).collect::<Option<_>>()?;
        let sha256 = Digest::from_bytes(*text.sha256.parse::<FileHash>().ok()?.as_bytes());
        Some(Self { offset: text.offset, length: text.length, sha256, members })
    }

    fn text(&self) -> SegmentText {
        let members = self.members.iter().map(|(hash, bytes)| (hash.to_string(), *bytes)).collect();
        SegmentText { offset: self.offset, length: self.length, sha256: self.sha256.to_string(), members }
    }
}

/// Removes the catalogues of versions that are not in `kept`.
pub(crate) fn prune(kept: &BTreeSet<Version>, store: &Store) {
    for entry in fs::read_dir(folder(store.layout())).into_iter().flatten().flatten() {
        let version = entry.file_name().to_str().and_then(|name| Version::parse(name.as_bytes()).ok());
        if version.is_none_or(|version| !kept.contains(&version)) {
            let _ = store.disk().remove(&entry.path());
        }
    }
}

fn folder(layout: &Layout) -> PathBuf {
    layout.cache().join("segments")
}

fn path(layout: &Layout, version: Version, bundle: &BundleName) -> PathBuf {
    folder(layout).join(version.to_string()).join(Path::new(bundle.as_str()))
}

/// The file.
#[derive(Serialize, Deserialize)]
struct Text {
    form: u32,
    pack: String,
    family: String,
    segments: Vec<SegmentText>,
}

#[derive(Serialize, Deserialize)]
struct SegmentText {
    offset: u64,
    length: u64,
    sha256: String,
    members: Vec<(String, u64)>,
}

/// Some hundred bytes for each file of a bundle.
const CATALOGUE_LIMIT: u64 = 1 << 30;
/// Catalogues of another form are ignored.
const FORM: u32 = 1;
/// Compressed segments are never larger.
const MOST_BYTES: usize = 1 << 30;

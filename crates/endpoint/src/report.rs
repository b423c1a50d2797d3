//! The result of an operation: counts, bytes, and typed problems.

use std::collections::BTreeMap;
use std::fmt;

use clearwell_format::resource::ResourceKind;
use clearwell_format::{BundleName, EntryPath, FileHash, Resource, Version};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::ExitCode;
use crate::problem::Problem;

/// What an endpoint did, and what it found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The exit code of swupd in the same situation (client behaviour §5).
    pub exit_code: ExitCode,
    /// The installed version before; null for a new installation.
    #[serde(serialize_with = "number_option")]
    #[schemars(with = "Option<u32>")]
    pub from: Option<Version>,
    /// The installed version afterwards; null if nothing was installed.
    #[serde(serialize_with = "number_option")]
    #[schemars(with = "Option<u32>")]
    pub to: Option<Version>,
    /// Requests and bytes.
    pub traffic: Traffic,
    /// Number of packs that were fetched and applied.
    pub packs_used: u64,
    /// Number of packs that could not be fetched or were damaged.
    pub packs_failed: u64,
    /// Number of deltas that produced the new file.
    pub deltas_applied: u64,
    /// Number of deltas that did not.
    pub deltas_failed: u64,
    /// Number of manifest deltas that produced the new manifest.
    pub delta_manifests_applied: u64,
    /// The files that no pack contains: clients fetch each as a fullfile.
    pub fetched_individually: Vec<SingleFile>,
    /// Number of archives that name users or groups: clients that know these under other numbers refuse the content
    /// (content layout §3). Harmless if the name is root.
    pub archives_naming_owners: u64,
    /// Number of files installed.
    pub installed: u64,
    /// Number of files removed.
    pub removed: u64,
    /// Number of files compared with their hash.
    pub checked: u64,
    /// Installed files that are missing or changed, or that should not exist.
    pub faulty: Vec<FaultyFile>,
    /// Configuration and state, which updates do not touch (manifest §3.4). After an installation: all such paths that
    /// it installed. After an update: those that differ between the releases and were therefore not updated.
    #[serde(serialize_with = "shown_list")]
    #[schemars(with = "Vec<String>")]
    pub not_updated: Vec<EntryPath>,
    /// All problems, in order.
    pub problems: Vec<Problem>,
}

impl Report {
    pub(crate) fn new(from: Option<Version>) -> Self {
        Self {
            exit_code: ExitCode::Success,
            from,
            to: from,
            traffic: Traffic::default(),
            packs_used: 0,
            packs_failed: 0,
            deltas_applied: 0,
            deltas_failed: 0,
            delta_manifests_applied: 0,
            fetched_individually: Vec::new(),
            archives_naming_owners: 0,
            installed: 0,
            removed: 0,
            checked: 0,
            faulty: Vec::new(),
            not_updated: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// True if a client would have succeeded, without any problem.
    pub fn is_clean(&self) -> bool {
        self.exit_code.is_success() && self.problems.is_empty() && self.faulty.is_empty()
    }
}

/// A file that was fetched as a fullfile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct SingleFile {
    /// A path that needed it; the first in byte order.
    #[serde(serialize_with = "shown")]
    #[schemars(with = "String")]
    pub path: EntryPath,
    /// The swupd hash of the file.
    #[serde(serialize_with = "shown")]
    #[schemars(with = "String")]
    pub hash: FileHash,
    /// The version whose folder contains the fullfile.
    #[serde(serialize_with = "number")]
    #[schemars(with = "u32")]
    pub version: Version,
    /// The bundle that lists the path.
    #[serde(serialize_with = "shown")]
    #[schemars(with = "String")]
    pub bundle: BundleName,
}

/// An installed path that differs from the manifests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct FaultyFile {
    /// The path.
    #[serde(serialize_with = "shown")]
    #[schemars(with = "String")]
    pub path: EntryPath,
    /// The fault.
    pub fault: FileFault,
}

/// What is wrong with an installed path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileFault {
    /// The path does not exist.
    Missing,
    /// Another object is at the path.
    Mismatch,
    /// The path should not exist.
    Extraneous,
}

/// Requests and bytes by kind of resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(into = "TrafficDocument")]
#[schemars(with = "TrafficDocument")]
pub struct Traffic {
    /// Requests for contents, by kind and status; status 0 without an answer.
    pub gets: BTreeMap<(ResourceKind, u16), u64>,
    /// Requests for lengths, by status.
    pub heads: BTreeMap<u16, u64>,
    /// Bytes of content received, by kind.
    pub bytes: BTreeMap<ResourceKind, u64>,
    /// Requests that repeated a failed one.
    pub retries: u64,
}

impl Traffic {
    /// All requests.
    pub fn requests(&self) -> u64 {
        self.gets.values().sum::<u64>() + self.heads.values().sum::<u64>()
    }

    /// All bytes of content.
    pub fn total_bytes(&self) -> u64 {
        self.bytes.values().sum()
    }

    /// GETs of one kind that were answered with `status`.
    pub fn gets_of(&self, kind: ResourceKind, status: u16) -> u64 {
        self.gets.get(&(kind, status)).copied().unwrap_or(0)
    }

    pub(crate) fn count_get(&mut self, resource: &Resource, status: u16, bytes: u64) {
        *self.gets.entry((resource.kind(), status)).or_default() += 1;
        *self.bytes.entry(resource.kind()).or_default() += bytes;
    }

    pub(crate) fn count_head(&mut self, status: u16) {
        *self.heads.entry(status).or_default() += 1;
    }

    /// Adds the counts of another operation.
    pub fn add(&mut self, other: &Self) {
        for (key, count) in &other.gets {
            *self.gets.entry(*key).or_default() += count;
        }
        for (status, count) in &other.heads {
            *self.heads.entry(*status).or_default() += count;
        }
        for (kind, bytes) in &other.bytes {
            *self.bytes.entry(*kind).or_default() += bytes;
        }
        self.retries += other.retries;
    }
}

/// Requests and bytes as JSON: maps with text keys.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Traffic")]
struct TrafficDocument {
    /// Number of GET requests, by kind of resource and HTTP status; status 0 is a request without a response.
    #[schemars(extend("propertyNames" = kinds()))]
    gets: BTreeMap<&'static str, BTreeMap<u16, u64>>,
    /// Number of HEAD requests, by HTTP status.
    heads: BTreeMap<u16, u64>,
    /// Bytes of content received, by kind of resource.
    #[schemars(extend("propertyNames" = kinds()))]
    bytes: BTreeMap<&'static str, u64>,
    /// Number of requests that repeated a failed one.
    retries: u64,
}

/// The schema of a kind of resource.
fn kinds() -> serde_json::Value {
    serde_json::json!({ "enum": ResourceKind::ALL.map(ResourceKind::name) })
}

impl From<Traffic> for TrafficDocument {
    fn from(Traffic { gets: by_kind_and_status, heads, bytes, retries }: Traffic) -> Self {
        let mut gets: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for ((kind, status), count) in by_kind_and_status {
            gets.entry(kind.name()).or_default().insert(status, count);
        }
        let bytes = bytes.into_iter().map(|(kind, bytes)| (kind.name(), bytes)).collect();
        Self { gets, heads, bytes, retries }
    }
}

/// Serializes as its text.
pub(crate) fn shown<T: fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Serializes as a list of texts.
fn shown_list<T: fmt::Display, S: Serializer>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(ToString::to_string))
}

/// Serializes as a number.
fn number<S: Serializer>(version: &Version, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(version.number())
}

/// Serializes as a number, or as null.
fn number_option<S: Serializer>(version: &Option<Version>, serializer: S) -> Result<S::Ok, S::Error> {
    version.map(Version::number).serialize(serializer)
}
